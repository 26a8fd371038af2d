"""The pages before and after a session: log in, set up an account by its one-time link, log out."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from pydantic import ValidationError

from myofed_coordinator.accounts import gate
from myofed_coordinator.accounts.permissions import Person
from myofed_coordinator.accounts.service import AccountsService
from myofed_coordinator.accounts.throttle import Attempts
from myofed_coordinator.accounts.wire import Credentials, SecondFactorOffer, SetupAnswer, SetupQuestion
from myofed_coordinator.api.login import Login, caller_of, give_cookies, take_cookie
from myofed_coordinator.api.refusals import status_of
from myofed_coordinator.web.forms import Form, form_of
from myofed_coordinator.web.render import Renderer
from myofed_schemas.errors import MyofedError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from myofed_coordinator.accounts.login import SignedIn

Posted = Annotated[Form, Depends(form_of)]
SignedInPerson = Annotated[Person, Depends(gate.page())]

SAYS = {
    "TOO_MANY_ATTEMPTS": "Too many failed attempts. Wait, then try again.",
    "LOGIN_FAILED": "Account, password and code do not fit together.",
    "LOGIN_REQUIRED": "This is not the token.",
    "SECOND_FACTOR_MISSING": "This account needs a second factor. Ask an administrator for a new set-up link.",
    "SETUP_UNKNOWN": "This link is not valid: it was used, has ended, or was cut short. Ask for a new one.",
    "SECOND_FACTOR_CODE": "That code does not fit. Wait for the next one and try again.",
    "OIDC_NO_ROLE": "Your identity provider knows you, but gives you no role in this consortium. Ask an administrator.",
    "OIDC_NAME": "The name that your identity provider tells cannot be an account here, or another person has it.",
    "OIDC_STATE": "The way back from your identity provider took too long, or began in another browser. Try again.",
    "OIDC_DENIED": "Your identity provider did not let you in.",
    "OIDC_ANSWER": "Your identity provider's answer does not hold. Tell an administrator.",
    "OIDC_UNREACHABLE": "Your identity provider cannot be reached from here. Try again, or use an account of this coordinator.",
    "OIDC_BUSY": "Many people sign in at your identity provider just now. Try again in a moment.",
    "OIDC_SETTINGS": "The settings of the identity provider do not hold. Tell an administrator.",
    "PASSWORD_REPEATED": "The two passwords are not the same.",
}
"""What a page says for a code; any other is said as the code itself."""


@dataclass(frozen=True)
class LoginPage:
    """What was wrong with the last attempt (empty: nothing), where the login leads, and whether there is a provider."""

    said: str
    wanted: str
    provider: bool


@dataclass(frozen=True)
class SetupPage:
    """A step of the set-up: the link, then password and second factor, then the recovery codes.

    Attributes:
        said: What was wrong with the last answer; empty where nothing was.
        secret: Of the link, once it is known to be valid.
        offer: What goes with it.
        recovery_codes: Once all is done; None before.
    """

    said: str = ""
    secret: str = ""
    offer: SecondFactorOffer | None = None
    recovery_codes: tuple[str, ...] | None = None


def add_login(router: APIRouter, renderer: Renderer, login: Login, *, provider: bool) -> None:
    """The router serves the login and the way out.

    Args:
        router: Of pages.
        renderer: Makes them.
        login: Lets people in.
        provider: An identity provider is configured.
    """

    def page(error: MyofedError | None, *, wanted: str, notice: str = "") -> HTMLResponse:
        view = LoginPage(says(error.code) if error else "", wanted, provider)
        return renderer.before_login("login.html", status=status_of(error) if error else 200, notice=notice, view=view)

    @router.get("/login", dependencies=[Depends(gate.public)])
    def form(request: Request) -> HTMLResponse:
        asked = request.query_params
        wanted, refused = inside(asked.get("next", "/")), asked.get("refused", "")
        if refused in SAYS:
            return page(MyofedError(refused, "refused at the identity provider"), wanted=wanted)
        return page(None, wanted=wanted, notice=asked.get("done", ""))

    @router.post("/login", dependencies=[Depends(gate.public)])
    def enter(request: Request, sent: Posted) -> Response:
        wanted = inside(sent.text("next"))
        try:
            signed_in = _signed_in(login, request, sent)
        except MyofedError as error:
            return page(error, wanted=wanted)
        answer = RedirectResponse(wanted, status_code=303)
        give_cookies(answer, signed_in)
        return answer

    @router.post("/logout")
    def leave(person: SignedInPerson, request: Request) -> Response:
        login.sign_out(person, request)
        answer = RedirectResponse("/login", status_code=303)
        take_cookie(answer)
        return answer


def add_setup(
    router: APIRouter, renderer: Renderer, accounts: AccountsService, *, clock: Callable[[], datetime]
) -> None:
    """The router serves the set-up of an account; the one-time secret of the link is the admission."""
    attempts = Attempts()

    def page(view: SetupPage, *, status: int = 200) -> HTMLResponse:
        return renderer.before_login("setup.html", status=status, view=view)

    @router.get("/setup", dependencies=[Depends(gate.public)])
    def start() -> HTMLResponse:
        return page(SetupPage())

    @router.post("/setup/offer", dependencies=[Depends(gate.public)])
    def offer(request: Request, sent: Posted) -> HTMLResponse:
        try:
            with _counted(attempts, request, now=clock()):
                secret = _secret(sent)
                return page(SetupPage(secret=secret, offer=accounts.offer_setup(secret, now=clock())))
        except MyofedError as error:
            return page(SetupPage(says(error.code)), status=status_of(error))

    @router.post("/setup", dependencies=[Depends(gate.public)])
    def complete(request: Request, sent: Posted) -> HTMLResponse:
        known: SecondFactorOffer | None = None
        try:
            with _counted(attempts, request, now=clock()):
                secret = _secret(sent)
                known = accounts.offer_setup(secret, now=clock())
            answer = _answer(sent, secret)
            codes = accounts.complete_setup(answer.secret, password=answer.password, code=answer.code, now=clock())
        except MyofedError as error:
            again = SetupPage(says(error.code, error.hint), secret if known else "", known)
            return page(again, status=status_of(error))
        return page(SetupPage(recovery_codes=codes))


def says(code: str, hint: str = "") -> str:
    """A sentence for the code; empty for none."""
    return (
        SAYS.get(code, f"Refused with the code {code}.{f' {hint[:1].upper()}{hint[1:]}.' if hint else ''}")
        if code
        else ""
    )


def inside(address: str) -> str:
    """The address where it is a path of this port; else the first page, so that a login leads nowhere else."""
    is_path = address.startswith("/") and not address.startswith(("//", "/\\"))
    return address if is_path and all(" " < c <= "~" and c != "\\" for c in address) else "/"


def _signed_in(login: Login, request: Request, sent: Form) -> SignedIn:
    if token := sent.secret("token"):
        return login.session_for(token, request)
    try:
        given = Credentials(account=sent.text("account"), password=sent.secret("password"), code=sent.text("code"))
    except ValidationError:
        raise MyofedError("LOGIN_FAILED", "not the form of credentials") from None
    return login.sign_in(given, request)


@contextmanager
def _counted(attempts: Attempts, request: Request, *, now: datetime) -> Iterator[None]:
    """A guess at a secret counts; one that was right does not."""
    attempts.begin(caller_of(request), now=now)
    yield
    attempts.take_back(caller_of(request))


def _secret(sent: Form) -> str:
    """The secret, also where the whole link was pasted.

    Raises:
        MyofedError: SETUP_UNKNOWN.
    """
    try:
        return SetupQuestion(secret=sent.text("secret").rpartition("#")[2]).secret
    except ValidationError:
        raise MyofedError("SETUP_UNKNOWN", "not the form of a set-up secret") from None


def _answer(sent: Form, secret: str) -> SetupAnswer:
    if sent.secret("password") != sent.secret("again"):
        raise MyofedError("PASSWORD_REPEATED", "expected the same password twice, found two")
    try:
        return SetupAnswer(secret=secret, password=sent.secret("password"), code=sent.text("code"))
    except ValidationError:
        raise MyofedError("MALFORMED", "not the form of a password or code") from None
