"""Requests for participation at one site: only genuine ones lie here, a person answers what was read, no pseudonym leaves."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from site_factories import NOW, FakeCoordinator, audited_actions, demo_site, enrol, refusal_code
from test_node_learning_data import write_subject
from typer.testing import CliRunner

import myofed_node.commands.requests
from myofed_node.cli import app
from myofed_node.coordinator_api import CoordinatorApi
from myofed_node.negotiation_desk import NegotiationDesk, RequestShown, Written
from myofed_schemas.canonical import canonical_json
from myofed_schemas.duo import ResearchPurpose
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode
from myofed_schemas.negotiation import NegotiationAnswer, ParticipationRequest

NAME = "ask-0123abcd"


def request(**changes: object) -> ParticipationRequest:
    fields: dict[str, object] = {
        "negotiation_id": NAME,
        "site": "alpha",
        "dataset": "neuromuscular-mri",
        "card_version": 1,
        "study_id": "thigh",
        "purpose": ResearchPurpose(methods=True, accepts=("DUO:0000021",)),
        "asked_by": "ann.lee",
        "message": "Would you take part?",
        "asked_at": "2026-01-01T00:00:00Z",
    }
    return ParticipationRequest.model_validate(fields | changes)


@pytest.fixture
def coordinator() -> FakeCoordinator:
    return FakeCoordinator()


@pytest.fixture
def desk(tmp_path: Path, coordinator: FakeCoordinator) -> NegotiationDesk:
    """A desk at which one request lies."""
    site = demo_site(tmp_path / "a")
    enrol(site, coordinator)
    coordinator.negotiate(request())
    made = NegotiationDesk(site, CoordinatorApi(coordinator))  # type: ignore[arg-type]
    assert made.fetch() == 1
    return made


def sent(coordinator: FakeCoordinator) -> list[bytes]:
    return [body for method, _, body, _ in coordinator.sent if method == "PUT"]


def answer(desk: NegotiationDesk, said: str = "interested", text: str = "", name: str = NAME) -> RequestShown:
    return desk.answer(name, Written(said, text), by="pi", now=NOW)  # type: ignore[arg-type]


def test_request_that_is_not_the_coordinators_or_not_for_us_is_not_kept(
    desk: NegotiationDesk, coordinator: FakeCoordinator
) -> None:
    """Another key, another digest, another site's; a good one beside them is."""
    (good,) = coordinator.threads
    coordinator.threads[:] = [FakeCoordinator().negotiate(request(negotiation_id="ask-11111111"))]
    assert refusal_code(desk.fetch) == "NEGOTIATION_SIGNATURE"
    wrong = good.signed.model_copy(update={"sha256": "0" * 64})
    coordinator.threads[:] = [good.model_copy(update={"signed": wrong})]
    assert refusal_code(desk.fetch) == "NEGOTIATION_CHANGED"
    coordinator.threads.clear()
    coordinator.negotiate(request(negotiation_id="ask-22222222", site="beta"))
    coordinator.negotiate(request(negotiation_id="ask-33333333"))
    assert refusal_code(desk.fetch) == "NEGOTIATION_NOT_FOR_US"
    assert [r.negotiation_id for r in desk.list().requests] == [NAME, "ask-33333333"]


def test_thread_that_was_rewritten_is_refused(desk: NegotiationDesk, coordinator: FakeCoordinator) -> None:
    """A message taken out or changed, or another request under the same name: what was read stays."""
    coordinator.say("reply", "We have 20 sites.")
    assert desk.fetch() == 1
    (good,) = coordinator.threads
    for messages in ((), (good.messages[0].model_copy(update={"text": "We have 2 sites."}),)):
        coordinator.threads[:] = [good.model_copy(update={"messages": messages})]
        assert refusal_code(desk.fetch) == "NEGOTIATION_REWRITTEN"
    coordinator.threads.clear()
    coordinator.negotiate(request(message="Something else."))
    assert refusal_code(desk.fetch) == "NEGOTIATION_REWRITTEN"
    assert desk.show(NAME).thread == good


def test_reply_that_is_no_list_of_threads_is_refused(desk: NegotiationDesk, coordinator: FakeCoordinator) -> None:
    """Nothing is kept of it."""
    coordinator._answers = lambda: {"/site/negotiations": lambda _p, _b: b'{"a": 1}'}  # type: ignore[method-assign]
    assert refusal_code(desk.fetch) == "REPLY_INVALID"


def test_unknown_request_is_neither_shown_nor_answered(desk: NegotiationDesk) -> None:
    """Also one whose name leads elsewhere."""
    for name in ("ask-99999999", "../studies", ""):
        assert refusal_code(lambda name=name: desk.show(name)) == "NEGOTIATION_UNKNOWN"  # type: ignore[misc]
        assert refusal_code(lambda name=name: answer(desk, name=name)) == "NEGOTIATION_UNKNOWN"  # type: ignore[misc]


def test_nothing_is_sent_by_fetching_listing_or_showing(desk: NegotiationDesk, coordinator: FakeCoordinator) -> None:
    """Only GET requests; nothing is audited either."""
    assert (desk.list().requests[0].state, desk.show(NAME).thread.state) == ("open", "open")
    assert desk.fetch() == 0
    assert sent(coordinator) == []
    assert audited_actions(desk.site) == []


@pytest.mark.parametrize("text", ["two\nlines", "\x1b[31m", "\u202eabc", "x" * 2001])
def test_text_that_is_more_than_a_line_of_letters_does_not_leave(
    desk: NegotiationDesk, coordinator: FakeCoordinator, text: str
) -> None:
    """Neither kept nor audited; and a question says something."""
    assert refusal_code(lambda: answer(desk, "declined", text)) == "NEGOTIATION_TEXT"
    assert refusal_code(lambda: answer(desk, "question")) == "NEGOTIATION_TEXT"
    assert (sent(coordinator), audited_actions(desk.site)) == ([], [])


def test_label_of_a_subject_does_not_leave_in_a_text(desk: NegotiationDesk, coordinator: FakeCoordinator) -> None:
    """With and without its prefix; a word that merely contains it is another word."""
    write_subject(desk.site.folder.dataset, "p7", seed=7)
    for text in ("Only p7 fits.", "sub-p7 only", "subp7"):
        assert refusal_code(lambda text=text: answer(desk, "declined", text)) == "NEGOTIATION_SUBJECT"  # type: ignore[misc]
    assert (sent(coordinator), audited_actions(desk.site)) == ([], [])
    assert answer(desk, "declined", "Not in p77 or stop7.").thread.state == "declined"


def test_answer_leaves_to_the_byte_as_it_was_kept(desk: NegotiationDesk, coordinator: FakeCoordinator) -> None:
    """Once, with the study in the ledger, and both records have the deed."""
    shown = answer(desk, "question", "How many rounds?")
    (body,) = sent(coordinator)
    assert body == canonical_json(desk.files.answer(NAME, 1) or NegotiationAnswer.model_construct())
    assert coordinator.sent[-1][3] == "thigh"
    assert (shown.thread.state, shown.unsent) == ("question", None)
    assert audited_actions(desk.site) == ["PARTICIPATION_QUESTION"]
    coordinator.say("reply", "Ten.")
    assert desk.fetch() == 1
    assert answer(desk).thread.state == "interested"


def test_answer_given_twice_is_sent_once(desk: NegotiationDesk, coordinator: FakeCoordinator) -> None:
    """The same command again adds nothing to a thread that only grows; another text, or a reply in between, does."""
    answer(desk, "question", "How many rounds?")
    assert len(answer(desk, "question", "How many rounds?").thread.messages) == 1
    assert (len(sent(coordinator)), audited_actions(desk.site)) == (1, ["PARTICIPATION_QUESTION"])
    assert len(answer(desk, "question", "How many sites?").thread.messages) == 2
    coordinator.say("reply", "Ten.")
    desk.fetch()
    assert len(answer(desk, "question", "How many sites?").thread.messages) == 4


def test_answer_that_could_not_be_sent_is_sent_by_the_next_call(
    desk: NegotiationDesk, coordinator: FakeCoordinator
) -> None:
    """The very bytes that were kept; another answer is refused meanwhile; one audit entry."""
    stopped = MyofedError("NODE_NOT_RUNNING", "expected", exit_code=ExitCode.NOT_RUNNING)
    coordinator.raises[f"/site/negotiations/{NAME}"] = stopped
    assert refusal_code(lambda: answer(desk)) == "NODE_NOT_RUNNING"
    assert (desk.list().requests[0].sent, desk.show(NAME).unsent is not None) == (False, True)
    assert refusal_code(lambda: answer(desk, "declined")) == "NEGOTIATION_UNSENT"
    coordinator.raises.clear()
    assert answer(desk).thread.state == "interested"
    assert desk.list().requests[0].sent
    assert audited_actions(desk.site) == ["PARTICIPATION_INTERESTED"]


def test_answer_to_a_thread_that_moved_on_is_written_anew(desk: NegotiationDesk, coordinator: FakeCoordinator) -> None:
    """The coordinator refuses it; nothing of it waits; after reading, a new one is sent."""
    coordinator.refusals[f"/site/negotiations/{NAME}"] = (409, "NEGOTIATION_MOVED_ON")
    assert refusal_code(lambda: answer(desk)) == "NEGOTIATION_MOVED_ON"
    assert desk.show(NAME).unsent is None
    coordinator.refusals.clear()
    assert answer(desk, "declined").thread.state == "declined"


def test_request_that_was_taken_back_is_not_answered(desk: NegotiationDesk, coordinator: FakeCoordinator) -> None:
    """It stays to be read."""
    coordinator.say("withdrawn", None)
    desk.fetch()
    assert refusal_code(lambda: answer(desk)) == "NEGOTIATION_OVER"
    assert desk.list().requests[0].state == "withdrawn"


def test_purpose_is_judged_by_the_sites_own_terms(tmp_path: Path, coordinator: FakeCoordinator) -> None:
    """What the coordinator says of them is shown beside, not believed."""
    site = demo_site(tmp_path / "b")
    enrol(site, coordinator)
    settings = site.config.dataset.model_copy(update={"duo": ("DUO:0000042", "DUO:0000015")})
    strict = type(site)(site.folder, site.config.model_copy(update={"dataset": settings}))
    coordinator.negotiate(request())
    desk = NegotiationDesk(strict, CoordinatorApi(coordinator))  # type: ignore[arg-type]
    desk.fetch()
    shown = desk.show(NAME)
    assert (shown.own_match.verdict, shown.thread.match.verdict) == ("not-allowed", "allowed")


def test_damaged_files_are_refused(desk: NegotiationDesk) -> None:
    """A thread or an answer that was changed on disk is not used."""
    folder = desk.site.folder.negotiations / NAME
    (folder / "answer-1.json").write_text("{}")
    assert refusal_code(lambda: desk.show(NAME)) == "NEGOTIATION_CHANGED"
    (folder / "thread.json").write_text("{}")
    assert refusal_code(lambda: desk.show(NAME)) == "NEGOTIATION_CHANGED"


def test_commands_list_show_and_answer(
    desk: NegotiationDesk, coordinator: FakeCoordinator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In words and as JSON; a refusal has its exit status."""
    monkeypatch.setattr(myofed_node.commands.requests, "_desk", lambda _site: desk)
    run, site = CliRunner().invoke, ["--site", str(desk.site.folder.root)]
    assert "by ann.lee: open" in run(app, ["requests", "list", *site]).stderr
    shown = run(app, ["requests", "show", NAME, *site]).stderr
    assert "Would you take part?" in shown
    assert "purpose: health, methods, diseases none in particular, accepts DUO:0000021" in shown
    refused = run(app, ["requests", "answer", NAME, "--say", "question", *site])
    assert (refused.exit_code, sent(coordinator)) == (ExitCode.BAD_INPUT, [])
    told = run(app, ["requests", "answer", NAME, "--say", "declined", "--text", "Not now.", "--json", *site])
    assert json.loads(told.stdout)["thread"]["messages"][0]["text"] == "Not now."
    assert run(app, ["requests", "show", "ask-99999999", *site]).exit_code == ExitCode.BAD_INPUT
