"""The gate of the people's port: each route names the permission it asks for; one that names none stops the building.

A router writes `dependencies=[Depends(gate.require(Permission.SEE_SITES))]`, or takes the person where it needs one:
`person: Annotated[Person, Depends(gate.require(Permission.START_RUNS))]`. Pages use `gate.page`, which leads whoever is not
signed in to the login instead of refusing. What everybody may see says so with `gate.public`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Protocol
from urllib.parse import parse_qs, quote

from fastapi import Depends, FastAPI, Request
from fastapi.routing import iter_route_contexts

from myofed_coordinator.accounts.permissions import Permission, Person
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode

CSRF_HEADER = "x-csrf-token"
"""Where scripts of our pages (htmx: `hx-headers`) say the session's token."""
CSRF_FIELD = "csrf"
"""The hidden field with which a plain form says it."""
CHANGES_NOTHING = frozenset({"GET", "HEAD", "OPTIONS"})
_FORM = "application/x-www-form-urlencoded"


class Doorkeeper(Protocol):
    """Who knows people: by bearer token, or by a session's cookie."""

    def admit(self, request: Request, *, csrf: str) -> Person:
        """The person who sent this request.

        Args:
            request: With a bearer token, or with a session's cookie.
            csrf: What the request said of the session's token; looked at where it changes something by a cookie.

        Raises:
            MyofedError: LOGIN_REQUIRED, CSRF, TOO_MANY_ATTEMPTS.
        """

    def csrf_token(self, request: Request) -> str:
        """The token that every change by this request's session must say; empty where there is no session."""


class NotSignedInError(MyofedError):
    """A page was asked for without a session: the answer leads to the login, and from there back.

    Attributes:
        login: Path of the login page with the page that was asked for.
    """

    def __init__(self, refusal: MyofedError, *, wanted: str) -> None:
        super().__init__(refusal.code, refusal.message, hint=refusal.hint, exit_code=refusal.exit_code)
        self.login = "/login" if wanted == "/" else f"/login?next={quote(wanted, safe='/')}"


async def _said(request: Request) -> str:
    """The CSRF token that this request says, in its header or as a form's field; empty where it needs none or has none."""
    if request.method in CHANGES_NOTHING:
        return ""
    if given := request.headers.get(CSRF_HEADER):
        return given
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _FORM:
        return ""
    fields = parse_qs((await request.body()).decode("ascii", errors="replace"))
    return fields.get(CSRF_FIELD, [""])[0]


@dataclass(frozen=True)
class Requirement:
    """What a route asks of the person who calls it; a FastAPI dependency that returns the person.

    Attributes:
        permission: None admits everybody who is signed in.
        page: Whoever is not signed in is led to the login.
    """

    permission: Permission | None
    page: bool = False

    def __call__(self, request: Request, csrf: Annotated[str, Depends(_said)]) -> Person:
        """The person, who has the permission.

        Raises:
            MyofedError: LOGIN_REQUIRED (NotSignedInError for a page), CSRF, TOO_MANY_ATTEMPTS, FORBIDDEN.
        """
        try:
            person = doorkeeper(request).admit(request, csrf=csrf)
        except MyofedError as error:
            if self.page and error.code == "LOGIN_REQUIRED":
                raise NotSignedInError(error, wanted=_wanted(request)) from error
            raise
        if self.permission is not None and not person.may(self.permission):
            raise MyofedError(
                "FORBIDDEN",
                f"expected somebody who may {self.permission}, found one who may not",
                hint="docs/accounts.md says which role may; an administrator changes roles",
                exit_code=ExitCode.REFUSED,
            )
        return person


@dataclass(frozen=True)
class Public:
    """Mark of a route that needs no login."""

    def __call__(self) -> None:
        """Everybody passes."""


public = Public()


def require(permission: Permission) -> Requirement:
    """Dependency: the signed-in person, who has this permission."""
    return Requirement(permission)


def page(permission: Permission | None = None) -> Requirement:
    """As `require`, for a page; without a permission for everybody who is signed in."""
    return Requirement(permission, page=True)


signed_in = Requirement(None)
"""Dependency: whoever is signed in."""


def csrf_token(request: Request) -> str:
    """What the forms of a page for this request put into their hidden field CSRF_FIELD."""
    return doorkeeper(request).csrf_token(request)


def set_doorkeeper(app: FastAPI, keeper: Doorkeeper) -> None:
    """Every requirement of this app asks this doorkeeper."""
    app.state.doorkeeper = keeper


def doorkeeper(request: Request) -> Doorkeeper:
    """The doorkeeper of the app that serves this request."""
    keeper: Doorkeeper = request.app.state.doorkeeper
    return keeper


class UndeclaredRouteError(RuntimeError):
    """A route says neither which permission it asks for nor that it is public, or it says more than one thing."""


@dataclass(frozen=True)
class Declared:
    """One route with what it asks for."""

    method: str
    path: str
    asks: Requirement | Public


def declarations(app: FastAPI) -> Iterator[Declared]:
    """Every route of the app, method by method.

    Raises:
        UndeclaredRouteError: A route without exactly one declaration.
    """
    for route in iter_route_contexts(app.routes):
        dependant = getattr(route, "dependant", None)
        found = (
            {d.call for d in dependant.dependencies if isinstance(d.call, Requirement | Public)} if dependant else ()
        )
        if len(found) != 1 or not route.methods:
            msg = (
                f"{route.path} declares {len(found)} permissions, expected one: gate.require, gate.page or gate.public"
            )
            raise UndeclaredRouteError(msg)
        for method in sorted(route.methods):
            yield Declared(method, str(route.path), *found)


def check_declared(app: FastAPI) -> None:
    """Each route of the app says what it asks for.

    Raises:
        UndeclaredRouteError: One does not; the port must not be served.
    """
    for _ in declarations(app):
        pass


def _wanted(request: Request) -> str:
    """The page to come back to after the login; a changed thing is not sent again."""
    if request.method not in CHANGES_NOTHING:
        return "/"
    return request.url.path + (f"?{request.url.query}" if request.url.query else "")
