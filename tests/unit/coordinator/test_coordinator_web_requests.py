"""Pages of requests for participation: ask from a card, read the site's answer, reply, take back; who may see a thread."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from catalog_examples import publish
from coordinator_factories import NOW, FakeSite, make_card
from fastapi.testclient import TestClient
from web_factories import TOKEN, FakeRuns, OnePerson, words_of

from myofed_coordinator.accounts import gate
from myofed_coordinator.accounts.permissions import Person, Role
from myofed_coordinator.api.people import PeoplePort, people_app
from myofed_coordinator.services import Services
from myofed_schemas.negotiation import NegotiationAnswer, NegotiationThread

CARD = "/catalog/hospital-a/thigh-dixon"
LEAD = Person("lea", frozenset({Role.STUDY_LEAD}))
FIELDS = {"csrf": "good", "study_id": "thigh-muscles", "purpose": "health", "message": "Would you\r\ntake part?"}


@pytest.fixture
def database_url() -> str | None:
    """SQLite only: negotiation has its own tests on both; `make prove NAME=pages` walks on both."""
    return None


@pytest.fixture
def window(services: Services, enrol: Callable[[str], FakeSite]) -> Callable[[Person], TestClient]:
    """Makes browsers of people before one card."""
    enrol("hospital-a")
    enrol("hospital-b")
    publish(services, make_card("hospital-a", duo=("DUO:0000042", "DUO:0000021")))

    def opened(person: Person) -> TestClient:
        app = people_app(PeoplePort(services, FakeRuns(), TOKEN, lambda: NOW))
        gate.set_doorkeeper(app, OnePerson(person))
        return TestClient(app, base_url="https://testserver")

    return opened


def thread_of(services: Services) -> NegotiationThread:
    return services.negotiations.of_site("hospital-a")[0]


def test_lead_asks_from_the_card_and_reads_what_rules_say_of_the_terms(
    services: Services, window: Callable[[Person], TestClient]
) -> None:
    """The form starts at the card; the message is one line on the wire; terms that rules cannot decide say so."""
    lead = window(LEAD)
    assert f'href="{CARD}/ask"' in lead.get(CARD).text
    page = lead.post(f"{CARD}/ask", data={**FIELDS, "disease": "ORPHA:269", "accept": "DUO:0000021"}).text
    assert "The request is signed and sent" in page
    request = thread_of(services).signed.request
    assert (request.message, request.purpose.health, request.purpose.commercial) == (
        "Would you take part?",
        True,
        False,
    )
    assert request.purpose.accepts == ("DUO:0000021",)
    assert "ethics approval required" in page


def test_site_answers_and_the_asker_replies_and_takes_back(
    services: Services, window: Callable[[Person], TestClient]
) -> None:
    """All of it stands in the thread; after that nobody writes any more."""
    lead = window(LEAD)
    lead.post(f"{CARD}/ask", data=FIELDS)
    thread = thread_of(services)
    address = f"/requests/{thread.signed.request.negotiation_id}"
    answer = NegotiationAnswer(
        negotiation_id=thread.signed.request.negotiation_id,
        request_sha256=thread.signed.sha256,
        site="hospital-a",
        number=1,
        answer="question",
        text="How many rounds?",
    )
    services.negotiations.record(answer, site="hospital-a", now=NOW)
    assert "How many rounds?" in lead.get(address).text
    assert "Twelve of them." in lead.post(f"{address}/reply", data={"csrf": "good", "text": "Twelve of them."}).text
    ended = lead.post(f"{address}/withdraw", data={"csrf": "good"}).text
    assert "taken back" in ended
    assert "Your reply" not in ended
    assert "withdrawn" in words_of(lead.get("/requests").text)


@pytest.mark.parametrize(
    "changes",
    [{"message": ""}, {"message": "\U0001f600"}, {"message": "x" * 2001}, {"study_id": "No Id"}, {"accept": "DUO:1"}],
)
def test_impossible_request_is_not_sent(
    services: Services, window: Callable[[Person], TestClient], changes: dict[str, str]
) -> None:
    """REQUEST_FORM."""
    answer = window(LEAD).post(f"{CARD}/ask", data={**FIELDS, **changes})
    assert (answer.status_code, answer.headers["x-myofed-code"]) == (400, "REQUEST_FORM")
    assert services.negotiations.of_site("hospital-a") == []


def test_thread_is_seen_by_its_people_only(services: Services, window: Callable[[Person], TestClient]) -> None:
    """The asker, the site's representative, and who reads the audit chain; another lead learns nothing of it."""
    window(LEAD).post(f"{CARD}/ask", data=FIELDS)
    address = f"/requests/{thread_of(services).signed.request.negotiation_id}"
    for person, status in (
        (Person("ron", frozenset({Role.SITE_REPRESENTATIVE}), "hospital-a"), 200),
        (Person("aud", frozenset({Role.AUDITOR})), 200),
        (Person("lou", frozenset({Role.STUDY_LEAD})), 404),
        (Person("rob", frozenset({Role.SITE_REPRESENTATIVE}), "hospital-b"), 404),
    ):
        client = window(person)
        assert client.get(address).status_code == status, person
        assert (address in client.get("/requests").text) == (status == 200)
        assert "Take the request back" not in client.get(address).text
        assert client.post(f"{address}/withdraw", data={"csrf": "good"}).status_code in {403, 404}


def test_administrator_is_not_offered_to_ask(window: Callable[[Person], TestClient]) -> None:
    """Asking is the study lead's."""
    boss = window(Person("ada", frozenset({Role.ADMINISTRATOR})))
    assert "Ask for participation" not in boss.get(CARD).text
    assert boss.get(f"{CARD}/ask").status_code == 403
