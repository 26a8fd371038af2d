"""The own account: who I am and what I may, password, second factor, API tokens."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse, RedirectResponse
from pydantic import ValidationError

from myofed_coordinator.accounts import gate, refusals
from myofed_coordinator.accounts.permissions import Permission, Person, granted
from myofed_coordinator.accounts.service import TOKEN_ACCOUNT
from myofed_coordinator.accounts.tokens import LONGEST_AFTER_PROVIDER
from myofed_coordinator.accounts.wire import AccountRecord, MadeToken, NewToken, SecondFactorOffer, TokenId, TokenRecord
from myofed_coordinator.services import Services
from myofed_coordinator.web.forms import Form, form_of
from myofed_coordinator.web.render import Asked, Renderer, done
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode

AT = "/profile"
DAYS = ("7", "30", "90", "365")
SignedInPerson = Annotated[Person, Depends(gate.page())]
Posted = Annotated[Form, Depends(form_of)]


@dataclass(frozen=True)
class Once:
    """What one answer shows and no later one.

    Attributes:
        made: An API token.
        offer: A second factor to take.
        recovery_codes: Of the second factor that was just taken.
    """

    made: MadeToken | None = None
    offer: SecondFactorOffer | None = None
    recovery_codes: tuple[str, ...] = ()


@dataclass(frozen=True)
class ProfileView:
    """The own account.

    Attributes:
        person: Who is signed in.
        permissions: What they may do, sorted.
        record: None for the administrator's token, which has no account.
        tokens: Own API tokens.
        once: What this answer alone shows.
    """

    person: Person
    permissions: tuple[Permission, ...]
    record: AccountRecord | None
    tokens: tuple[TokenRecord, ...]
    once: Once

    @property
    def days(self) -> tuple[str, ...]:
        """How long a token may last, as the form offers it."""
        most = LONGEST_AFTER_PROVIDER.days if self.record is not None and self.record.oidc else int(DAYS[-1])
        return tuple(days for days in DAYS if int(days) <= most)

    @property
    def has_password(self) -> bool:
        """Password and second factor are kept here, not at an identity provider."""
        return self.record is not None and not self.record.oidc


def add_profile(router: APIRouter, renderer: Renderer, services: Services, *, clock: Callable[[], datetime]) -> None:
    """The router serves the page of the own account."""
    accounts, tokens = services.accounts, services.tokens

    def page(request: Request, person: Person, once: Once) -> HTMLResponse:
        view = profile(services, person, once, now=clock())
        return renderer.page(Asked(request, person), "profile.html", at=AT, view=view)

    @router.get("/profile")
    def own(request: Request, person: SignedInPerson) -> HTMLResponse:
        return page(request, person, Once())

    @router.post("/profile/password")
    def password(form: Posted, person: SignedInPerson) -> RedirectResponse:
        new = form.secret("new")
        if new != form.secret("again"):
            raise MyofedError(
                "PASSWORD_REPEATED",
                "expected the same password twice, found two",
                hint="type the new password twice",
                exit_code=ExitCode.BAD_INPUT,
            )
        accounts.change_password(account_of(person), old=form.secret("old"), new=new, now=clock())
        return done("/login", "password-changed")

    @router.post("/profile/second-factor/offer")
    def offer(request: Request, form: Posted, person: SignedInPerson) -> HTMLResponse:
        offered = accounts.offer_second_factor(account_of(person), password=form.secret("password"), now=clock())
        return page(request, person, Once(offer=offered))

    @router.post("/profile/second-factor")
    def second_factor(request: Request, form: Posted, person: SignedInPerson) -> HTMLResponse:
        codes = accounts.change_second_factor(
            account_of(person), password=form.secret("password"), code=form.text("code"), now=clock()
        )
        return page(request, person, Once(recovery_codes=codes))

    @router.post("/profile/tokens")
    def make(request: Request, form: Posted, person: SignedInPerson) -> HTMLResponse:
        account_of(person)
        return page(request, person, Once(made=tokens.make(person, new_token(form), now=clock())))

    @router.post("/profile/tokens/{token_id}/revoke")
    def revoke(token_id: TokenId, person: SignedInPerson) -> RedirectResponse:
        tokens.revoke(token_id, account=account_of(person), now=clock())
        return done(AT, "token-revoked")


def profile(services: Services, person: Person, once: Once, *, now: datetime) -> ProfileView:
    """The own account as of now."""
    has_account = person.account != TOKEN_ACCOUNT
    return ProfileView(
        person=person,
        permissions=tuple(sorted(p for p in granted(person.roles) if person.may(p))),
        record=services.accounts.show(person.account) if has_account else None,
        tokens=tuple(services.tokens.list_tokens(person.account, now=now)) if has_account else (),
        once=once,
    )


def account_of(person: Person) -> str:
    """The person's account, for what only the person does.

    Raises:
        MyofedError: LOGIN_NEEDED_HERE, it is an API token, or the administrator's token, which has no account.
    """
    if person.scope is not None or person.account == TOKEN_ACCOUNT:
        raise refusals.not_by_token()
    return person.account


def new_token(form: Form) -> NewToken:
    """What the form asks for.

    Raises:
        MyofedError: TOKEN_FORM.
    """
    try:
        return NewToken.model_validate(
            {"title": form.text("title"), "scope": form.many("scope"), "days": int(form.text("days") or "30")}
        )
    except (ValidationError, ValueError) as error:
        raise MyofedError(
            "TOKEN_FORM",
            "expected a title of letters, digits and .,:()-, one permission at least, and 1 to 365 days",
            hint="give it a short title and tick what it may do",
            exit_code=ExitCode.BAD_INPUT,
        ) from error
