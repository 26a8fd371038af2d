"""Who leads a study, over HTTP, by page and by command: strangers are refused, the owner and administrators choose."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from coordinator_factories import NOW, FakeSite, make_manifest, make_weights
from fastapi.testclient import TestClient
from typer.testing import CliRunner
from web_factories import TOKEN, FakeRuns, OnePerson, a_run, words_of

from myofed_coordinator.accounts import gate
from myofed_coordinator.accounts.permissions import Person, Role
from myofed_coordinator.accounts.wire import NewAccount
from myofed_coordinator.api.people import API, PeoplePort, people_app
from myofed_coordinator.cli import app
from myofed_coordinator.services import Services
from myofed_coordinator.studies.leads import Doer

STUDY = "/studies/thigh-muscles"
LEADS = f"{API}{STUDY}/leads"
WEIGHTS = make_weights()
Window = Callable[[str, Role], TestClient]


@pytest.fixture
def database_url() -> str | None:
    """SQLite only: the use cases have their own tests on both."""
    return None


@pytest.fixture
def window(services: Services, enrol: Callable[[str], FakeSite]) -> Window:
    """Makes browsers of people before a study of lea; lou leads others, and a run is under way."""
    site = enrol("hospital-a")
    manifest = make_manifest(WEIGHTS, sites=("hospital-a",))
    signed = services.studies.create(manifest, WEIGHTS, actor=Doer("lea"), now=NOW)
    services.studies.record_decision(site.decide(manifest), site="hospital-a", now=NOW)
    for account in ("lea", "lou"):
        services.accounts.add(NewAccount(account=account, roles=(Role.STUDY_LEAD,)), actor="root", now=NOW)
    runs = FakeRuns([a_run(signed.digest)])

    def opened(account: str, role: Role) -> TestClient:
        port = people_app(PeoplePort(services, runs, TOKEN, lambda: NOW))
        gate.set_doorkeeper(port, OnePerson(Person(account, frozenset({role}))))
        return TestClient(port, base_url="https://testserver", headers={"x-csrf-token": "good"})

    return opened


def names(answer: object) -> list[str]:
    return [lead["name"] for lead in answer.json()]  # type: ignore[attr-defined]


@pytest.mark.parametrize("role", [Role.AUDITOR, Role.SITE_REPRESENTATIVE])
def test_who_only_reads_sees_who_leads_and_changes_nothing(window: Window, role: Role) -> None:
    """403 at the gate."""
    reader = window("rea", role)
    assert names(reader.get(LEADS)) == ["lea"]
    for answer in (reader.put(f"{LEADS}/lou"), reader.delete(f"{LEADS}/lea")):
        assert (answer.status_code, answer.json()["code"]) == (403, "FORBIDDEN")
    assert reader.post(f"{STUDY}/leads", data={"account": "lou"}).status_code == 403


def test_another_lead_is_refused_and_offered_nothing(window: Window) -> None:
    """Neither the start, the stop, nor the leads; the review of a draft says so before it is offered."""
    lou = window("lou", Role.STUDY_LEAD)
    answer = lou.put(f"{LEADS}/lou")
    assert (answer.status_code, answer.json()["code"]) == (403, "STUDY_NOT_OWNER")
    page = lou.get(STUDY).text
    assert "lea, owner" in words_of(page)
    assert f"{STUDY}/leads" not in page
    assert "Stop this run" not in lou.get("/runs/run-0a1b2c3d").text
    assert "led by others" in lou.get("/study-draft").text
    lou.post("/study-draft", data={"from": "thigh-muscles"})
    assert "STUDY_NOT_YOURS" in lou.get("/study-draft/review").text
    assert "STUDY_NOT_YOURS" in lou.post("/study-draft/offer").text


def test_owner_adds_and_removes_a_lead(services: Services, window: Window) -> None:
    """Over the API and by page; a made-up name is told from a person who is no lead."""
    lea = window("lea", Role.STUDY_LEAD)
    assert "Stop this run" in lea.get("/runs/run-0a1b2c3d").text
    assert names(lea.put(f"{LEADS}/lou")) == ["lea", "lou"]
    assert names(lea.delete(f"{LEADS}/lou")) == ["lea"]
    assert lea.delete(f"{LEADS}/lou").json()["code"] == "STUDY_LEAD_UNKNOWN"
    assert (lea.delete(f"{LEADS}/lea").status_code, lea.delete(f"{LEADS}/lea").json()["code"]) == (
        409,
        "STUDY_LAST_LEAD",
    )
    assert "leads this study too" in lea.post(f"{STUDY}/leads", data={"account": "lou"}).text
    lou = window("lou", Role.STUDY_LEAD)
    assert "Remove lou" in lou.get(STUDY).text
    assert "Remove lea" not in lou.get(STUDY).text
    assert "out of these hands" in lea.post(f"{STUDY}/leads/remove", data={"name": "lou"}).text
    assert "ACCOUNT_UNKNOWN" in lea.post(f"{STUDY}/leads", data={"account": "<b>"}).text
    assert [lead.name for lead in services.leads.of_study("thigh-muscles")] == ["lea"]


def test_administrator_assigns_the_owner_of_a_study_without_one(services: Services, window: Window) -> None:
    """The page says what is missing."""
    from myofed_coordinator.studies.models import LeadRow

    with services.database.write() as session:
        session.delete(session.get_one(LeadRow, ("thigh-muscles", "lea", "account")))
    ada = window("ada", Role.ADMINISTRATOR)
    page = ada.get(STUDY).text
    assert "before an administrator assigns a study lead" in page
    assert "Make this the owner" in page
    ada.post(f"{STUDY}/leads", data={"account": "lou"})
    assert [(lead.name, lead.owner) for lead in services.leads.of_study("thigh-muscles")] == [("lou", True)]


def test_operator_chooses_leads_by_command(services: Services, window: Window) -> None:
    """With the codes of the service where it cannot be."""

    def call(*words: str) -> tuple[int, str]:
        done = CliRunner().invoke(app, ["study", "lead", *words, "--home", str(services.home.root), "--json"])
        return done.exit_code, done.stdout

    assert "STUDY_LAST_LEAD" in call("remove", "thigh-muscles", "lea")[1]
    assert "STUDY_UNKNOWN" in call("list", "nothing")[1]
    code, out = call("add", "thigh-muscles", "lou")
    assert (code, [lead["name"] for lead in json.loads(out)["leads"]]) == (0, ["lea", "lou"])
    assert call("remove", "thigh-muscles", "lea")[0] == 0
    assert [lead["name"] for lead in json.loads(call("list", "thigh-muscles")[1])["leads"]] == ["lou"]
