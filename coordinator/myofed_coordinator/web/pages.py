"""Pages of the people's port: login and status; the status is made anew every two seconds while it is looked at."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from importlib.resources import files
from typing import Annotated
from urllib.parse import parse_qs

from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from myofed_coordinator.accounts import gate
from myofed_coordinator.accounts.permissions import Permission, Person
from myofed_coordinator.api.login import Login, give_cookies, take_cookie
from myofed_coordinator.api.runs import RunsReader
from myofed_coordinator.services import Services
from myofed_coordinator.web.overview import overview
from myofed_schemas.clock import utc_text
from myofed_schemas.errors import MyofedError

SignedInPerson = Annotated[Person, Depends(gate.page())]
STATIC = {"myofed.css": "text/css; charset=utf-8", "live.js": "text/javascript; charset=utf-8"}


def add_pages(
    app: FastAPI, services: Services, runs: RunsReader, *, login: Login, clock: Callable[[], datetime]
) -> None:
    """The app serves the status page to people who are logged in, and the login page to all."""
    templates = _templates()
    app.include_router(_login_pages(templates, login, name=services.config.name), include_in_schema=False)
    app.include_router(_static_files(), include_in_schema=False)
    router = APIRouter()

    def body() -> str:
        now = clock()
        view = overview(services, runs, now=now)
        return templates.get_template("live.html").render(view=view, at=utc_text(now))

    @router.get("/live", dependencies=[Depends(gate.require(Permission.SEE_RUNS))])
    def live() -> HTMLResponse:
        return HTMLResponse(body())

    @router.get("/", dependencies=[Depends(gate.page(Permission.SEE_RUNS))])
    def status(request: Request) -> HTMLResponse:
        shown = {"name": services.config.name, "body": body(), "csrf": gate.csrf_token(request)}
        return HTMLResponse(templates.get_template("status.html").render(shown))

    app.include_router(router, include_in_schema=False)


def _templates() -> Environment:
    return Environment(
        loader=PackageLoader("myofed_coordinator.web"), autoescape=select_autoescape(), undefined=StrictUndefined
    )


def _login_pages(templates: Environment, login: Login, *, name: str) -> APIRouter:
    router = APIRouter()

    def page(code: str, *, status: int) -> HTMLResponse:
        return HTMLResponse(templates.get_template("login.html").render(name=name, code=code), status_code=status)

    @router.get("/login", dependencies=[Depends(gate.public)])
    def form() -> HTMLResponse:
        return page("", status=200)

    @router.post("/login", dependencies=[Depends(gate.public)])
    async def enter(request: Request) -> Response:
        fields = parse_qs((await request.body()).decode("ascii", errors="replace"))
        try:
            session = login.session_for(fields.get("token", [""])[0], request)
        except MyofedError as error:
            return page(error.code, status=429 if error.code == "TOO_MANY_ATTEMPTS" else 401)
        answer = RedirectResponse("/", status_code=303)
        give_cookies(answer, session)
        return answer

    @router.post("/logout")
    def leave(person: SignedInPerson, request: Request) -> Response:
        login.sign_out(person, request)
        answer = RedirectResponse("/login", status_code=303)
        take_cookie(answer)
        return answer

    return router


def _static_files() -> APIRouter:
    """Exactly the files we ship; no path is ever joined."""
    router = APIRouter(dependencies=[Depends(gate.public)])
    folder = files("myofed_coordinator.web") / "static"
    for file_name, media_type in STATIC.items():
        content = (folder / file_name).read_bytes()
        router.add_api_route(f"/static/{file_name}", _fixed(content, media_type), methods=["GET"])
    return router


def _fixed(content: bytes, media_type: str) -> Callable[[], Response]:
    def serve() -> Response:
        return Response(content, media_type=media_type)

    return serve
