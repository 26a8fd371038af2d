"""HTTP of the own account: sign in and out, who am I, password, second factor, API tokens."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from myofed_coordinator.accounts import gate, refusals
from myofed_coordinator.accounts.permissions import Person, granted
from myofed_coordinator.accounts.service import TOKEN_ACCOUNT, AccountsService
from myofed_coordinator.accounts.sessions import csrf_of
from myofed_coordinator.accounts.tokens import TokensService
from myofed_coordinator.accounts.wire import (
    Credentials,
    MadeToken,
    NewToken,
    PasswordAgain,
    PasswordChange,
    RecoveryCodes,
    SecondFactorChange,
    SecondFactorOffer,
    TokenId,
    TokenRecord,
    Whoami,
)
from myofed_coordinator.api.login import Login, give_cookies, take_cookie
from myofed_schemas.wire import WireModel

SignedInPerson = Annotated[Person, Depends(gate.signed_in)]


class Done(WireModel):
    """The request was carried out; there is nothing to say about it."""


def session_router(login: Login, accounts: AccountsService) -> APIRouter:
    """`/session`: sign in, sign out, who am I."""
    router = APIRouter(tags=["session"])

    @router.post("/session", dependencies=[Depends(gate.public)])
    def sign_in(body: Credentials, request: Request, response: Response) -> Whoami:
        """Signs in: the answer sets the session's cookie. An earlier session of the browser ends."""
        signed_in = login.sign_in(body, request)
        give_cookies(response, signed_in)
        found = accounts.show(body.account)
        return whoami(Person(found.account, frozenset(found.roles), found.site), csrf=csrf_of(signed_in.session))

    @router.get("/session")
    def who(person: SignedInPerson, request: Request) -> Whoami:
        """Who is signed in, and what the login or token may do."""
        return whoami(person, csrf=gate.csrf_token(request))

    @router.delete("/session")
    def sign_out(person: SignedInPerson, request: Request, response: Response) -> Done:
        """Signs out: the session opens nothing any more. A bearer token stays as it is."""
        login.sign_out(person, request)
        take_cookie(response)
        return Done()

    return router


def own_account_router(accounts: AccountsService, *, clock: Callable[[], datetime]) -> APIRouter:
    """`/account`: what people change of their own account, after they signed in."""
    router = APIRouter(tags=["own account"])

    @router.put("/account/password")
    def password(body: PasswordChange, person: SignedInPerson) -> Done:
        """Changes the password; all sessions of the person end."""
        accounts.change_password(_own(person), old=body.old, new=body.new, now=clock())
        return Done()

    @router.post("/account/second-factor")
    def offer(body: PasswordAgain, person: SignedInPerson) -> SecondFactorOffer:
        """A new second factor to take within a quarter of an hour; it counts once a code of it was sent."""
        return accounts.offer_second_factor(_own(person), password=body.password, now=clock())

    @router.put("/account/second-factor")
    def second_factor(body: SecondFactorChange, person: SignedInPerson) -> RecoveryCodes:
        """Takes the offered second factor; the recovery codes in the answer are shown this once, all sessions end."""
        account = _own(person)
        codes = accounts.change_second_factor(account, password=body.password, code=body.code, now=clock())
        return RecoveryCodes(recovery_codes=codes)

    return router


def tokens_router(tokens: TokensService, *, clock: Callable[[], datetime]) -> APIRouter:
    """`/tokens`: the own API tokens; a token makes none."""
    router = APIRouter(tags=["own account"])

    @router.get("/tokens")
    def every(person: SignedInPerson) -> list[TokenRecord]:
        """The own API tokens."""
        return tokens.list_tokens(_own(person), now=clock())

    @router.post("/tokens", status_code=201)
    def make(body: NewToken, person: SignedInPerson) -> MadeToken:
        """Makes an API token, no wider than the person; it is shown this once."""
        _own(person)
        return tokens.make(person, body, now=clock())

    @router.delete("/tokens/{token_id}")
    def revoke(token_id: TokenId, person: SignedInPerson) -> Done:
        """Ends an API token."""
        tokens.revoke(token_id, account=_own(person), now=clock())
        return Done()

    return router


def whoami(person: Person, *, csrf: str) -> Whoami:
    """The person as the wire tells of one."""
    permissions = sorted(p for p in granted(person.roles) if person.may(p))
    return Whoami(
        account=person.account,
        roles=tuple(sorted(person.roles)),
        site=person.site,
        permissions=tuple(permissions),
        csrf=csrf,
    )


def _own(person: Person) -> str:
    """The person's account, for what only the person does.

    Raises:
        MyofedError: LOGIN_NEEDED_HERE, it is an API token, or the administrator's token, which has no account.
    """
    if person.scope is not None or person.account == TOKEN_ACCOUNT:
        raise refusals.not_by_token()
    return person.account
