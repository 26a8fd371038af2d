"""The use cases of accounts: let somebody in, change roles, shut somebody out, and what a person does at the own account."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from myofed_coordinator.accounts import refusals, second_factor
from myofed_coordinator.accounts.models import AccountRow, ApiTokenRow, RecoveryCodeRow, SessionRow
from myofed_coordinator.accounts.passwords import Passwords, check_new
from myofed_coordinator.accounts.permissions import Person, Role
from myofed_coordinator.accounts.throttle import Attempts
from myofed_coordinator.accounts.vault import Vault
from myofed_coordinator.accounts.wire import AccountRecord, NewAccount, RolesChange, SecondFactorOffer, SetupLink
from myofed_coordinator.audit import AuditLog, Deed
from myofed_coordinator.config import CoordinatorConfig
from myofed_coordinator.database import Database
from myofed_schemas.clock import utc_text

SETUP_VALID = timedelta(days=3)
OFFER_VALID = timedelta(minutes=15)
GUESSES, GUESSES_WINDOW, GUESSERS_KEPT = 10, timedelta(minutes=15), 10_000
"""Wrong passwords that a session may say when it is asked again."""
TOKEN_ACCOUNT = "token"  # noqa: S105  a name
"""Under this name the holder of the administrator's token stands in the audit chain."""
RESERVED = frozenset({TOKEN_ACCOUNT, "system", "root", "coordinator"})
"""Names that mean something else in the audit chain."""
NEED_SECOND_FACTOR = frozenset({Role.ADMINISTRATOR, Role.STUDY_LEAD})


@dataclass(frozen=True)
class AccountsPlace:
    """With what accounts are kept.

    Attributes:
        config: Whether everybody needs a second factor, and the address in set-up links.
        passwords: Hashes them.
        vault: Of keys/accounts.key; opened when first needed.
    """

    config: CoordinatorConfig
    passwords: Passwords
    vault: Callable[[], Vault]


class AccountsService:
    """The use cases; each call is one transaction, entered in the audit chain before it commits."""

    def __init__(self, database: Database, audit: AuditLog, place: AccountsPlace) -> None:
        self._database = database
        self._audit = audit
        self._place = place
        self._guesses = Attempts(GUESSES, window=GUESSES_WINDOW, callers=GUESSERS_KEPT)

    def add(self, new: NewAccount, *, actor: str, now: datetime) -> SetupLink:
        """The account waits for its person, who sets it up with the one-time link.

        Args:
            new: Name, roles, site.
            actor: Who lets the person in.
            now: Aware.

        Raises:
            MyofedError: ACCOUNT_EXISTS.
        """
        with self._database.write() as session:
            if new.account in RESERVED or session.get(AccountRow, new.account) is not None:
                raise refusals.account_exists()
            row = AccountRow(
                account=new.account,
                state="invited",
                roles=roles_text(new.roles),
                site=new.site,
                created_at=utc_text(now),
                added_by=actor,
            )
            session.add(row)
            detail: dict[str, str | int] = {"roles": row.roles, **({"site": row.site} if row.site else {})}
            self._audit.append(Deed(actor, "ACCOUNT_ADDED", new.account, detail), now=now)
            return self._link(row, now=now)

    def reset(self, account: str, *, actor: str, now: datetime) -> SetupLink:
        """A new set-up link; password, second factor, sessions and API tokens of before open nothing any more.

        Raises:
            MyofedError: ACCOUNT_UNKNOWN; ACCOUNT_OIDC.
        """
        with self._database.write() as session:
            row = account_row(session, account)
            if row.oidc_subject is not None:
                raise refusals.by_provider()
            forget_ways_in(session, row)
            row.state, row.reset_by, row.reset_at = "invited", actor, utc_text(now)
            self._audit.append(Deed(actor, "ACCOUNT_RESET", account), now=now)
            return self._link(row, now=now)

    def set_roles(self, account: str, change: RolesChange, *, actor: str, now: datetime) -> AccountRecord:
        """The account has exactly these roles, and speaks for exactly this site, from the next request on.

        Raises:
            MyofedError: ACCOUNT_UNKNOWN; ACCOUNT_OIDC; SECOND_FACTOR_MISSING, the roles need one and the
                account was set up without.
        """
        with self._database.write() as session:
            row = account_row(session, account)
            if row.oidc_subject is not None:
                raise refusals.by_provider()
            if row.state == "active" and row.totp_secret is None and self.needs_second_factor(change.roles):
                raise refusals.second_factor_missing()
            detail = role_change(row, roles=roles_text(change.roles), site=change.site)
            if detail:
                row.roles, row.site, row.roles_by, row.roles_at = detail["to"], change.site, actor, utc_text(now)
                self._audit.append(Deed(actor, "ACCOUNT_ROLES", account, {**detail}), now=now)
            return record(row)

    def disable(self, account: str, *, actor: str, now: datetime) -> AccountRecord:
        """Nothing of this account opens anything from the next request on; it can be enabled again.

        Raises:
            MyofedError: ACCOUNT_UNKNOWN.
        """
        with self._database.write() as session:
            row = account_row(session, account)
            if row.state != "disabled":
                row.state, row.setup_sha256, row.setup_expires_at = "disabled", None, None
                session.execute(delete(SessionRow).where(SessionRow.account == account))
                self._audit.append(Deed(actor, "ACCOUNT_DISABLED", account), now=now)
            return record(row)

    def enable(self, account: str, *, actor: str, now: datetime) -> AccountRecord:
        """The account opens again with what it opened with before; one that was never set up waits for a `reset`.

        Raises:
            MyofedError: ACCOUNT_UNKNOWN.
        """
        with self._database.write() as session:
            row = account_row(session, account)
            if row.state == "disabled":
                row.state = "active" if row.password or row.oidc_subject else "invited"
                self._audit.append(Deed(actor, "ACCOUNT_ENABLED", account), now=now)
            return record(row)

    def list_accounts(self) -> list[AccountRecord]:
        """Every account, by name."""
        with self._database.read() as session:
            return [record(row) for row in session.scalars(select(AccountRow).order_by(AccountRow.account))]

    def show(self, account: str) -> AccountRecord:
        """One account.

        Raises:
            MyofedError: ACCOUNT_UNKNOWN.
        """
        with self._database.read() as session:
            return record(account_row(session, account))

    def offer_setup(self, secret: str, *, now: datetime) -> SecondFactorOffer:
        """What the holder of a set-up link is asked; the same link is always offered the same second factor.

        Raises:
            MyofedError: SETUP_UNKNOWN.
        """
        with self._database.read() as session:
            row = _invited(session, secret, now=now)
            return self._offer(row, key=self._setup_key(secret))

    def complete_setup(self, secret: str, *, password: str, code: str, now: datetime) -> tuple[str, ...]:
        """The account is active with this password, and with the offered second factor where a code of it was given.

        Returns:
            Recovery codes, none without a second factor.

        Raises:
            MyofedError: SETUP_UNKNOWN; PASSWORD_WEAK; SECOND_FACTOR_CODE, wrong, or missing where one is required.
        """
        with self._database.read() as session:
            account = _invited(session, secret, now=now).account
        check_new(password, account=account)
        encoded = self._place.passwords.hash(password)
        with self._database.write() as session:
            row = _invited(session, secret, now=now)
            codes: tuple[str, ...] = ()
            if code or self.needs_second_factor(roles_of(row)):
                codes = self._set_second_factor(session, row, key=self._setup_key(secret), code=code, now=now)
            row.password, row.state = encoded, "active"
            row.setup_sha256 = row.setup_expires_at = None
            detail: dict[str, str | int] = {"second_factor": int(bool(codes))}
            self._audit.append(Deed(account, "ACCOUNT_SET_UP", account, detail), now=now)
            return codes

    def change_password(self, account: str, *, old: str, new: str, now: datetime) -> None:
        """The new password opens; all sessions of the account have ended.

        Raises:
            MyofedError: LOGIN_FAILED, the old one is wrong; PASSWORD_WEAK; ACCOUNT_OIDC; TOO_MANY_ATTEMPTS.
        """
        self.check_password(account, old, now=now)
        check_new(new, account=account)
        encoded = self._place.passwords.hash(new)
        with self._database.write() as session:
            row = account_row(session, account)
            row.password, row.totp_offer, row.totp_offer_until = encoded, None, None
            session.execute(delete(SessionRow).where(SessionRow.account == account))
            self._audit.append(Deed(account, "PASSWORD_CHANGED", account), now=now)

    def offer_second_factor(self, account: str, *, password: str, now: datetime) -> SecondFactorOffer:
        """A random second factor that this person may take within OFFER_VALID; the present one opens until then.

        Raises:
            MyofedError: LOGIN_FAILED, the password is wrong; ACCOUNT_OIDC; TOO_MANY_ATTEMPTS.
        """
        self.check_password(account, password, now=now)
        key = second_factor.new_key()
        with self._database.write() as session:
            row = _with_password(session, account)
            row.totp_offer = self._place.vault().seal(key, owner=_offered(account))
            row.totp_offer_until = utc_text(now + OFFER_VALID)
            return self._offer(row, key=key)

    def change_second_factor(self, account: str, *, password: str, code: str, now: datetime) -> tuple[str, ...]:
        """The offered second factor is the account's; earlier recovery codes and other sessions open nothing any more.

        Raises:
            MyofedError: LOGIN_FAILED, the password is wrong; SECOND_FACTOR_OFFER, none, or too long ago; SECOND_FACTOR_CODE;
                ACCOUNT_OIDC; TOO_MANY_ATTEMPTS.
        """
        self.check_password(account, password, now=now)
        with self._database.write() as session:
            row = _with_password(session, account)
            if row.totp_offer is None or utc_text(now) >= (row.totp_offer_until or ""):
                raise refusals.no_offer()
            key = self._place.vault().open(row.totp_offer, owner=_offered(account))
            codes = self._set_second_factor(session, row, key=key, code=code, now=now)
            session.execute(delete(SessionRow).where(SessionRow.account == account))
            self._audit.append(Deed(account, "SECOND_FACTOR_SET", account), now=now)
            return codes

    def check_password(self, account: str, password: str, *, now: datetime) -> None:
        """This is the account's password; asked again of somebody who is signed in, so that a session left open is not all.

        Raises:
            MyofedError: LOGIN_FAILED, ACCOUNT_OIDC, TOO_MANY_ATTEMPTS.
        """
        with self._database.read() as session:
            stored = _with_password(session, account).password
        self._guesses.begin(account, now=now)
        if not self._place.passwords.matches(password, stored):
            raise refusals.login_failed()
        self._guesses.take_back(account)

    def needs_second_factor(self, roles: tuple[Role, ...] | frozenset[Role]) -> bool:
        """Whether somebody with these roles must have one."""
        return self._place.config.second_factor_for_all or bool(NEED_SECOND_FACTOR & set(roles))

    def _link(self, row: AccountRow, *, now: datetime) -> SetupLink:
        secret = secrets.token_urlsafe(32)
        row.setup_sha256, row.setup_expires_at = digest_of(secret), utc_text(now + SETUP_VALID)
        url = f"{self._place.config.people_url}/setup#{secret}"
        return SetupLink(
            account=row.account, setup_url=url, setup_secret=secret, expires_at=utc_text(now + SETUP_VALID)
        )

    def _offer(self, row: AccountRow, *, key: bytes) -> SecondFactorOffer:
        issuer = self._place.config.name
        return SecondFactorOffer(
            account=row.account,
            required=self.needs_second_factor(roles_of(row)),
            totp_uri=second_factor.provisioning_uri(key, account=row.account, issuer=issuer),
            totp_key=second_factor.typed_key(key),
        )

    def _setup_key(self, secret: str) -> bytes:
        return self._place.vault().derive("totp of setup", secret)[: second_factor.KEY_BYTES]

    def _set_second_factor(
        self, session: Session, row: AccountRow, *, key: bytes, code: str, now: datetime
    ) -> tuple[str, ...]:
        step = second_factor.accepted_step(key, code, now=now, last=None)
        if step is None:
            raise refusals.code_wrong()
        row.totp_secret, row.totp_step = self._place.vault().seal(key, owner=row.account), step
        row.totp_offer = row.totp_offer_until = None
        codes = second_factor.new_recovery_codes()
        session.execute(delete(RecoveryCodeRow).where(RecoveryCodeRow.account == row.account))
        digests = (second_factor.recovery_digest(code) for code in codes)
        session.add_all(RecoveryCodeRow(account=row.account, sha256=sha256) for sha256 in digests)
        return codes


def deed_on(account: str, person: Person) -> str:
    """The actor of an administrator's deed on this account, for the people's port: nobody changes the own account there.

    At the machine itself the operator may: the command line is the way in when all others are lost.

    Raises:
        MyofedError: ACCOUNT_OWN.
    """
    if account == person.account:
        raise refusals.own_account()
    return person.account


def roles_of(row: AccountRow) -> frozenset[Role]:
    """The roles of this account."""
    return frozenset(Role(name) for name in row.roles.split(","))


def role_change(row: AccountRow, *, roles: str, site: str | None) -> dict[str, str]:
    """What the audit chain says of a change of roles or site; empty where neither changes."""
    moved = {} if row.site == site else {"from_site": row.site or "-", "to_site": site or "-"}
    return {"from": row.roles, "to": roles, **moved} if moved or row.roles != roles else {}


def roles_text(roles: tuple[Role, ...] | frozenset[Role]) -> str:
    """The roles as they are kept."""
    return ",".join(sorted(roles))


def person_of(row: AccountRow) -> Person:
    """The person behind this account."""
    return Person(row.account, roles_of(row), row.site)


def account_row(session: Session, account: str) -> AccountRow:
    """The account's row.

    Raises:
        MyofedError: ACCOUNT_UNKNOWN.
    """
    row = session.get(AccountRow, account)
    if row is None:
        raise refusals.account_unknown()
    return row


def record(row: AccountRow) -> AccountRecord:
    """The account as administrators see it."""
    return AccountRecord.model_validate(
        {
            "account": row.account,
            "state": row.state,
            "roles": sorted(roles_of(row)),
            "site": row.site,
            "created_at": row.created_at,
            "second_factor": row.totp_secret is not None,
            "oidc": row.oidc_subject is not None,
        }
    )


def digest_of(secret: str) -> str:
    """What is kept of a random secret of 256 bits."""
    return hashlib.sha256(secret.encode()).hexdigest()


def _offered(account: str) -> str:
    """For whom an offered key is sealed: put in the place of the account's own it does not open."""
    return f"{account} offered"


def _with_password(session: Session, account: str) -> AccountRow:
    row = account_row(session, account)
    if row.oidc_subject is not None:
        raise refusals.by_provider()
    return row


def _invited(session: Session, secret: str, *, now: datetime) -> AccountRow:
    row = session.scalar(select(AccountRow).where(AccountRow.setup_sha256 == digest_of(secret)))
    if row is None or row.state != "invited" or utc_text(now) >= (row.setup_expires_at or ""):
        raise refusals.setup_unknown()
    return row


def forget_ways_in(session: Session, row: AccountRow) -> None:
    """Password, second factor, recovery codes, sessions and API tokens of the account open nothing any more."""
    row.password = row.totp_secret = row.totp_step = row.totp_offer = row.totp_offer_until = None
    for table in (SessionRow, ApiTokenRow, RecoveryCodeRow):
        session.execute(delete(table).where(table.account == row.account))
