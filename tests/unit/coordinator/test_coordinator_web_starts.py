"""Starting a run by page: one asks, another confirms or declines with a reason; both read what became of it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from coordinator_factories import NOW, FakeSite, make_manifest, make_person, make_weights
from fastapi.testclient import TestClient
from web_factories import TOKEN, OnePerson, words_of

from myofed_coordinator.accounts import gate
from myofed_coordinator.accounts.makers import HELD_FOR
from myofed_coordinator.accounts.permissions import Person, Role
from myofed_coordinator.accounts.wire import NewAccount
from myofed_coordinator.api.people import PeoplePort, people_app
from myofed_coordinator.services import Services, open_runs
from myofed_coordinator.studies.leads import Doer

WEIGHTS = make_weights()
STUDY = "/studies/thigh-muscles"
Window = Callable[[str, Role], TestClient]


@pytest.fixture
def database_url() -> str | None:
    """SQLite only: starts have their own tests on both; `make prove NAME=pages` walks on both."""
    return None


@pytest.fixture
def window(services: Services, enrol: Callable[[str], FakeSite]) -> Window:
    """Makes browsers of people before a study that its site approved."""
    site = enrol("hospital-a")
    manifest = make_manifest(WEIGHTS, sites=("hospital-a",))
    services.studies.create(manifest, WEIGHTS, actor=Doer("lea"), now=NOW)
    services.studies.record_decision(site.decide(manifest), site="hospital-a", now=NOW)

    def opened(account: str, role: Role) -> TestClient:
        app = people_app(PeoplePort(services, open_runs(services), TOKEN, lambda: NOW))
        gate.set_doorkeeper(app, OnePerson(Person(account, frozenset({role}))))
        return TestClient(app, base_url="https://testserver", follow_redirects=False)

    return opened


def post(client: TestClient, path: str, **fields: str) -> str:
    answer = client.post(path, data={"csrf": "good", **fields})
    return client.get(answer.headers["location"]).text if answer.status_code == 303 else answer.text


def start_id(services: Services) -> str:
    from myofed_coordinator.runs.starts import StartsService

    return StartsService(services, open_runs(services)).list_starts(now=NOW)[0].start_id


def test_run_starts_once_a_second_person_confirms(services: Services, window: Window) -> None:
    """Who asked cannot confirm; the administrator is told on the first page, confirms, and the run is there."""
    lead, boss = window("lea", Role.STUDY_LEAD), window("ada", Role.ADMINISTRATOR)
    assert "Somebody else must confirm" in post(lead, f"{STUDY}/start")
    assert "Confirm the start" not in lead.get(STUDY).text
    assert "lea asked for it" in boss.get("/").text
    assert "Confirm the start" in boss.get(STUDY).text
    assert open_runs(services).list() == []
    assert "The run is ordered" in post(boss, f"/starts/{start_id(services)}/confirm")
    assert len(open_runs(services).list()) == 1
    assert "Ask for a run" not in lead.get(STUDY).text, "one is under way"


def test_administrator_who_asked_must_wait_for_another(services: Services, window: Window) -> None:
    """The page offers no confirmation to the same person, and the address refuses it."""
    boss = window("ada", Role.ADMINISTRATOR)
    post(boss, f"{STUDY}/start")
    assert "You asked for it; another person confirms." in boss.get(STUDY).text
    assert "START_SAME_PERSON" in post(boss, f"/starts/{start_id(services)}/confirm")


def test_page_says_why_a_second_account_of_the_same_hands_does_not_confirm(services: Services, window: Window) -> None:
    """With the code, and who can confirm instead."""
    for account, maker in (("lea", "root"), ("ada", "lea")):
        services.accounts.add(NewAccount(account=account, roles=(Role.ADMINISTRATOR,)), actor=maker, now=NOW)
    lead, boss = window("lea", Role.ADMINISTRATOR), window("ada", Role.ADMINISTRATOR)
    post(lead, f"{STUDY}/start")
    page = boss.get(STUDY).text
    assert "Confirm the start" not in page
    assert "Decline the start" in page
    assert "You cannot confirm it: within 30 days your account or that of lea added" in words_of(page)
    assert "No other account may: an administrator whom somebody else let in confirms" in words_of(page)
    page = words_of(post(boss, f"/starts/{start_id(services)}/confirm"))
    for said in ("START_NOT_INDEPENDENT", "within 30 days", "whom somebody else let in confirms"):
        assert said in page
    assert open_runs(services).list() == []


def test_page_names_who_may_confirm_to_who_may_not(services: Services, window: Window) -> None:
    """Active administrators in other hands than who asked; neither the asker, nor a lead, nor who is shut out."""
    long_ago = NOW - 2 * HELD_FOR
    for account, role in (("lea", Role.ADMINISTRATOR), ("max", Role.STUDY_LEAD), ("ben", Role.ADMINISTRATOR)):
        make_person(services.accounts, account, role, now=long_ago)
    make_person(services.accounts, "out", Role.ADMINISTRATOR, now=long_ago)
    services.accounts.disable("out", actor="root", now=NOW)
    services.accounts.add(NewAccount(account="ada", roles=(Role.ADMINISTRATOR,)), actor="lea", now=NOW)
    lead, boss = window("lea", Role.ADMINISTRATOR), window("ada", Role.ADMINISTRATOR)
    post(lead, f"{STUDY}/start")
    for browser in (lead, boss):
        page = browser.get(STUDY).text
        assert "Confirm the start" not in page
        assert "Who may confirm: ben." in words_of(page)
    assert "Confirm the start" in window("ben", Role.ADMINISTRATOR).get(STUDY).text


def test_start_is_declined_with_a_reason_that_the_asker_reads(services: Services, window: Window) -> None:
    """Without a reason it is not declined; afterwards it can be asked for again."""
    lead, boss = window("lea", Role.STUDY_LEAD), window("ada", Role.ADMINISTRATOR)
    post(lead, f"{STUDY}/start")
    for reason in ("", "<b>", "x" * 201):
        assert "REASON_FORM" in post(boss, f"/starts/{start_id(services)}/decline", reason=reason)
    assert "does not run" not in post(boss, f"/starts/{start_id(services)}/decline", reason="Wait for the ethics vote.")
    page = lead.get(STUDY).text
    assert "Wait for the ethics vote." in words_of(page)
    assert "Ask for a run" in page


@pytest.mark.parametrize("role", [Role.AUDITOR, Role.SITE_REPRESENTATIVE])
def test_who_may_not_start_is_offered_nothing(services: Services, window: Window, role: Role) -> None:
    """No button, and 403 for the address."""
    reader = window("rea", role)
    assert "Ask for a run" not in reader.get(STUDY).text
    assert reader.post(f"{STUDY}/start", data={"csrf": "good"}).status_code == 403
    assert reader.post("/starts/start-0a1b2c3d/confirm", data={"csrf": "good"}).status_code == 403


def test_study_that_its_sites_have_not_approved_cannot_be_asked_for(services: Services, window: Window) -> None:
    """The page says what is missing; the address answers NOT_APPROVED."""
    manifest = make_manifest(WEIGHTS, sites=("hospital-a",), study_id="leg-fat")
    services.studies.create(manifest, WEIGHTS, actor=Doer("lea"), now=NOW)
    lead = window("lea", Role.STUDY_LEAD)
    assert "It can be started once 1 sites have approved" in words_of(lead.get("/studies/leg-fat").text)
    assert "NOT_APPROVED" in post(lead, "/studies/leg-fat/start")
