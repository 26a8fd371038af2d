"""The doorkeeper of the people's port: bearer tokens and session cookies, and what a browser is given and loses."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from datetime import datetime, timedelta

from fastapi import Request, Response

from myofed_coordinator.accounts import refusals
from myofed_coordinator.accounts.gate import CHANGES_NOTHING
from myofed_coordinator.accounts.login import Arrival, LoginService, SignedIn
from myofed_coordinator.accounts.permissions import Person
from myofed_coordinator.accounts.service import TOKEN_ACCOUNT
from myofed_coordinator.accounts.sessions import LASTS, TOKEN_PERSON, SessionsService, csrf_of
from myofed_coordinator.accounts.throttle import Attempts
from myofed_coordinator.accounts.tokens import PREFIX, TokensService
from myofed_coordinator.accounts.wire import Credentials
from myofed_coordinator.services import Services
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode

COOKIE = "__Host-myofed"
"""The prefix makes a browser insist on Secure, Path=/ and no domain (RFC 6265bis, section 4.1.3.2)."""
DEVICE_COOKIE = "__Host-myofed-device"
"""Says that somebody signed in from here before; opens nothing."""
DEVICE_LASTS = timedelta(days=180)


class Login:
    """Lets people in; holds the administrator's token in memory and shows it nowhere."""

    def __init__(self, token: str, services: Services, *, clock: Callable[[], datetime]) -> None:
        if len(token) < 32:
            raise MyofedError(
                "ADMIN_TOKEN",
                "expected a token of at least 32 characters in keys/admin.token",
                hint="restore the file or write a new random token into it (mode 0600)",
                exit_code=ExitCode.SITE_FOLDER,
            )
        self._token = token.encode()
        self._sessions: SessionsService = services.sessions
        self._tokens: TokensService = services.tokens
        self._service: LoginService = services.login
        self._attempts = Attempts()
        self._clock = clock

    def admit(self, request: Request, *, csrf: str) -> Person:
        """The person: by bearer token, or by a session cookie that has not ended.

        Raises:
            MyofedError: LOGIN_REQUIRED, CSRF, TOO_MANY_ATTEMPTS.
        """
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme:
            return self._holder(token.strip() if scheme.lower() == "bearer" else "", caller=caller_of(request))
        session_id = request.cookies.get(COOKIE, "")
        person = self._sessions.person(session_id, now=self._clock())
        if person is None:
            raise refusals.login_required()
        if request.method not in CHANGES_NOTHING and not hmac.compare_digest(
            csrf.encode(), csrf_of(session_id).encode()
        ):
            raise refusals.csrf()
        return person

    def csrf_token(self, request: Request) -> str:
        """The token that every change by this request's session must say; empty where it has no cookie."""
        return "" if "authorization" in request.headers else csrf_of(request.cookies.get(COOKIE, ""))

    def sign_in(self, given: Credentials, request: Request) -> SignedIn:
        """The person has a new session.

        Raises:
            MyofedError: LOGIN_FAILED, TOO_MANY_ATTEMPTS, SECOND_FACTOR_MISSING.
        """
        arrival = Arrival(
            caller_of(request), request.cookies.get(DEVICE_COOKIE, ""), session=request.cookies.get(COOKIE, "")
        )
        return self._service.sign_in(given, arrival, now=self._clock())

    def session_for(self, token: str, request: Request) -> SignedIn:
        """A session for a person who pasted the administrator's token.

        Raises:
            MyofedError: LOGIN_REQUIRED, TOO_MANY_ATTEMPTS.
        """
        self._check_token(token.strip(), caller=caller_of(request))
        replaces = request.cookies.get(COOKIE, "")
        session = self._sessions.open(TOKEN_ACCOUNT, method="token", replaces=replaces, now=self._clock())
        return SignedIn(session, "")

    def sign_out(self, person: Person, request: Request) -> None:
        """The request's session has ended."""
        self._sessions.close(request.cookies.get(COOKIE, ""), actor=person.account, now=self._clock())

    def _holder(self, token: str, *, caller: str) -> Person:
        if not token.startswith(PREFIX):
            self._check_token(token, caller=caller)
            return TOKEN_PERSON
        person = self._tokens.person(token, now=self._clock())
        if person is None:
            raise self._failed(caller)
        return person

    def _check_token(self, token: str, *, caller: str) -> None:
        """The right token always opens, so that nobody who guesses can shut the administrator out."""
        if not hmac.compare_digest(token.encode(), self._token):
            raise self._failed(caller)

    def _failed(self, caller: str) -> MyofedError:
        """One more wrong token of this caller.

        Raises:
            MyofedError: TOO_MANY_ATTEMPTS.
        """
        self._attempts.begin(caller, now=self._clock())
        return refusals.login_required()


def caller_of(request: Request) -> str:
    """The address this request came from."""
    return request.client.host if request.client else ""


def give_cookies(response: Response, signed_in: SignedIn) -> None:
    """The browser holds the session, and remembers that somebody signed in from it."""
    _give(response, COOKIE, signed_in.session, lasts=LASTS)
    if signed_in.device:
        _give(response, DEVICE_COOKIE, signed_in.device, lasts=DEVICE_LASTS)


def take_cookie(response: Response) -> None:
    """The browser holds no session any more."""
    response.delete_cookie(COOKIE, secure=True, httponly=True, samesite="strict", path="/")


def _give(response: Response, name: str, value: str, *, lasts: timedelta) -> None:
    seconds = int(lasts.total_seconds())
    response.set_cookie(name, value, max_age=seconds, secure=True, httponly=True, samesite="strict", path="/")
