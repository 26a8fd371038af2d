"""Signing in at the consortium's identity provider: its claims say the roles, and who has none is nobody here."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from pydantic import TypeAdapter, ValidationError
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from myofed_coordinator.accounts import refusals
from myofed_coordinator.accounts.identity_provider import Handshake, Identity, IdentityProvider
from myofed_coordinator.accounts.models import AccountRow, ApiTokenRow, SessionRow
from myofed_coordinator.accounts.oidc_settings import GrantedRole, OidcSettings
from myofed_coordinator.accounts.service import RESERVED, role_change, roles_text
from myofed_coordinator.accounts.sessions import SessionsService
from myofed_coordinator.accounts.vault import Vault
from myofed_coordinator.accounts.wire import AccountName
from myofed_coordinator.audit import AuditLog, Deed
from myofed_coordinator.database import Database
from myofed_schemas.clock import utc_text
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode
from myofed_schemas.wire import WireModel

ATTEMPT_LASTS = timedelta(minutes=10)
_OWNER = "oidc attempt"
_NAME: TypeAdapter[str] = TypeAdapter(AccountName)


class _Attempt(WireModel):
    """What the sealed cookie remembers between going to the provider and coming back."""

    state: str
    nonce: str
    verifier: str
    until: float


@dataclass(frozen=True)
class Departure:
    """The browser goes to `url` and keeps `cookie` until it comes back."""

    url: str
    cookie: str


@dataclass(frozen=True)
class Return:
    """What the browser brings back from the provider.

    Attributes:
        state: As sent.
        code: Empty where the provider refused.
        issuer: As the provider names itself (RFC 9207), if it does.
        cookie: The one that the browser was given when it went.
    """

    state: str
    code: str
    issuer: str | None
    cookie: str


class OidcService:
    """The use cases of signing in at the provider."""

    def __init__(self, provider: IdentityProvider, settings: OidcSettings, people: OidcPeople) -> None:
        self._provider = provider
        self._settings = settings
        self._people = people

    def depart(self, *, now: datetime) -> Departure:
        """A new attempt: where the browser goes, and what ties its return to it.

        Raises:
            MyofedError: OIDC_UNREACHABLE, OIDC_ANSWER, OIDC_SETTINGS, OIDC_BUSY.
        """
        handshake = Handshake(*(secrets.token_urlsafe(32) for _ in range(3)))
        attempt = _Attempt(
            state=handshake.state,
            nonce=handshake.nonce,
            verifier=handshake.verifier,
            until=(now + ATTEMPT_LASTS).timestamp(),
        )
        sealed = self._people.vault().seal(attempt.model_dump_json().encode(), owner=_OWNER)
        return Departure(self._provider.authorization_url(handshake, now=now), sealed)

    def arrive(self, back: Return, *, replaces: str, now: datetime) -> str:
        """The id of a new session of the person whom the provider vouches for.

        Args:
            back: What the browser brings.
            replaces: Id of the session in the cookie before, if any.
            now: Aware.

        Raises:
            MyofedError: OIDC_STATE, not the return of an attempt of this browser; OIDC_DENIED; OIDC_UNREACHABLE;
                OIDC_BUSY; OIDC_ANSWER; OIDC_SETTINGS; OIDC_NO_ROLE; OIDC_NAME; LOGIN_FAILED, the account is disabled.
        """
        attempt = self._attempt(back, now=now)
        if not back.code:
            raise _refused("OIDC_DENIED", "the identity provider let nobody in", hint="sign in there, then try again")
        handshake = Handshake(attempt.state, attempt.nonce, attempt.verifier)
        identity = self._provider.identity(back.code, handshake, now=now)
        granted = [role for value, role in self._settings.roles.items() if value in identity.values]
        account = self._people.account_of(self._settings.issuer, identity, granted, now=now)
        return self._people.sessions.open(account, method="oidc", replaces=replaces, now=now)

    def _attempt(self, back: Return, *, now: datetime) -> _Attempt:
        try:
            opened = self._people.vault().open(back.cookie, owner=_OWNER)
            attempt = _Attempt.model_validate_json(opened)
        except (MyofedError, ValidationError) as error:
            raise _no_attempt() from error
        same = hmac.compare_digest(attempt.state.encode(), back.state.encode())
        if not same or now.timestamp() >= attempt.until or not self._provider.is_issuer(back.issuer):
            raise _no_attempt()
        return attempt


@dataclass(frozen=True)
class OidcPeople:
    """The accounts of people whom a provider vouches for; each call is one transaction."""

    database: Database
    audit: AuditLog
    sessions: SessionsService
    vault: Callable[[], Vault]

    def account_of(self, issuer: str, identity: Identity, granted: list[GrantedRole], *, now: datetime) -> str:
        """The person's account, made at the first login, with exactly the roles that the provider's claims mean today.

        Raises:
            MyofedError: OIDC_NO_ROLE, then an account that was there has no session and no API token any more; OIDC_NAME, the provider's
                name cannot be one here or is somebody else's; LOGIN_FAILED, the account is disabled here.
        """
        with self.database.write() as session:
            query = select(AccountRow).where(
                AccountRow.oidc_issuer == issuer, AccountRow.oidc_subject == identity.subject
            )
            row = session.scalar(query)
            if granted:
                return self._admitted(session, row, (issuer, identity), granted, now=now)
            if row is not None:
                for table in (SessionRow, ApiTokenRow):
                    session.execute(delete(table).where(table.account == row.account))
                self.audit.append(Deed("system", "ACCOUNT_LOST_ROLES", row.account), now=now)
        raise _refused(
            "OIDC_NO_ROLE",
            "the identity provider gives this person no role here",
            hint="an administrator of the provider adds the person to a group that oidc.roles in config.yaml names",
        )

    def _admitted(
        self,
        session: Session,
        row: AccountRow | None,
        who: tuple[str, Identity],
        granted: list[GrantedRole],
        *,
        now: datetime,
    ) -> str:
        roles = roles_text(frozenset(role.role for role in granted))
        sites = sorted({role.site for role in granted if role.site})
        if len(sites) > 1:
            raise _refused("OIDC_NAME", "the person would speak for two sites", hint="one person, one site")
        site = sites[0] if sites else None
        if row is None:
            row = self._new(session, *who, roles=roles, now=now)
        elif row.state != "active":
            raise refusals.login_failed()
        elif detail := role_change(row, roles=roles, site=site):
            self.audit.append(Deed("system", "ACCOUNT_ROLES", row.account, {**detail}), now=now)
        row.roles, row.site = roles, site
        return row.account

    def _new(self, session: Session, issuer: str, identity: Identity, *, roles: str, now: datetime) -> AccountRow:
        try:
            name = _NAME.validate_python(identity.name.lower())
        except ValidationError as error:
            raise _no_name() from error
        if name in RESERVED or session.get(AccountRow, name) is not None:
            raise _no_name()
        row = AccountRow(
            account=name,
            state="active",
            roles=roles,
            created_at=utc_text(now),
            oidc_issuer=issuer,
            oidc_subject=identity.subject,
        )
        session.add(row)
        self.audit.append(Deed("system", "ACCOUNT_ADDED", name, {"roles": roles, "by": "oidc"}), now=now)
        return row


def _no_attempt() -> MyofedError:
    return _refused(
        "OIDC_STATE",
        "expected the return of a login that this browser began within the last ten minutes, found another one",
        hint="begin again at the login page",
    )


def _no_name() -> MyofedError:
    return _refused(
        "OIDC_NAME",
        "the name that the identity provider gives cannot be an account's, or another person has it",
        hint="oidc.account_claim in config.yaml names the claim; an administrator frees the name",
    )


def _refused(code: str, message: str, *, hint: str) -> MyofedError:
    return MyofedError(code, message, hint=hint, exit_code=ExitCode.REFUSED)
