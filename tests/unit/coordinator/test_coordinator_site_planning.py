"""`/site/planning` as a node sees it, and the coordinator's own commands and pages on queries."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from coordinator_factories import HOUR, NOW, FakeSite, make_site
from fastapi.testclient import TestClient
from test_coordinator_cli import call, services_of
from test_coordinator_people import BEARER, TOKEN, FakeRuns
from test_coordinator_planning import QUESTION, answer
from test_coordinator_site_api import client_of
from typer.testing import CliRunner

from myofed_coordinator.api.people import API, PeoplePort, build_people_app
from myofed_coordinator.cli import app
from myofed_coordinator.home import HomeFolder
from myofed_coordinator.services import Services
from myofed_schemas.canonical import canonical_json, digest
from myofed_schemas.exit_codes import ExitCode
from myofed_schemas.planning_query import MAX_ANSWER_BYTES, PlanningQuery, SignedPlanningQuery

Enrol = Callable[[str], FakeSite]


@pytest.fixture
def query(services: Services, enrol: Enrol) -> PlanningQuery:
    for name in ("hospital-a", "hospital-b", "hospital-c"):
        enrol(name)
    return services.planning.ask(QUESTION, actor="admin", now=NOW).query


def put(services: Services, query_id: str, body: bytes, *, site: str = "hospital-a") -> tuple[int, str]:
    with client_of(services, site) as client:
        found = client.put(f"/site/planning/{query_id}", content=body)
    return found.status_code, found.json().get("code", "")


def test_body_that_is_too_large_or_no_answer_is_refused(services: Services, query: PlanningQuery) -> None:
    """Nothing of it comes back and nothing is kept."""
    whole = canonical_json(answer(query, "hospital-a"))
    assert put(services, query.query_id, whole + b" " * MAX_ANSWER_BYTES) == (413, "BODY_TOO_LARGE")
    for body in (b"", b"{}", b"\xff\xfe", whole.replace(b'"salt"', b'"patient"'), whole.replace(b"1.2", b"NaN")):
        assert put(services, query.query_id, body) == (422, "MALFORMED")
    assert services.planning.show(query.query_id).answers == ()


def test_refusals_have_their_codes(services: Services, query: PlanningQuery) -> None:
    """No such query, a site that was not asked, another query in the body, another's name, a second answer."""
    body, other = canonical_json(answer(query, "hospital-a")), canonical_json(answer(query, "hospital-c"))
    elsewhere = canonical_json(answer(query, "hospital-a", query_id="plan-00000000"))
    assert put(services, "plan-00000000", elsewhere) == (404, "PLANNING_UNKNOWN")
    assert put(services, "..", body) == (404, "NOT_FOUND")
    assert put(services, query.query_id, elsewhere) == (422, "MALFORMED")
    assert put(services, query.query_id, other, site="hospital-c") == (404, "PLANNING_UNKNOWN")
    assert put(services, query.query_id, body, site="hospital-b") == (403, "PLANNING_WRONG_SITE")
    declined = canonical_json(answer(query, "hospital-a", answer="declined", fingerprint=None))
    assert put(services, query.query_id, declined) == (200, "")
    assert put(services, query.query_id, declined) == (200, "")
    assert put(services, query.query_id, body) == (409, "PLANNING_ANSWERED")


def test_site_fetches_the_queries_that_ask_it(services: Services, query: PlanningQuery) -> None:
    """As signed; the third site sees none."""
    with client_of(services, "hospital-a") as client:
        (found,) = client.get("/site/planning").json()
    assert SignedPlanningQuery.model_validate(found).query == query
    with client_of(services, "hospital-c") as client:
        assert client.get("/site/planning").json() == []


ASK = ("planning", "ask", "--study", "thigh-muscles", "--title", "Thigh", "--purpose", "Follow-up", "--muscles", "VL")


def sites_in(home: HomeFolder) -> None:
    services = services_of(home)
    for name in ("hospital-a", "hospital-b"):
        invite = services.enrolment.create_invite(name, actor="admin", now=NOW, valid=HOUR, pre_approved=True)
        services.enrolment.receive_request(make_site(name).request(invite), now=NOW)
    services.close()


@pytest.mark.parametrize(
    ("arguments", "status", "error"),
    [
        ((*ASK, "--sites", "hospital-z"), ExitCode.BAD_INPUT, "PLANNING_SITE_UNKNOWN"),
        ((*ASK, "--sites", "hospital-a,hospital-a"), ExitCode.USAGE, "PLANNING_INVALID"),
        ((*ASK, "--sites", ","), ExitCode.USAGE, "PLANNING_INVALID"),
        (("planning", "show", "plan-00000000"), ExitCode.BAD_INPUT, "PLANNING_UNKNOWN"),
        (("planning", "propose", "plan-00000000"), ExitCode.BAD_INPUT, "PLANNING_UNKNOWN"),
    ],
)
def test_refused_command_has_its_status_and_code(
    home: HomeFolder, arguments: tuple[str, ...], status: int, error: str
) -> None:
    """As JSON too."""
    sites_in(home)
    assert call(home, *arguments, code=status)["error"]["code"] == error


def test_commands_lead_from_the_question_to_the_draft(home: HomeFolder, tmp_path: Path) -> None:
    """Refused while answers are missing; then the draft lies in the file."""
    sites_in(home)
    assert call(home, "planning", "list") == {"queries": []}
    asked = call(home, *ASK, "--sites", "hospital-a, hospital-b", "--min-answers", "1")
    query = SignedPlanningQuery.model_validate(asked).query
    assert query.sites == ("hospital-a", "hospital-b")
    assert call(home, "planning", "propose", query.query_id, code=30)["error"]["code"] == "PLANNING_TOO_FEW"
    services = services_of(home)
    told = answer(query, "hospital-b").fingerprint
    assert told is not None
    given = answer(query, "hospital-b", fingerprint=told.model_copy(update={"structures": ("VL",)}))
    services.planning.record(given, site="hospital-b", now=NOW)
    services.close()
    shown: Any = call(home, "planning", "show", query.query_id)
    assert shown["states"] == {"hospital-a": "open", "hospital-b": "told"}
    assert call(home, "planning", "list")["queries"][0]["states"] == shown["states"]
    out = tmp_path / "draft.yaml"
    proposed = call(home, "planning", "propose", query.query_id, "--out", str(out))
    assert proposed["planning"]["answers"] == [{"site": "hospital-b", "sha256": digest(given)}]
    assert "planning:" in out.read_text()


def test_lines_for_people_say_who_is_missing_and_what_is_left_out(home: HomeFolder) -> None:
    """Without --json."""
    sites_in(home)
    services = services_of(home)
    query = services.planning.ask(QUESTION, actor="admin", now=NOW).query
    for site in ("hospital-a", "hospital-b"):
        told = answer(query, site).fingerprint
        assert told is not None
        given = answer(query, site, fingerprint=told.model_copy(update={"structures": ("VL",), "channels": ()}))
        services.planning.record(given, site=site, now=NOW)
        if site == "hospital-a":
            listed = CliRunner().invoke(app, ["planning", "list", "--home", str(home.root)])
            assert "1 of 2 told, 2 needed; waits for hospital-b" in listed.output
    services.close()
    shown = CliRunner().invoke(app, ["planning", "show", query.query_id, "--home", str(home.root)]).output
    assert "spacing_mm 50 %: 1.2" in shown
    assert "channels withheld" in shown
    assert "waits for" not in shown
    proposed = CliRunner().invoke(app, ["planning", "propose", query.query_id, "--home", str(home.root)]).output
    assert "1.25 mm, 160 x 160 px" in proposed
    assert "left out of the draft: RF" in proposed


def test_people_read_queries_and_answers_only_when_logged_in(services: Services, query: PlanningQuery) -> None:
    """In the API of the people's port."""
    services.planning.record(answer(query, "hospital-a"), site="hospital-a", now=NOW)
    port = build_people_app(PeoplePort(services, FakeRuns(), TOKEN, lambda: NOW))
    with TestClient(port, base_url="https://testserver") as client:
        assert client.get(f"{API}/planning").status_code == 401
        (listed,) = client.get(f"{API}/planning", headers=BEARER).json()
        found = client.get(f"{API}/planning/{query.query_id}", headers=BEARER).json()
        assert client.get(f"{API}/planning/plan-00000000", headers=BEARER).status_code == 404
    assert listed["states"] == {"hospital-a": "told", "hospital-b": "open"}
    assert found["answers"][0]["fingerprint"]["spacing_mm"] == [{"percent": 50, "value": 1.2}]
