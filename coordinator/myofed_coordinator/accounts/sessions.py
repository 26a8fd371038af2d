"""Sessions: a random id in the person's cookie, its digest here; they end by themselves, at logout, and with the account."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from datetime import datetime, timedelta

from sqlalchemy import delete
from sqlalchemy.orm import Session

from myofed_coordinator.accounts.models import AccountRow, SessionRow
from myofed_coordinator.accounts.permissions import Person, Role
from myofed_coordinator.accounts.service import TOKEN_ACCOUNT, digest_of, person_of
from myofed_coordinator.audit import AuditLog, Deed
from myofed_coordinator.database import Database
from myofed_schemas.clock import utc_moment, utc_text

LASTS = timedelta(hours=12)
IDLE = timedelta(hours=1)
SEEN_AGAIN = timedelta(minutes=1)
"""Two requests within this time are one to the table, so that reading a page does not write."""
TOKEN_PERSON = Person(TOKEN_ACCOUNT, frozenset({Role.ADMINISTRATOR}))
"""Whoever holds the administrator's token."""


class SessionsService:
    """Opens sessions, finds the person behind one, ends them."""

    def __init__(self, database: Database, audit: AuditLog) -> None:
        self._database = database
        self._audit = audit

    def open(self, account: str, *, method: str, replaces: str, now: datetime) -> str:
        """The id of a new session of this account, whose login has been checked; it stands nowhere but in the answer.

        Args:
            account: Whose.
            method: How the person signed in, for the audit chain.
            replaces: Id of the session in the cookie before, if any: it has ended, whoever's it was.
            now: Aware.
        """
        session_id = secrets.token_urlsafe(32)
        with self._database.write() as session:
            session.execute(delete(SessionRow).where(SessionRow.sha256 == digest_of(replaces)))
            session.execute(delete(SessionRow).where(SessionRow.opened_at <= utc_text(now - LASTS)))
            add_session(session, session_id, account=account, now=now)
            self._audit.append(Deed(account, "SIGNED_IN", account, {"by": method}), now=now)
        return session_id

    def person(self, session_id: str, *, now: datetime) -> Person | None:
        """Who is signed in with this session; None where it never was, has ended, or its account may no longer."""
        if not session_id:
            return None
        with self._database.read() as session:
            row = session.get(SessionRow, digest_of(session_id))
            if row is None or _is_over(row, now=now):
                return None
            person = _person(session, row.account)
            stale = now - utc_moment(row.seen_at) >= SEEN_AGAIN
        if person is not None and stale:
            self._note_seen(session_id, now=now)
        return person

    def close(self, session_id: str, *, actor: str, now: datetime) -> None:
        """The session has ended."""
        with self._database.write() as session:
            row = session.get(SessionRow, digest_of(session_id))
            if row is not None:
                session.delete(row)
                self._audit.append(Deed(actor, "SIGNED_OUT", row.account), now=now)

    def _note_seen(self, session_id: str, *, now: datetime) -> None:
        with self._database.write() as session:
            row = session.get(SessionRow, digest_of(session_id))
            if row is not None:
                row.seen_at = max(row.seen_at, utc_text(now))


def add_session(session: Session, session_id: str, *, account: str, now: datetime) -> None:
    """The session stands in the table."""
    moment = utc_text(now)
    session.add(SessionRow(sha256=digest_of(session_id), account=account, opened_at=moment, seen_at=moment))


def csrf_of(session_id: str) -> str:
    """What this session's changes must say; whoever reads the table cannot make it."""
    return hmac.new(session_id.encode(), b"myofed csrf 1", hashlib.sha256).hexdigest() if session_id else ""


def _is_over(row: SessionRow, *, now: datetime) -> bool:
    return now - utc_moment(row.opened_at) >= LASTS or now - utc_moment(row.seen_at) >= IDLE


def _person(session: Session, account: str) -> Person | None:
    if account == TOKEN_ACCOUNT:
        return TOKEN_PERSON
    row = session.get(AccountRow, account)
    return person_of(row) if row is not None and row.state == "active" else None
