"""Templates turned into pages; what goes wrong on the way is a page as well."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from fastapi.routing import APIRoute
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from myofed_coordinator.accounts import gate
from myofed_coordinator.accounts.gate import NotSignedInError
from myofed_coordinator.accounts.permissions import Person
from myofed_coordinator.api.refusals import status_of
from myofed_coordinator.catalog.names import name_of
from myofed_coordinator.web import words
from myofed_coordinator.web.frame import NOTICES, Frame, Section, Visitor, links_for
from myofed_coordinator.web.kit import assets
from myofed_coordinator.web.qr import qr_svg
from myofed_schemas.errors import MyofedError

FRAME_HEADER = "hx-request"
"""Sent by htmx: the answer replaces a part of a page that is open."""


CODE_HEADER = "x-myofed-code"
"""The code of a refusal that is told as a page, for programs."""


def environment() -> Environment:
    """The templates; a name that a view lacks is an error, and every text is escaped."""
    made = Environment(
        loader=PackageLoader("myofed_coordinator.web"),
        autoescape=select_autoescape(),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "when": words.when,
        "count": words.count,
        "size": words.size,
        "score": words.score,
        "short": words.short,
        "pill": words.pill,
        "named": name_of,
        "qr": qr_svg,
    }
    made.globals["asset"] = {name: found.path for name, found in assets().items()}
    return made


@dataclass(frozen=True)
class Asked:
    """A request for a page, and who sent it; the gate has let them through."""

    request: Request
    person: Person


@dataclass(frozen=True)
class Renderer:
    """Makes pages of one coordinator.

    Attributes:
        templates: As `environment` gives them.
        consortium: Its name.
        demo: Said on every page.
        sections: The navigation; only what exists.
    """

    templates: Environment
    consortium: str
    demo: bool
    sections: tuple[Section, ...] = ()

    def page(self, asked: Asked, template: str, *, at: str, view: object, status: int = 200) -> HTMLResponse:
        """The template's page for a person who is signed in.

        Args:
            asked: Who asks for what.
            template: File name.
            at: The section it belongs to, as its address.
            view: What the template calls `view`.
            status: HTTP.
        """
        links = links_for(self.sections, asked.person, current=at)
        visitor = Visitor(asked.person, gate.csrf_token(asked.request))
        said = NOTICES.get(asked.request.query_params.get("done", ""), "")
        frame = Frame(self.consortium, self.demo, links, visitor, said)
        return self._answer(template, frame, {"view": view}, status=status)

    def before_login(self, template: str, *, status: int = 200, notice: str = "", **values: object) -> HTMLResponse:
        """A page for somebody who is not signed in; `notice` is a word of NOTICES."""
        frame = Frame(self.consortium, self.demo, (), None, NOTICES.get(notice, ""))
        return self._answer(template, frame, values, status=status)

    def _answer(self, template: str, frame: Frame, values: Mapping[str, object], *, status: int) -> HTMLResponse:
        text = self.templates.get_template(template).render(frame=frame, **values)
        return HTMLResponse(text, status_code=status)


class PageRoute(APIRoute):
    """A route whose refusals are pages: the login where nobody is signed in, else the code and what to do."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler, which answers every expected error itself."""
        plain = super().get_route_handler()

        async def handler(request: Request) -> Response:
            try:
                return await plain(request)
            except MyofedError as error:
                return refusal(request, error)
            except RequestValidationError:
                return refusal(request, MyofedError("MALFORMED", "the address or form is not of the expected form"))

        return handler


def refusal(request: Request, error: MyofedError) -> Response:
    """The page for a request that was refused."""
    if isinstance(error, NotSignedInError):
        return _to_login(request, error.login)
    renderer: Renderer = request.app.state.renderer
    status = 422 if error.code == "MALFORMED" else status_of(error)
    answer = renderer.before_login("refused.html", status=status, code=error.code, hint=error.hint)
    answer.headers[CODE_HEADER] = error.code
    return answer


def done(where: str, word: str = "") -> RedirectResponse:
    """A form was carried out: the browser asks for this page anew, which says so by a word of NOTICES."""
    return RedirectResponse(f"{where}?done={word}" if word else where, status_code=303)


def _to_login(request: Request, login: str) -> Response:
    """A part of a page that polls leads the whole page to the login."""
    if FRAME_HEADER in request.headers:
        return Response(status_code=401, headers={"hx-redirect": "/login"})
    return RedirectResponse(login, status_code=303)
