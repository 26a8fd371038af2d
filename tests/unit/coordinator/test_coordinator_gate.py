"""The gate: a route without a declaration is never served, and each requirement refuses whom it must."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import pytest
from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.testclient import TestClient

from myofed_coordinator.accounts import gate
from myofed_coordinator.accounts.permissions import GRANTED, Permission, Person, Role, granted
from myofed_coordinator.api.refusals import add_refusals
from myofed_schemas.errors import MyofedError

AUDITOR = Person("ann", frozenset({Role.AUDITOR}))


class FakeDoorkeeper:
    """Knows one person, or nobody, and one CSRF token."""

    def __init__(self, person: Person | None) -> None:
        self.person = person

    def admit(self, request: Request, *, csrf: str) -> Person:
        if self.person is None:
            raise MyofedError("LOGIN_REQUIRED", "nobody")
        if request.method not in gate.CHANGES_NOTHING and csrf != "right":
            raise MyofedError("CSRF", "wrong")
        return self.person

    def csrf_token(self, request: Request) -> str:
        return "right"


def client_of(person: Person | None) -> TestClient:
    """A client of an app with one route of each kind."""
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    add_refusals(app)
    gate.set_doorkeeper(app, FakeDoorkeeper(person))
    router = APIRouter(dependencies=[Depends(gate.require(Permission.SEE_AUDIT))])

    @router.get("/audit")
    def read(person: Annotated[Person, Depends(gate.require(Permission.SEE_AUDIT))]) -> str:
        return person.account

    @router.post("/audit")
    def change() -> str:
        return "changed"

    app.include_router(router)

    @app.get("/page", dependencies=[Depends(gate.page(Permission.SEE_AUDIT))])
    def page(request: Request) -> str:
        return gate.csrf_token(request)

    @app.get("/accounts", dependencies=[Depends(gate.require(Permission.MANAGE_ACCOUNTS))])
    def accounts() -> str:
        return "all"

    @app.get("/free", dependencies=[Depends(gate.public)])
    def free() -> str:
        return "free"

    return TestClient(app, follow_redirects=False)


@pytest.mark.parametrize(
    "dependencies",
    [[], [gate.public, gate.signed_in], [gate.require(Permission.SEE_RUNS), gate.require(Permission.SEE_MODELS)]],
)
def test_route_without_exactly_one_declaration_stops_the_building(dependencies: list[gate.Requirement]) -> None:
    """Deny by default: whoever forgets to say what a route asks for cannot serve it, and a contradiction neither."""
    app, router = FastAPI(openapi_url=None, docs_url=None, redoc_url=None), APIRouter()
    router.add_api_route("/new", lambda: "secret", dependencies=[Depends(d) for d in dependencies])
    app.include_router(router, prefix="/api/v1")
    with pytest.raises(gate.UndeclaredRouteError, match="/api/v1/new"):
        gate.check_declared(app)


def test_route_that_is_no_endpoint_of_ours_stops_the_building() -> None:
    """A mounted app or a bare route has no place for a declaration and is never served."""
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    app.mount("/other", FastAPI())
    with pytest.raises(gate.UndeclaredRouteError, match="/other"):
        gate.check_declared(app)


def test_declarations_name_every_route_with_what_it_asks_for() -> None:
    """Also through included routers, and where a dependency is named twice."""
    app = client_of(AUDITOR).app
    assert isinstance(app, FastAPI)
    found = {(d.method, d.path): d.asks for d in gate.declarations(app)}
    assert found[("POST", "/audit")] == gate.require(Permission.SEE_AUDIT)
    assert found[("GET", "/free")] == gate.public
    assert len(found) == 5


def test_nobody_gets_in_without_login_but_where_it_is_said() -> None:
    """401 for data, the login for a page, and back from there."""
    client = client_of(None)
    refused = client.get("/audit")
    assert (refused.status_code, refused.json()["code"]) == (401, "LOGIN_REQUIRED")
    answer = client.get("/page?x=1")
    assert (answer.status_code, answer.headers["location"]) == (303, "/login?next=/page%3Fx%3D1")
    assert client.get("/free").json() == "free"


def test_person_without_the_permission_is_refused() -> None:
    """403 FORBIDDEN; the same person passes where one of the roles grants it."""
    client = client_of(AUDITOR)
    answer = client.get("/accounts")
    assert (answer.status_code, answer.json()["code"]) == (403, "FORBIDDEN")
    assert client.get("/audit").json() == "ann"


def test_narrow_token_may_less_than_its_person() -> None:
    """The scope of an API token takes away, and never gives."""
    narrow = Person("ann", AUDITOR.roles, scope=frozenset({Permission.SEE_RUNS, Permission.MANAGE_ACCOUNTS}))
    assert client_of(narrow).get("/audit").status_code == 403
    assert client_of(narrow).get("/accounts").status_code == 403
    assert narrow.may(Permission.SEE_RUNS)


def test_change_says_the_csrf_token_in_header_or_form() -> None:
    """Htmx sends the header, a plain form its hidden field; without, nothing is changed."""
    client = client_of(AUDITOR)
    assert client.post("/audit").json()["code"] == "CSRF"
    assert client.post("/audit", json={"csrf": "right"}).json()["code"] == "CSRF"
    assert client.post("/audit", headers={gate.CSRF_HEADER: "right"}).json() == "changed"
    assert client.post("/audit", data={gate.CSRF_FIELD: client.get("/page").json()}).json() == "changed"


def test_every_role_grants_something_and_nobody_writes_a_study_as_administrator() -> None:
    """Who lets sites in and watches over starts does not write what they are asked to do."""
    assert set(GRANTED) == set(Role)
    assert Permission.WRITE_STUDIES not in granted({Role.ADMINISTRATOR})
    changing = {p for p in Permission if not p.startswith(("see-", "fetch-"))}
    assert not granted({Role.AUDITOR}) & changing
    assert granted(()) == frozenset()


def test_page_about_accounts_shows_what_each_role_may(repository: Path) -> None:
    """The table in docs/accounts.md is the table that the gate obeys."""
    section = (repository / "docs" / "accounts.md").read_text().partition("## Roles")[2].partition("\n## ")[0]
    lines = section.splitlines()
    rows = [[cell.strip(" `") for cell in line.split("|")[1:-1]] for line in lines if line.startswith("| ")]
    roles = [Role(name) for name in rows[0][1:]]
    told = {role: {Permission(r[0]) for r in rows[1:] if r[n] == "yes"} for n, role in enumerate(roles, start=1)}
    assert told == GRANTED
