"""Who may use the people's port: the holder of the administrator's token, and how often somebody may guess."""

from __future__ import annotations

import hashlib
import hmac
from collections import OrderedDict, deque
from collections.abc import Callable
from datetime import datetime, timedelta

from fastapi import Request

from myofed_coordinator.accounts.gate import CHANGES_NOTHING
from myofed_coordinator.accounts.permissions import Person, Role
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode

COOKIE = "__Host-myofed"
"""The prefix makes a browser insist on Secure, Path=/ and no domain (RFC 6265bis, section 4.1.3.2)."""
SESSION = timedelta(hours=12)
TOKEN_ACCOUNT = "token"  # noqa: S105  the account's name
"""Name under which the holder of the administrator's token stands in the audit chain."""
FAILURES_ALLOWED = 10
WINDOW = timedelta(minutes=1)
CALLERS_KEPT = 1000


class Attempts:
    """Failed attempts of one caller in the last minute; the table of callers is bounded, the longest silent one leaves."""

    def __init__(self, allowed: int = FAILURES_ALLOWED) -> None:
        self._allowed = allowed
        self._failures: OrderedDict[str, deque[datetime]] = OrderedDict()

    def check(self, caller: str, *, now: datetime) -> None:
        """This caller may make one more attempt now.

        Raises:
            MyofedError: TOO_MANY_ATTEMPTS.
        """
        failures = self._failures.get(caller)
        if failures is not None and len(failures) == self._allowed and now - failures[0] < WINDOW:
            raise MyofedError(
                "TOO_MANY_ATTEMPTS",
                "too many failed attempts in a minute",
                hint="wait a minute",
                exit_code=ExitCode.REFUSED,
            )

    def note_failure(self, caller: str, *, now: datetime) -> None:
        """One more attempt of this caller has failed."""
        self._failures.setdefault(caller, deque(maxlen=self._allowed)).append(now)
        self._failures.move_to_end(caller)
        while len(self._failures) > CALLERS_KEPT:
            self._failures.popitem(last=False)


def caller_of(request: Request) -> str:
    """The address this request came from."""
    return request.client.host if request.client else ""


class Login:
    """Checks tokens and session cookies; holds the token in memory and shows it nowhere."""

    def __init__(self, token: str, *, clock: Callable[[], datetime]) -> None:
        if len(token) < 32:
            raise MyofedError(
                "ADMIN_TOKEN",
                "expected a token of at least 32 characters in keys/admin.token",
                hint="restore the file or write a new random token into it (mode 0600)",
                exit_code=ExitCode.SITE_FOLDER,
            )
        self._token = token.encode()
        self._session_key = hashlib.sha256(b"myofed session 1" + self._token).digest()
        self._attempts = Attempts()
        self._clock = clock

    def session_for(self, token: str, *, caller: str) -> str:
        """A session cookie's value, for a person who pasted the right token.

        Raises:
            MyofedError: LOGIN_REQUIRED, TOO_MANY_ATTEMPTS.
        """
        self._check_token(token, caller=caller)
        expires = str(int((self._clock() + SESSION).timestamp()))
        return f"{expires}.{self._mac(expires)}"

    def admit(self, request: Request, *, csrf: str) -> Person:
        """The administrator: by bearer token, or by a session cookie that has not expired.

        Raises:
            MyofedError: LOGIN_REQUIRED, CSRF, TOO_MANY_ATTEMPTS.
        """
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            self._check_token(token, caller=caller_of(request))
        elif not self.has_session(request):
            raise _login_required()
        elif request.method not in CHANGES_NOTHING and not hmac.compare_digest(
            csrf.encode(), self.csrf_token(request).encode()
        ):
            raise MyofedError(
                "CSRF",
                "expected the session's CSRF token, found none or another one",
                hint="load the page again",
                exit_code=ExitCode.REFUSED,
            )
        return Person(TOKEN_ACCOUNT, frozenset({Role.ADMINISTRATOR}))

    def csrf_token(self, request: Request) -> str:
        """The token that every change by this request's session must say; empty where there is no session."""
        return self._mac(f"csrf {request.cookies[COOKIE]}") if self.has_session(request) else ""

    def has_session(self, request: Request) -> bool:
        """The request carries a session cookie of ours that has not expired."""
        expires, _, mac = request.cookies.get(COOKIE, "").partition(".")
        if not hmac.compare_digest(mac.encode(), self._mac(expires).encode()):
            return False
        return int(expires) > self._clock().timestamp()

    def _check_token(self, token: str, *, caller: str) -> None:
        """The right token always opens, so that nobody who guesses can shut the administrator out."""
        if hmac.compare_digest(token.strip().encode(), self._token):
            return
        now = self._clock()
        self._attempts.check(caller, now=now)
        self._attempts.note_failure(caller, now=now)
        raise _login_required()

    def _mac(self, expires: str) -> str:
        return hmac.new(self._session_key, expires.encode(), hashlib.sha256).hexdigest()


def _login_required() -> MyofedError:
    return MyofedError(
        "LOGIN_REQUIRED",
        "no valid token or session",
        hint="the token lies in keys/admin.token of the coordinator's home",
        exit_code=ExitCode.REFUSED,
    )
