"""Who holds somebody's account in hand: whoever added it, reset it or gave it roles a short while ago saw, or chose, its way in."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from myofed_coordinator.accounts.models import AccountRow
from myofed_schemas.clock import utc_text

HELD_FOR = timedelta(days=30)
"""So long an account counts as held by who added it, reset it or gave it roles."""


def hands_on(session: Session, account: str, *, now: datetime) -> frozenset[str]:
    """The name itself, everybody who held it within HELD_FOR, everybody who held those, and so on.

    Args:
        session: Reads.
        account: A name of the audit chain; one without an account (a login at the machine, the token) is held by nobody.
        now: Aware.
    """
    found: set[str] = set()
    to_ask = [account]
    since = utc_text(now - HELD_FOR)
    while to_ask:
        name = to_ask.pop()
        if name in found:
            continue
        found.add(name)
        row = session.get(AccountRow, name)
        to_ask.extend(_makers(row, since=since) if row is not None else ())
    return frozenset(found)


def accounts_among(session: Session, names: frozenset[str]) -> frozenset[str]:
    """Those names that accounts have; the others are logins at the machine, and the token."""
    return frozenset(name for name in names if session.get(AccountRow, name) is not None)


def _makers(row: AccountRow, *, since: str) -> Iterator[str]:
    deeds = ((row.added_by, row.created_at), (row.reset_by, row.reset_at), (row.roles_by, row.roles_at))
    return (who for who, at in deeds if who is not None and at is not None and at > since)
