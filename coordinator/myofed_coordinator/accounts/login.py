"""Signing in with account, password and code: one answer for every reason of failure, and a bound on guessing.

Who guesses is slowed down per address and per account. A browser from which the person has signed in before holds a device
cookie and has a count of its own, so that nobody who guesses at an account shuts its owner out (OWASP: device cookies); on a
new device the owner waits 15 minutes at most once the guessing stops, and a set-up link of an administrator opens at any time.
"""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete
from sqlalchemy.orm import Session

from myofed_coordinator.accounts import refusals, second_factor
from myofed_coordinator.accounts.models import AccountRow, RecoveryCodeRow
from myofed_coordinator.accounts.service import AccountsPlace, AccountsService, roles_of
from myofed_coordinator.accounts.sessions import SessionsService
from myofed_coordinator.accounts.throttle import Attempts
from myofed_coordinator.accounts.wire import Credentials
from myofed_coordinator.audit import AuditLog, Deed
from myofed_coordinator.database import Database

PER_ADDRESS, ADDRESS_WINDOW = 20, timedelta(minutes=1)
PER_ACCOUNT, ACCOUNT_WINDOW = 10, timedelta(minutes=15)
ACCOUNTS_KEPT = 20_000
"""Counts of accounts kept: who wants to push one out needs as many failures, at PER_ADDRESS a minute."""


@dataclass(frozen=True)
class Arrival:
    """From where somebody signs in.

    Attributes:
        address: Of the connection.
        device: The device cookie, empty on a new device.
        session: The session cookie before, empty or not; its session ends.
    """

    address: str
    device: str = ""
    session: str = ""


@dataclass(frozen=True)
class SignedIn:
    """What the person's browser is given: both go into cookies and nowhere else."""

    session: str
    device: str

    def __repr__(self) -> str:
        return "SignedIn()"


class LoginService:
    """The use case of signing in."""

    def __init__(
        self,
        database: Database,
        audit: AuditLog,
        place: AccountsPlace,
        rooms: tuple[AccountsService, SessionsService],
    ) -> None:
        self._database = database
        self._audit = audit
        self._place = place
        self._accounts, self._sessions = rooms
        self._addresses = Attempts(PER_ADDRESS, window=ADDRESS_WINDOW)
        self._names = Attempts(PER_ACCOUNT, window=ACCOUNT_WINDOW, callers=ACCOUNTS_KEPT)
        self._devices = Attempts(PER_ACCOUNT, window=ACCOUNT_WINDOW, callers=ACCOUNTS_KEPT)

    def sign_in(self, given: Credentials, arrival: Arrival, *, now: datetime) -> SignedIn:
        """The person has a new session.

        Args:
            given: As typed.
            arrival: From where.
            now: Aware.

        Raises:
            MyofedError: LOGIN_FAILED; TOO_MANY_ATTEMPTS; SECOND_FACTOR_MISSING, said only to who knows the password.
        """
        device = self._device_of(given.account, arrival.device)
        if device is not None:
            counts: tuple[tuple[Attempts, str], ...] = ((self._devices, device),)
        else:
            counts = ((self._addresses, arrival.address), (self._names, given.account))
        for attempts, caller in counts:
            attempts.begin(caller, now=now)
        self._check(given, now=now)
        for attempts, caller in counts:
            attempts.take_back(caller)
        session = self._sessions.open(given.account, method="password", replaces=arrival.session, now=now)
        return SignedIn(session, self._device(given.account) if device is None else arrival.device)

    def _check(self, given: Credentials, *, now: datetime) -> None:
        with self._database.read() as session:
            row = session.get(AccountRow, given.account)
            stored = row.password if row is not None and row.state == "active" else None
        if not self._place.passwords.matches(given.password, stored):
            raise refusals.login_failed()
        fresh = self._place.passwords.hash(given.password) if stored and self._is_outdated(stored) else None
        with self._database.write() as session:
            row = session.get(AccountRow, given.account)
            if row is None or row.state != "active" or row.password != stored:
                raise refusals.login_failed()
            self._check_second_factor(session, row, given.code, now=now)
            row.password = fresh or row.password

    def _is_outdated(self, stored: str) -> bool:
        return self._place.passwords.is_outdated(stored)

    def _check_second_factor(self, session: Session, row: AccountRow, code: str, *, now: datetime) -> None:
        """The code is right and used up; none is asked for where there is no second factor and none is needed."""
        if row.totp_secret is None:
            if self._accounts.needs_second_factor(roles_of(row)):
                raise refusals.second_factor_missing()
            return
        key = self._place.vault().open(row.totp_secret, owner=row.account)
        step = second_factor.accepted_step(key, code, now=now, last=row.totp_step)
        if step is not None:
            row.totp_step = step
        elif not self._use_recovery_code(session, row, code, now=now):
            raise refusals.login_failed()

    def _use_recovery_code(self, session: Session, row: AccountRow, code: str, *, now: datetime) -> bool:
        wanted = second_factor.recovery_digest(code)
        found = session.get(RecoveryCodeRow, (row.account, wanted))
        if found is None:
            return False
        session.execute(
            delete(RecoveryCodeRow).where(RecoveryCodeRow.account == row.account, RecoveryCodeRow.sha256 == wanted)
        )
        self._audit.append(Deed(row.account, "RECOVERY_CODE_USED", row.account), now=now)
        return True

    def _device(self, account: str) -> str:
        nonce = secrets.token_hex(16)
        return f"{account}~{nonce}~{self._device_mac(account, nonce)}"

    def _device_of(self, account: str, cookie: str) -> str | None:
        """The device's own name, where this account signed in from it before."""
        owner, _, rest = cookie.partition("~")
        nonce, _, mac = rest.partition("~")
        if not nonce or owner != account:
            return None
        return nonce if hmac.compare_digest(mac.encode(), self._device_mac(account, nonce).encode()) else None

    def _device_mac(self, account: str, nonce: str) -> str:
        return self._place.vault().derive("device cookie", account, nonce).hex()
