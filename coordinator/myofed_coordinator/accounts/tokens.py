"""Personal API tokens: for scripts, narrower than their person, with an end; shown once, kept as a digest."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from myofed_coordinator.accounts import refusals
from myofed_coordinator.accounts.models import AccountRow, ApiTokenRow, SessionRow
from myofed_coordinator.accounts.permissions import Permission, Person
from myofed_coordinator.accounts.service import digest_of, person_of
from myofed_coordinator.accounts.wire import MadeToken, NewToken, TokenRecord
from myofed_coordinator.audit import AuditLog, Deed
from myofed_coordinator.database import Database
from myofed_schemas.clock import utc_moment, utc_text

PREFIX = "myofed_"
"""Every token begins so: a scanner for leaked secrets knows one, and the port which of two kinds it has before it."""

LONGEST_AFTER_PROVIDER = timedelta(days=30)
"""A token of somebody who signs in at an identity provider opens no longer after the login there: the provider does not tell
us that a person has left, it only lets nobody in any more."""


class TokensService:
    """The use cases of API tokens; each call is one transaction."""

    def __init__(self, database: Database, audit: AuditLog) -> None:
        self._database = database
        self._audit = audit

    def make(self, person: Person, new: NewToken, *, now: datetime) -> MadeToken:
        """A token that opens what `new.scope` names, as long as the person may it.

        Raises:
            MyofedError: TOKEN_SCOPE, it asks for more than the person may; TOKEN_DAYS, the person signs in at an identity
                provider, and it would last longer than LONGEST_AFTER_PROVIDER.
        """
        if not all(person.may(permission) for permission in new.scope):
            raise refusals.scope_too_wide()
        token = PREFIX + secrets.token_urlsafe(32)
        row = ApiTokenRow(
            token_id=f"tok-{secrets.token_hex(4)}",
            sha256=digest_of(token),
            account=person.account,
            title=new.title,
            scope=",".join(sorted(set(new.scope))),
            created_at=utc_text(now),
        )
        with self._database.write() as session:
            row.expires_at = utc_text(_end(session, person.account, timedelta(days=new.days), now=now))
            session.execute(delete(ApiTokenRow).where(ApiTokenRow.expires_at <= utc_text(now)))
            session.add(row)
            detail: dict[str, str | int] = {"scope": row.scope, "expires_at": row.expires_at}
            self._audit.append(Deed(person.account, "TOKEN_MADE", row.token_id, detail), now=now)
            return MadeToken(record=_record(row), token=token)

    def list_tokens(self, account: str, *, now: datetime) -> list[TokenRecord]:
        """This person's tokens that still open something, oldest first."""
        query = (
            select(ApiTokenRow)
            .where(ApiTokenRow.account == account)
            .order_by(ApiTokenRow.created_at, ApiTokenRow.token_id)
        )
        with self._database.read() as session:
            person = session.get(AccountRow, account)
            rows = session.scalars(query).all()
            return [_record(row) for row in rows if person is not None and not _is_over(row, person, now=now)]

    def revoke(self, token_id: str, *, account: str, now: datetime) -> None:
        """The token opens nothing from the next request on.

        Raises:
            MyofedError: TOKEN_UNKNOWN, no such token of this person.
        """
        with self._database.write() as session:
            row = session.get(ApiTokenRow, token_id)
            if row is None or row.account != account:
                raise refusals.token_unknown()
            session.delete(row)
            self._audit.append(Deed(account, "TOKEN_REVOKED", token_id), now=now)

    def person(self, token: str, *, now: datetime) -> Person | None:
        """The person, held to the token's scope; None where it opens nothing (any more)."""
        with self._database.read() as session:
            found = session.execute(
                select(ApiTokenRow, AccountRow)
                .join(AccountRow, AccountRow.account == ApiTokenRow.account)
                .where(ApiTokenRow.sha256 == digest_of(token))
            ).one_or_none()
            if found is None:
                return None
            row, account = found
            if account.state != "active" or _is_over(row, account, now=now):
                return None
            whole = person_of(account)
            return Person(whole.account, whole.roles, whole.site, scope=frozenset(_scope(row)))


def _end(session: Session, account: str, wish: timedelta, *, now: datetime) -> datetime:
    """Until when a new token opens: as wished, and with a provider no longer than LONGEST_AFTER_PROVIDER after the login there."""
    row = session.get(AccountRow, account)
    if row is None or row.oidc_subject is None:
        return now + wish
    login = session.scalar(select(func.max(SessionRow.opened_at)).where(SessionRow.account == account))
    if login is None or wish > LONGEST_AFTER_PROVIDER:
        raise refusals.token_too_long(LONGEST_AFTER_PROVIDER.days)
    return min(now + wish, utc_moment(login) + LONGEST_AFTER_PROVIDER)


def _is_over(row: ApiTokenRow, account: AccountRow, *, now: datetime) -> bool:
    """Also a token made for longer, before its account was one of a provider: no later login there is known for it."""
    if utc_text(now) >= row.expires_at:
        return True
    return account.oidc_subject is not None and now - utc_moment(row.created_at) >= LONGEST_AFTER_PROVIDER


def _scope(row: ApiTokenRow) -> tuple[Permission, ...]:
    """What is left of the scope: a permission of another version grants nothing."""
    known = {str(permission) for permission in Permission}
    return tuple(Permission(name) for name in row.scope.split(",") if name in known)


def _record(row: ApiTokenRow) -> TokenRecord:
    return TokenRecord(
        token_id=row.token_id,
        title=row.title,
        scope=_scope(row),
        created_at=row.created_at,
        expires_at=row.expires_at,
    )
