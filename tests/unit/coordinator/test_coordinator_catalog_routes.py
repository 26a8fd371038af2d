"""The catalog over HTTP: who may ask what, refusals with their codes, everybody's part only where it is set."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from catalog_examples import make_cube, publish
from coordinator_factories import NOW, FakeSite, make_card
from fastapi import FastAPI
from fastapi.testclient import TestClient
from test_coordinator_gate import FakeDoorkeeper
from test_coordinator_site_api import client_of as site_client

from myofed_coordinator.accounts import gate
from myofed_coordinator.accounts.permissions import Person, Role
from myofed_coordinator.api.people import API
from myofed_coordinator.api.refusals import add_refusals
from myofed_coordinator.catalog.routes import catalog_router
from myofed_coordinator.services import Services
from myofed_schemas.canonical import canonical_json
from myofed_schemas.catalog_search import CardPage, CountAnswer, FacetAnswer

Enrol = Callable[[str], FakeSite]
QUESTION = {"cards": {"choices": [{"facet": "region", "value": "thigh"}]}, "filters": []}
CARD = "/catalog/cards/hospital-a/thigh-dixon"
CSRF = {"x-csrf-token": "right"}


def client_of(services: Services, role: Role | None, *, public: bool = False) -> TestClient:
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
    add_refusals(app)
    gate.set_doorkeeper(app, FakeDoorkeeper(Person("ann", frozenset({role})) if role else None))
    reading = replace(services.catalog_reading, public=public)
    app.include_router(catalog_router(reading, clock=lambda: NOW), prefix=API)
    gate.check_declared(app)
    return TestClient(app, base_url="https://test" + API, headers=CSRF)


@pytest.fixture
def catalog(services: Services, enrol: Enrol) -> Services:
    """One site with a card and a cube."""
    enrol("hospital-a")
    publish(services, make_card("hospital-a"), make_cube("hospital-a"))
    return services


@pytest.mark.parametrize("path", ["", "/facets", "/cards", "/cards/hospital-a/thigh-dixon", "/feasibility", "/queries"])
def test_nobody_reads_without_a_login(catalog: Services, path: str) -> None:
    """Also not below /public, which is off where nobody set it."""
    client = client_of(catalog, None)
    method = "POST" if path == "/feasibility" else "GET"
    assert client.request(method, f"/catalog{path}", json=QUESTION).status_code == 401
    assert client.request(method, f"/public/catalog{path}", json=QUESTION).status_code == 404


@pytest.mark.parametrize(
    ("role", "counts", "log"),
    [
        (Role.ADMINISTRATOR, 200, 200),
        (Role.STUDY_LEAD, 200, 403),
        (Role.SITE_REPRESENTATIVE, 200, 403),
        (Role.AUDITOR, 403, 200),
    ],
)
def test_auditor_asks_no_counts_and_others_see_no_log(catalog: Services, role: Role, counts: int, log: int) -> None:
    """Everybody who is signed in reads cards."""
    client = client_of(catalog, role)
    assert client.get(CARD).status_code == 200
    assert client.get(f"{CARD}/counts").status_code == counts
    assert client.post("/catalog/feasibility", json=QUESTION).status_code == counts
    assert client.get("/catalog/queries").status_code == log


def test_malformed_questions_are_refused(catalog: Services) -> None:
    """Unknown parameters, values no card could have, too many, pages that do not exist as numbers."""
    client = client_of(catalog, Role.STUDY_LEAD)
    for query in ("patient=x", "vendor=%27;--", "page=0", "per_page=101", "sort=name", "text=", "text=%00"):
        answer = client.get(f"/catalog/cards?{query}")
        assert (answer.status_code, answer.json()["code"]) == (422, "MALFORMED"), query
    many = "&".join(f"muscle=M{n}&vendor=V{n}" for n in range(30))
    assert client.get(f"/catalog/facets?{many}").json()["code"] == "MALFORMED"
    four = {"filters": [{"dimension": "sequence", "value": f"S{n}"} for n in range(4)]}
    assert client.post("/catalog/feasibility", json=four).status_code == 422
    assert client.post("/catalog/feasibility", json={"patient": "x"}).status_code == 422


def test_unknown_card_has_its_code(catalog: Services) -> None:
    """In every form."""
    client = client_of(catalog, Role.STUDY_LEAD)
    for path in ("", "/counts", ".ttl", ".jsonld"):
        answer = client.get(f"/catalog/cards/hospital-a/other{path}")
        assert (answer.status_code, answer.json()["code"]) == (404, "CARD_UNKNOWN"), path
    assert client.get(f"{CARD}.xml").status_code == 422
    assert client.get("/catalog/cards/..%2f/x").status_code in {404, 422}


def test_spent_budget_is_429_with_the_seconds_to_wait(catalog: Services) -> None:
    """The 61st question of an hour; the header says when the next one is within the budget."""
    client = client_of(catalog, Role.STUDY_LEAD)
    answers = [client.post("/catalog/feasibility", json=QUESTION) for _ in range(61)]
    assert {a.status_code for a in answers[:60]} == {200}
    assert (answers[60].status_code, answers[60].json()["code"]) == (429, "QUERY_BUDGET")
    assert answers[60].headers["retry-after"] == "3600"
    assert client.get("/catalog/facets").status_code == 200, "facets and cards cost nothing"


def test_answers_are_of_their_types(catalog: Services) -> None:
    """Facets, page, count, in the form that the client reads."""
    client = client_of(catalog, Role.STUDY_LEAD)
    facets = FacetAnswer.model_validate(client.get("/catalog/facets?region=thigh&text=fshd").json())
    assert facets.cards == 1
    page = CardPage.model_validate(
        client.get("/catalog/cards?field_strength=3T&label_origin=manual&sort=subjects").json()
    )
    assert [card.site for card in page.cards] == ["hospital-a"]
    assert CountAnswer.model_validate(client.post("/catalog/feasibility", json=QUESTION).json()).subjects_at_least == 18
    assert client.get("/catalog?muscle=VL").json()["subjects_at_least"] == 20
    assert client.get("/catalog?muscle='x'").json()["cards"] == []


@pytest.mark.parametrize(("form", "media"), [("ttl", "text/turtle"), ("jsonld", "application/ld+json")])
def test_card_is_exported(catalog: Services, form: str, media: str) -> None:
    """By its address with an ending."""
    answer = client_of(catalog, Role.AUDITOR).get(f"{CARD}.{form}")
    assert (answer.status_code, answer.headers["content-type"].partition(";")[0]) == (200, media)
    assert b"Thigh Dixon" in answer.content


def test_everybody_reads_the_public_part_where_it_is_set(catalog: Services) -> None:
    """Without a login; neither counts by three conditions nor the log are there."""
    client = client_of(catalog, None, public=True)
    shown = client.get(f"/public{CARD}").json()
    assert (shown["card"]["vendors"], shown["card"]["suffixes"]) == (["Siemens"], [])
    cells = client.get(f"/public{CARD}/counts").json()["cells"]
    assert [cell["count"] for cell in cells] == [20, 20]
    assert client.get(f"/public{CARD}.ttl").status_code == 200
    assert client.get("/public/catalog/facets").json()["cards"] == 1
    assert client.post("/public/catalog/feasibility", json=QUESTION).status_code == 404
    assert client.get("/public/catalog/queries").status_code == 404
    assert client.get(CARD).status_code == 401


def test_first_query_refuses_to_cut_its_answer(catalog: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where more cards match than one answer holds, it says so and names the pages."""
    monkeypatch.setattr("myofed_coordinator.catalog.service.MAX_CARDS", 0)
    answer = client_of(catalog, Role.STUDY_LEAD).get("/catalog")
    assert (answer.status_code, answer.json()["code"]) == (400, "CATALOG_TOO_MANY")


def test_site_publishes_its_cube_through_its_port(catalog: Services) -> None:
    """Refused with a code where it is another's or not newer; a cube below its own k is malformed."""
    with site_client(catalog, "hospital-a") as client:

        def put(body: bytes) -> tuple[int, str]:
            answer = client.put("/site/cube", content=body)
            return answer.status_code, answer.json().get("code", "")

        cube = make_cube("hospital-a", version=2)
        assert put(canonical_json(cube)) == (200, "")
        assert put(canonical_json(make_cube("hospital-a", version=1))) == (409, "CUBE_VERSION")
        assert put(canonical_json(make_cube("hospital-b"))) == (403, "CUBE_WRONG_SITE")
        assert put(canonical_json(make_cube("hospital-a", dataset="other"))) == (404, "CARD_UNKNOWN")
        assert put(canonical_json(cube).replace(b'"count":5', b'"count":3')) == (422, "MALFORMED")
