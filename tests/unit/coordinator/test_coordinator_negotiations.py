"""Negotiation at the coordinator: who may ask, see and answer; a thread that neither side can rewrite; digests in the audit."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from coordinator_factories import NOW, FakeSite, make_card
from fastapi import FastAPI
from fastapi.testclient import TestClient
from test_coordinator_gate import FakeDoorkeeper
from test_coordinator_site_api import client_of as site_client

from myofed_coordinator.accounts import gate
from myofed_coordinator.accounts.permissions import Person, Role
from myofed_coordinator.api.people import API
from myofed_coordinator.api.refusals import add_refusals
from myofed_coordinator.api.site_negotiations import MAX_ANSWER_BYTES
from myofed_coordinator.negotiations.asked import AskedParticipation
from myofed_coordinator.negotiations.routes import negotiations_router
from myofed_coordinator.services import Services
from myofed_coordinator.signing import verify
from myofed_schemas.canonical import canonical_json, digest
from myofed_schemas.duo import ResearchPurpose
from myofed_schemas.errors import MyofedError
from myofed_schemas.negotiation import MAX_MESSAGES, NegotiationAnswer, NegotiationThread

Enrol = Callable[[str], FakeSite]
ANN, BOB = (Person(name, frozenset({Role.STUDY_LEAD})) for name in ("ann", "bob"))
AUDITOR = Person("eve", frozenset({Role.AUDITOR}))
OF_A, OF_B = (Person(f"rep-{s[-1]}", frozenset({Role.SITE_REPRESENTATIVE}), s) for s in ("hospital-a", "hospital-b"))
WORDS = "Would you take part?"


def asked(**changes: object) -> AskedParticipation:
    fields: dict[str, object] = {
        "site": "hospital-a",
        "dataset": "thigh-dixon",
        "study_id": "thigh-muscles",
        "purpose": ResearchPurpose(diseases=("ORPHA:269",), methods=True),
        "message": WORDS,
    }
    return AskedParticipation.model_validate({**fields, **changes})


def ask(services: Services, person: Person = ANN, **changes: object) -> NegotiationThread:
    return services.negotiations.ask(asked(**changes), person=person, now=NOW)


def answer(thread: NegotiationThread, said: str = "interested", **changes: object) -> NegotiationAnswer:
    fields: dict[str, object] = {
        "negotiation_id": thread.signed.request.negotiation_id,
        "request_sha256": thread.signed.sha256,
        "site": "hospital-a",
        "number": len(thread.messages) + 1,
        "answer": said,
        "text": "Which sequences?" if said == "question" else None,
    }
    return NegotiationAnswer.model_validate({**fields, **changes})


def record(services: Services, said: NegotiationAnswer, *, site: str = "hospital-a") -> NegotiationThread:
    return services.negotiations.record(said, site=site, now=NOW)


def refusal(call: Callable[[], object]) -> str:
    with pytest.raises(MyofedError) as refused:
        call()
    return refused.value.code


@pytest.fixture
def catalog(services: Services, enrol: Enrol) -> Services:
    """Two sites are enrolled; one has a card with terms of use."""
    enrol("hospital-a")
    enrol("hospital-b")
    services.catalog.publish(make_card("hospital-a", duo=("DUO:0000007", "DUO:0000015")), site="hospital-a", now=NOW)
    return services


def test_nothing_is_asked_of_a_card_that_is_not_there(catalog: Services) -> None:
    """Withdrawn, never published, or of a revoked site."""
    assert refusal(lambda: ask(catalog, dataset="leg")) == "CARD_UNKNOWN"
    catalog.enrolment.revoke("hospital-a", actor="admin", now=NOW)
    assert refusal(lambda: ask(catalog)) == "CARD_UNKNOWN"


@pytest.mark.parametrize("text", ["", "a\nb", "a\x1b[2Jb", "abc\u202edef", "筋", "x" * 2001])
def test_text_that_could_be_more_than_text_is_refused(text: str) -> None:
    """Control characters, line ends, and letters that turn the reading direction."""
    with pytest.raises(ValueError, match="validation error"):
        asked(message=text)
    assert asked(message="Größe 3-5 cm, „FSHD“ … ça va?").message


def test_same_study_does_not_ask_twice_for_one_data_set(catalog: Services) -> None:
    """It writes into the thread; after it was taken back it may ask anew."""
    thread = ask(catalog)
    assert refusal(lambda: ask(catalog, person=BOB)) == "NEGOTIATION_OPEN"
    catalog.negotiations.withdraw(thread.signed.request.negotiation_id, person=ANN, now=NOW)
    assert ask(catalog).state == "open"


def test_one_person_does_not_flood_the_sites(catalog: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests without an answer are bounded; an answer makes room."""
    monkeypatch.setattr("myofed_coordinator.negotiations.service.MAX_UNANSWERED", 1)
    thread = ask(catalog)
    assert refusal(lambda: ask(catalog, study_id="other")) == "NEGOTIATION_TOO_MANY"
    record(catalog, answer(thread, "declined"))
    assert ask(catalog, study_id="other").state == "open"


def test_request_is_signed_and_judged_by_the_terms_of_the_card(catalog: Services) -> None:
    """The site can check who sent it; methods research on the card's disease under NMDS is for a person to weigh."""
    thread = ask(catalog)
    request = thread.signed.request
    verify(request, signature=thread.signed.signature, public_key=thread.signed.signer)
    assert thread.signed.sha256 == digest(request)
    assert (request.asked_by, request.card_version, request.message) == ("ann", 1, WORDS)
    assert [(t.term, t.verdict) for t in thread.match.terms] == [
        ("DUO:0000007", "allowed"),
        ("DUO:0000015", "needs-a-person"),
    ]
    assert thread.match.verdict == "needs-a-person"


def test_thread_is_seen_by_its_two_sides_and_by_who_reads_the_audit(catalog: Services) -> None:
    """Not by another study lead, nor by another site, nor may they write into it."""
    thread = ask(catalog)
    name = thread.signed.request.negotiation_id
    for person in (ANN, OF_A, AUDITOR):
        assert catalog.negotiations.show(name, person=person) == thread
        assert catalog.negotiations.list_threads(1, person=person).threads == (thread,)
    for person in (BOB, OF_B):
        assert refusal(lambda person=person: catalog.negotiations.show(name, person=person)) == "NEGOTIATION_UNKNOWN"  # type: ignore[misc]
        assert catalog.negotiations.list_threads(1, person=person).total == 0
    assert refusal(lambda: catalog.negotiations.reply(name, "x", person=BOB, now=NOW)) == "NEGOTIATION_UNKNOWN"
    assert refusal(lambda: catalog.negotiations.withdraw(name, person=AUDITOR, now=NOW)) == "NEGOTIATION_UNKNOWN"
    assert catalog.negotiations.of_site("hospital-b") == []
    assert catalog.negotiations.of_site("hospital-a") == [thread]


def test_answers_of_others_or_to_something_else_are_refused(catalog: Services) -> None:
    """Another's certificate, another request, a message number that was not read, a site that is out."""
    thread = ask(catalog)
    assert refusal(lambda: record(catalog, answer(thread), site="hospital-b")) == "NEGOTIATION_WRONG_SITE"
    as_b = answer(thread, site="hospital-b")
    assert refusal(lambda: record(catalog, as_b, site="hospital-b")) == "NEGOTIATION_UNKNOWN"
    assert refusal(lambda: record(catalog, answer(thread, request_sha256="0" * 64))) == "NEGOTIATION_WRONG_DIGEST"
    assert refusal(lambda: record(catalog, answer(thread, number=2))) == "NEGOTIATION_MOVED_ON"
    assert refusal(lambda: record(catalog, answer(thread, negotiation_id="ask-00000000"))) == "NEGOTIATION_UNKNOWN"
    catalog.enrolment.revoke("hospital-a", actor="admin", now=NOW)
    assert refusal(lambda: record(catalog, answer(thread))) == "SITE_REVOKED"


def test_site_that_had_not_read_the_last_message_does_not_answer_it(catalog: Services) -> None:
    """The asker wrote while the site decided: it reads first. The same answer again changes nothing."""
    thread = ask(catalog)
    name = thread.signed.request.negotiation_id
    first = answer(thread, "question")
    asking = record(catalog, first)
    assert record(catalog, first) == asking
    catalog.negotiations.reply(name, "T1w and Dixon.", person=ANN, now=NOW)
    assert refusal(lambda: record(catalog, answer(asking))) == "NEGOTIATION_MOVED_ON"
    read = catalog.negotiations.of_site("hospital-a")[0]
    assert (asking.state, read.state, record(catalog, answer(read)).state) == ("question", "open", "interested")


def test_withdrawn_request_is_over_for_both_sides(catalog: Services) -> None:
    """Nothing more is said in it; it stays to be read."""
    thread = ask(catalog)
    name = thread.signed.request.negotiation_id
    assert catalog.negotiations.withdraw(name, person=ANN, now=NOW).state == "withdrawn"
    over = catalog.negotiations.of_site("hospital-a")[0]
    assert refusal(lambda: record(catalog, answer(over))) == "NEGOTIATION_OVER"
    assert refusal(lambda: catalog.negotiations.reply(name, "x", person=ANN, now=NOW)) == "NEGOTIATION_OVER"
    assert refusal(lambda: catalog.negotiations.withdraw(name, person=ANN, now=NOW)) == "NEGOTIATION_OVER"


def test_thread_has_an_end(catalog: Services) -> None:
    """Nobody fills the database message by message."""
    name = ask(catalog).signed.request.negotiation_id
    for number in range(MAX_MESSAGES):
        catalog.negotiations.reply(name, f"{number}", person=ANN, now=NOW)
    assert refusal(lambda: catalog.negotiations.reply(name, "x", person=ANN, now=NOW)) == "NEGOTIATION_FULL"
    long = catalog.negotiations.show(name, person=ANN)
    assert refusal(lambda: record(catalog, answer(long, number=MAX_MESSAGES))) == "NEGOTIATION_MOVED_ON"


def test_audit_has_digests_and_no_word_of_what_was_written(catalog: Services) -> None:
    """Who, what kind, which message."""
    thread = ask(catalog)
    record(catalog, answer(thread, "question", text="How many rounds?"))
    lines = [e for e in catalog.audit.entries() if e.action.startswith("PARTICIPATION_")]
    assert [(e.actor, e.action) for e in lines] == [
        ("ann", "PARTICIPATION_ASKED"),
        ("hospital-a", "PARTICIPATION_QUESTION"),
    ]
    assert lines[0].detail == {"request": thread.signed.sha256}
    assert b"take part" not in catalog.home.audit.read_bytes()
    assert b"rounds" not in catalog.home.audit.read_bytes()


def test_latest_change_comes_first(catalog: Services) -> None:
    """In the lists of both sides."""
    first = ask(catalog)
    second = catalog.negotiations.ask(asked(study_id="other"), person=ANN, now=NOW + timedelta(minutes=1))
    catalog.negotiations.reply(first.signed.request.negotiation_id, "x", person=ANN, now=NOW + timedelta(minutes=2))
    names = [t.signed.request.study_id for t in catalog.negotiations.of_site("hospital-a")]
    assert names == ["thigh-muscles", second.signed.request.study_id]


def people(services: Services, person: Person | None) -> TestClient:
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    add_refusals(app)
    gate.set_doorkeeper(app, FakeDoorkeeper(person))
    app.include_router(negotiations_router(services.negotiations, clock=lambda: NOW), prefix=API)
    gate.check_declared(app)
    return TestClient(app, base_url="https://test" + API, headers={"x-csrf-token": "right"})


def test_only_a_study_lead_asks_over_http(catalog: Services) -> None:
    """An administrator watches, a representative answers through the node."""
    body = asked().model_dump(mode="json")
    assert people(catalog, None).post("/negotiations", json=body).status_code == 401
    for person in (OF_A, AUDITOR, Person("adm", frozenset({Role.ADMINISTRATOR}))):
        assert people(catalog, person).post("/negotiations", json=body).json()["code"] == "FORBIDDEN"
    client = people(catalog, ANN)
    assert client.post("/negotiations", json={**body, "message": "a\nb"}).status_code == 422
    made = client.post("/negotiations", json=body)
    name = NegotiationThread.model_validate(made.json()).signed.request.negotiation_id
    assert made.status_code == 201
    assert client.post("/negotiations", json=body).status_code == 409
    assert client.post(f"/negotiations/{name}/messages", json={"text": "And?"}).status_code == 201
    assert people(catalog, AUDITOR).get("/negotiations").json()["total"] == 1
    assert people(catalog, BOB).get(f"/negotiations/{name}").status_code == 404
    assert client.delete(f"/negotiations/{name}").json()["messages"][1]["kind"] == "withdrawn"


def test_site_reads_and_answers_through_its_port(catalog: Services) -> None:
    """Its own threads; a body that is too large, malformed or about another request is refused and kept nowhere."""
    thread = ask(catalog)
    path = f"/site/negotiations/{thread.signed.request.negotiation_id}"
    body = canonical_json(answer(thread))
    with site_client(catalog, "hospital-b") as client:
        assert client.get("/site/negotiations").json() == []
        assert client.put(path, content=body).json()["code"] == "NEGOTIATION_WRONG_SITE"
    with site_client(catalog, "hospital-a") as client:
        assert client.put(path, content=body + b" " * MAX_ANSWER_BYTES).status_code == 413
        assert client.put(path, content=body.replace(b"interested", b"maybe")).status_code == 422
        assert client.put("/site/negotiations/ask-00000000", content=body).status_code == 422
        assert NegotiationThread.model_validate(client.get("/site/negotiations").json()[0]) == thread
        assert client.put(path, content=body).json()["messages"][0]["kind"] == "interested"
