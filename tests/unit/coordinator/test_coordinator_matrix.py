"""Role by endpoint: every route of the people's port, as the app itself names them, asked by every kind of caller."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from argon2 import PasswordHasher
from asgi_call import Answer, call
from coordinator_factories import NOW, make_person
from fastapi import APIRouter
from starlette.types import ASGIApp

from myofed_coordinator.accounts import gate
from myofed_coordinator.accounts.gate import CHANGES_NOTHING, Declared, Public, Requirement
from myofed_coordinator.accounts.models import AccountRow
from myofed_coordinator.accounts.oidc_settings import GrantedRole, OidcSettings
from myofed_coordinator.accounts.passwords import Passwords
from myofed_coordinator.accounts.permissions import Permission, Person, Role, granted
from myofed_coordinator.accounts.sessions import IDLE, LASTS, csrf_of
from myofed_coordinator.accounts.wire import NewToken
from myofed_coordinator.api.login import COOKIE
from myofed_coordinator.api.openapi import EXAMPLES, document
from myofed_coordinator.api.people import API, PeoplePort, build_people_app, people_app
from myofed_coordinator.config import CoordinatorConfig
from myofed_coordinator.initialise import initialise
from myofed_coordinator.services import Services, open_runs, open_services

TOKEN = "t" * 43
NAMES = {
    Role.ADMINISTRATOR: "ann",
    Role.STUDY_LEAD: "lea",
    Role.SITE_REPRESENTATIVE: "rep",
    Role.AUDITOR: "aud",
}
OF_PAGES = {
    **EXAMPLES,
    "account": "nobody",
    "start_id": "start-0a1b2c3d",
    "token_id": "tok-0a1b2c3d",
    "key": "purpose",
}
"""For the paths of pages, which the OpenAPI document does not hold."""


@dataclass(frozen=True)
class Port:
    """The app as it is served, its routes, and what stands behind it."""

    app: ASGIApp
    routes: tuple[Declared, ...]
    services: Services
    document: dict[str, Any]

    def ask(self, route: Declared, headers: dict[str, str]) -> Answer:
        path = re.sub(r"\{(\w+)(:\w+)?\}", lambda found: self.example(route, found[1]), route.path)
        body = b"" if route.method in CHANGES_NOTHING else b"{}"
        return call(self.app, route.method, path, {"content-type": "application/json", **headers}, body)

    def example(self, route: Declared, name: str) -> str:
        """What stands for this part of the path: what the document says, else of a page."""
        operation = self.document["paths"].get(route.path, {}).get(route.method.lower(), {})
        for said in operation.get("parameters", ()):
            if said["name"] == name and name != "account":
                return str(said.get("example") or said["schema"]["examples"][0])
        return OF_PAGES[name]

    def session(self, account: str, *, ago: timedelta = timedelta()) -> dict[str, str]:
        """Headers of a browser in which this account has just signed in."""
        session = self.services.sessions.open(account, method="password", replaces="", now=NOW - ago)
        return {"cookie": f"{COOKIE}={session}", "x-csrf-token": csrf_of(session)}

    def token(self, *scope: Permission) -> dict[str, str]:
        """Headers of a program with an API token of somebody who may everything."""
        all_roles = Person("all", frozenset(NAMES))
        made = self.services.tokens.make(all_roles, NewToken(title="t", scope=scope), now=NOW)
        return {"authorization": f"Bearer {made.token}"}

    @property
    def guarded(self) -> list[tuple[Declared, Requirement]]:
        return [(route, route.asks) for route in self.routes if isinstance(route.asks, Requirement)]


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Port]:
    """The port with every route that it can have, one person of each role, one of all, and one who is shut out."""
    cheap = Passwords(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("myofed_coordinator.services.Passwords", lambda: cheap)
        patched.setattr(os, "fsync", lambda _descriptor: None)
        home = initialise(tmp_path_factory.mktemp("matrix") / "home", CoordinatorConfig(), actor="admin", now=NOW)
        oidc = OidcSettings(issuer="https://127.0.0.1:9", client_id="x", roles={"a": GrantedRole(role=Role.AUDITOR)})
        services = open_services(home, CoordinatorConfig(oidc=oidc))
        for role, name in NAMES.items():
            site = "hospital-a" if role is Role.SITE_REPRESENTATIVE else None
            make_person(services.accounts, name, role, now=NOW, site=site)
        for name in ("all", "out"):
            make_person(services.accounts, name, Role.ADMINISTRATOR, now=NOW)
        with services.database.write() as session:
            session.get_one(AccountRow, "all").roles = ",".join(sorted(NAMES))
        made = PeoplePort(services, open_runs(services), TOKEN, lambda: NOW)
        inner = people_app(made)
        yield Port(build_people_app(made), tuple(gate.declarations(inner)), services, document(inner))
        services.close()


def code_of(answer: Answer) -> str:
    """The code of a refusal, of a page too; empty where there is none."""
    try:
        body = json.loads(answer.body)
    except ValueError:
        shown = re.search(r"the code <code>([A-Z_]+)</code>", answer.body.decode(errors="replace"))
        return shown[1] if shown else ""
    return str(body.get("code", "")) if isinstance(body, dict) else ""


def is_turned_away(answer: Answer, asks: Requirement) -> bool:
    """The refusal of somebody who is not signed in: 401, or for a page the login."""
    if asks.page:
        return answer.status == 303 and answer.headers["location"].startswith("/login")
    return (answer.status, code_of(answer)) == (401, "LOGIN_REQUIRED")


def is_let_in(answer: Answer) -> bool:
    """The gate had nothing against it; whatever came after."""
    to_login = answer.status == 303 and "/login?next" in answer.headers.get("location", "")
    refused = {"LOGIN_REQUIRED", "FORBIDDEN", "CSRF", "TOO_MANY_ATTEMPTS"}
    return not to_login and code_of(answer) not in refused and (answer.status != 401 or code_of(answer) != "")


def test_there_are_routes_of_every_kind(port: Port) -> None:
    """0 of 0 checked is a failure: paths of the API, pages, public ones, and most permissions."""
    asked = {asks.permission for _, asks in port.guarded}
    assert len(port.routes) > 45
    assert {route.path for route in port.routes} >= {"/", "/login", "/enrol", "/health", f"{API}/accounts"}
    assert len(asked) >= 10
    assert len(port.guarded) < len(port.routes)


def test_public_routes_are_these(port: Port) -> None:
    """A new one is a decision, not an oversight."""
    public = {r.path for r in port.routes if isinstance(r.asks, Public) and not r.path.startswith("/static/")}
    assert public == {
        "/enrol",
        "/health",
        "/login",
        "/setup",
        "/setup/offer",
        "/oidc/login",
        "/oidc/callback",
        f"{API}/session",
        f"{API}/setup",
        f"{API}/setup/offer",
    }


def test_route_without_a_declaration_stops_the_port(port: Port, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever adds a route to a room and forgets its permission has no port to serve it."""

    def forgetful(*_arguments: object, **_keywords: object) -> APIRouter:
        router = APIRouter()
        router.add_api_route("/secret", lambda: "all")
        return router

    monkeypatch.setattr("myofed_coordinator.api.people.accounts_router", forgetful)
    with pytest.raises(gate.UndeclaredRouteError, match="/api/v1/secret"):
        people_app(PeoplePort(port.services, open_runs(port.services), TOKEN, lambda: NOW))


@pytest.mark.parametrize(
    "caller",
    [
        "anonymous",
        "empty bearer",
        "made-up token",
        "basic",
        "made-up session",
        "disabled",
        "idle",
        "too long",
        "signed out",
    ],
)
def test_who_is_not_signed_in_gets_nowhere(port: Port, caller: str) -> None:
    """Every route that is not public turns away whoever is nobody, or somebody no more."""
    let_in, headers = [], nobody(port, caller)
    for route, asks in port.guarded:
        if caller in ENDS_WHEN_SEEN:
            headers = nobody(port, caller)
        answer = port.ask(route, headers)
        if not is_turned_away(answer, asks) and code_of(answer) != "TOO_MANY_ATTEMPTS":
            let_in.append((route.method, route.path, answer.status, code_of(answer)))
    assert let_in == []


ENDS_WHEN_SEEN = {"idle", "too long"}
"""Sessions that are forgotten as soon as somebody shows them: each route gets one of its own."""


def nobody(port: Port, caller: str) -> dict[str, str]:
    """Headers of somebody who is not signed in (any more)."""
    if caller == "disabled":
        headers = port.session("out")
        port.services.accounts.disable("out", actor="token", now=NOW)
        return headers
    if caller == "signed out":
        headers = port.session("all")
        port.services.sessions.close(headers["cookie"].partition("=")[2], actor="all", now=NOW)
        return headers
    return {
        "anonymous": dict,
        "empty bearer": lambda: {"authorization": "Bearer "},
        "made-up token": lambda: {"authorization": f"Bearer myofed_{'x' * 43}"},
        "basic": lambda: {"authorization": f"Basic {TOKEN}"},
        "made-up session": lambda: {"cookie": f"{COOKIE}={'x' * 43}", "x-csrf-token": csrf_of("x" * 43)},
        "idle": lambda: port.session("all", ago=IDLE),
        "too long": lambda: port.session("all", ago=LASTS),
    }[caller]()


@pytest.mark.parametrize("role", list(Role))
def test_each_role_gets_exactly_what_it_is_granted(port: Port, role: Role) -> None:
    """By session: 403 FORBIDDEN where the role lacks the permission, let in where it has it."""
    wrong, reading = [], port.session(NAMES[role])
    for route, asks in port.guarded:
        answer = port.ask(route, reading if route.method in CHANGES_NOTHING else port.session(NAMES[role]))
        may = asks.permission is None or asks.permission in granted({role})
        forbidden = (answer.status, code_of(answer)) == (403, "FORBIDDEN")
        if is_let_in(answer) != may or forbidden == may:
            wrong.append((role, route.method, route.path, answer.status, code_of(answer)))
    assert wrong == []


def test_token_gets_exactly_its_scope(port: Port) -> None:
    """For every route: a token of its permission alone opens it, one of all others does not."""
    permissions = {asks.permission for _, asks in port.guarded if asks.permission}
    only = {wanted: port.token(wanted) for wanted in permissions}
    others = {wanted: port.token(*(p for p in Permission if p is not wanted)) for wanted in permissions}
    wrong = []
    for route, asks in port.guarded:
        if asks.permission is None:
            continue
        if not is_let_in(port.ask(route, only[asks.permission])):
            wrong.append(("only", route.method, route.path))
        refused = port.ask(route, others[asks.permission])
        if (refused.status, code_of(refused)) != (403, "FORBIDDEN"):
            wrong.append(("others", route.method, route.path))
    assert wrong == []


def test_administrators_token_gets_what_an_administrator_gets(port: Port) -> None:
    """As an administrator without account."""
    for route, asks in port.guarded:
        may = asks.permission is None or asks.permission in granted({Role.ADMINISTRATOR})
        answer = port.ask(route, {"authorization": f"Bearer {TOKEN}"})
        assert is_let_in(answer) == may, route


@pytest.mark.parametrize("said", ["", "x" * 64, "another session's"])
def test_change_by_cookie_needs_the_sessions_csrf_token(port: Port, said: str) -> None:
    """Without, with a made-up one, or with that of another session nothing is changed; reading needs none."""
    token = port.session("lea")["x-csrf-token"] if said.startswith("another") else said
    session = port.session("all")
    for route, asks in port.guarded:
        answer = port.ask(route, {**session, "x-csrf-token": token})
        if route.method in CHANGES_NOTHING:
            assert is_let_in(answer), route
        else:
            assert (answer.status, code_of(answer)) == (403, "CSRF"), (route, asks)


@pytest.mark.parametrize("origin", ["cross-site", "same-site", "anything"])
def test_page_of_another_site_changes_nothing(port: Port, origin: str) -> None:
    """Also where no cookie is needed: a foreign page cannot sign a browser in as somebody else."""
    changing = [route for route in port.routes if route.method not in CHANGES_NOTHING]
    session = port.session("all")
    assert any(isinstance(route.asks, Public) for route in changing)
    for route in changing:
        answer = port.ask(route, {**session, "sec-fetch-site": origin})
        assert (answer.status, code_of(answer)) == (403, "CSRF"), route


def test_openapi_says_of_each_path_what_the_gate_asks(port: Port) -> None:
    """Permission and ways to sign in; public paths say that they need none; everything can be tried by its example."""
    paths = port.document["paths"]
    lacking = []
    for route in port.routes:
        operation = paths.get(route.path, {}).get(route.method.lower())
        if operation is None:
            assert not route.path.startswith(API) or route.path == f"{API}/openapi.json", route
            continue
        public = isinstance(route.asks, Public)
        assert ("security" not in operation) == public, route
        if isinstance(route.asks, Requirement):
            assert operation["x-permission"] == (route.asks.permission or "signed-in")
            assert "401" in operation["responses"]
        if not operation.get("description") and not operation.get("summary"):
            lacking.append((route.path, "description"))
        lacking += [
            (route.path, parameter["name"])
            for parameter in operation.get("parameters", ())
            if "example" not in parameter and "examples" not in parameter["schema"]
        ]
        lacking += [(route.path, status) for status in operation["responses"] if status == "default"]
    assert lacking == []


def test_openapi_refers_to_nothing_that_it_does_not_hold(port: Port) -> None:
    """Every `$ref` leads to a schema of the document: generators of clients stop at one that does not."""
    named = set(re.findall(r'"\$ref": "([^"]+)"', json.dumps(port.document)))
    known = {f"#/components/schemas/{name}" for name in port.document["components"]["schemas"]}
    assert "#/components/schemas/ErrorBody" in named
    assert named <= known
    assert "$defs" not in json.dumps(port.document)
