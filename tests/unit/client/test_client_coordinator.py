"""The client's requests and what it makes of answers; against a real coordinator it is shown in tests/functional."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from wire_examples import CARD, WIRE_EXAMPLES

from myofed_client import Coordinator
from myofed_schemas.catalog_search import CardChoice, FacetChoice
from myofed_schemas.errors import FieldsError, MyofedError
from myofed_schemas.federation import RunStatus

TOKEN = "secret-token-of-a-person"
Answering = Callable[[httpx.Request], httpx.Response]


def client(answering: Answering) -> Coordinator:
    return Coordinator("https://coordinator.example", TOKEN, transport=httpx.MockTransport(answering))


def refusal(call: Callable[[], object]) -> MyofedError:
    with pytest.raises(MyofedError) as caught:
        call()
    return caught.value


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (httpx.Response(404, json={"code": "STUDY_UNKNOWN", "hint": ""}), "STUDY_UNKNOWN"),
        (httpx.Response(502, text="<html>proxy</html>"), "HTTP_502"),
        (httpx.Response(200, text="not JSON"), "ANSWER_INVALID"),
        (httpx.Response(200, json={"unexpected": 1}), "ANSWER_INVALID"),
        (httpx.Response(302, headers={"location": "https://elsewhere.example"}), "HTTP_302"),
    ],
)
def test_refusal_has_the_coordinators_code_and_neither_token_nor_body(answer: httpx.Response, code: str) -> None:
    """Nothing that an answer said is repeated, and nobody is followed elsewhere."""
    error = refusal(lambda: client(lambda _request: answer).study("thigh"))
    assert error.code == code
    assert TOKEN not in str(error)
    assert "proxy" not in error.message


def test_refusal_names_the_fields_that_the_coordinator_names() -> None:
    """In the message and as values; more than a code and fields is no refusal of a coordinator."""
    fault = {"field": "body.rounds", "expected": "1 at least"}
    error = refusal(
        lambda: client(lambda _r: httpx.Response(422, json={"code": "MALFORMED", "fields": [fault]})).runs()
    )
    assert isinstance(error, FieldsError)
    assert [(f.field, f.expected) for f in error.fields] == [("body.rounds", "1 at least")]
    assert "body.rounds: expected 1 at least" in error.message
    spoilt = {**fault, "expected": "a\x1b[2Jb"}
    assert (
        refusal(
            lambda: client(lambda _r: httpx.Response(422, json={"code": "MALFORMED", "fields": [spoilt]})).runs()
        ).code
        == "HTTP_422"
    )


def test_nobody_who_answers_is_told_as_such() -> None:
    """A refused connection, a certificate, a time-out: one code."""

    def away(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("no", request=request)

    assert refusal(client(away).runs).code == "COORDINATOR_UNREACHABLE"


def test_token_is_sent_over_https_alone_and_shown_nowhere() -> None:
    """An open line is refused before anything is sent."""
    assert refusal(lambda: Coordinator("http://coordinator.example", TOKEN)).code == "CLIENT_URL"
    seen = list[str]()

    def answering(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers["authorization"])
        return httpx.Response(200, json=[])

    with client(answering) as made:
        assert made.studies() == []
        assert TOKEN not in repr(made)
    assert seen == [f"Bearer {TOKEN}"]


def test_all_pages_of_cards_are_read() -> None:
    """Facets become parameters, pages are asked for until the last."""
    asked = list[str]()

    def answering(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.query.decode())
        cards = [CARD.model_dump(mode="json")] * (100 if "&page=1&" in asked[-1] else 1)
        page = {
            "total": 101,
            "page": len(asked),
            "per_page": 100,
            "subjects_at_least": 0,
            "withheld": 0,
            "cards": cards,
        }
        return httpx.Response(200, json=page)

    choice = CardChoice(choices=(FacetChoice(facet="field-strength", value="3.0T"),), text="thigh")
    assert len(list(client(answering).cards(choice))) == 101
    assert asked[0] == "text=thigh&field_strength=3.0T&page=1&per_page=100"
    assert "&page=2&" in asked[1]
    empty = {"total": 0, "page": 1, "per_page": 100, "subjects_at_least": 0, "withheld": 0, "cards": []}
    assert list(client(lambda _r: httpx.Response(200, json=empty)).cards()) == []


def test_run_is_followed_until_it_has_ended() -> None:
    """Each change once; between two questions it waits."""
    example = WIRE_EXAMPLES["run-status"]
    assert isinstance(example, RunStatus)
    states = ("submitted", "running", "running", "failed")
    answers = [example.model_copy(update={"state": state}).model_dump(mode="json") for state in states]
    waited = list[float]()
    followed = client(lambda _r: httpx.Response(200, json=answers.pop(0))).follow(
        "run-0123abcd", every_s=7.0, sleep=waited.append
    )
    assert [status.state for status in followed] == ["submitted", "running", "failed"]
    assert waited == [7.0, 7.0, 7.0]


def test_upload_names_its_digest_and_length(tmp_path: Path) -> None:
    """The coordinator takes no body of unknown length."""
    path = tmp_path / "w.safetensors"
    path.write_bytes(b"w" * 10)
    sha256 = hashlib.sha256(b"w" * 10).hexdigest()

    def answering(request: httpx.Request) -> httpx.Response:
        assert request.url.path == f"/api/v1/weights/{sha256}"
        assert request.headers["content-length"] == "10"
        assert "transfer-encoding" not in request.headers
        assert request.read() == b"w" * 10
        return httpx.Response(201, json={"sha256": sha256, "size_bytes": 10, "tensors": 1})

    assert client(answering).upload_weights(path).tensors == 1


def test_model_of_other_bytes_is_not_kept(tmp_path: Path) -> None:
    """Nothing lies there afterwards, also where the coordinator refuses."""
    wanted = hashlib.sha256(b"model").hexdigest()
    out = tmp_path / "m.safetensors"
    wrong = client(lambda _r: httpx.Response(200, content=b"others"))
    assert refusal(lambda: wrong.fetch_model(wanted, out)).code == "MODEL_DIGEST"
    refusing = client(lambda _r: httpx.Response(404, json={"code": "MODEL_UNKNOWN"}))
    assert refusal(lambda: refusing.fetch_model(wanted, out)).code == "MODEL_UNKNOWN"
    assert list(tmp_path.iterdir()) == []
    good = client(lambda _r: httpx.Response(200, content=b"model"))
    assert good.fetch_model(wanted, out).read_bytes() == b"model"


def test_every_other_call_asks_its_own_path() -> None:
    """Method and path of each, as the API has them."""
    asked = list[str]()

    def answering(request: httpx.Request) -> httpx.Response:
        asked.append(f"{request.method} {request.url.path.removeprefix('/api/v1')}")
        if request.method == "POST":
            json.loads(request.content)
        return httpx.Response(404, json={"code": "NOT_FOUND"})

    made = client(answering)
    calls: list[Callable[[], object]] = [
        made.facets,
        lambda: made.card("hospital-a", "thigh-dixon"),
        lambda: made.thread("ask-0a1b2c3d"),
        lambda: made.reply("ask-0a1b2c3d", "Yes."),
        lambda: made.start("thigh"),
        lambda: made.start_record("start-0a1b2c3d"),
        lambda: made.run("run-0a1b2c3d"),
        made.models,
        lambda: made.model("a" * 64),
        lambda: made.model_card("a" * 64),
        lambda: made.lineage("a" * 64),
    ]
    assert {refusal(call).code for call in calls} == {"NOT_FOUND"}
    assert asked == [
        "GET /catalog/facets",
        "GET /catalog/cards/hospital-a/thigh-dixon",
        "GET /negotiations/ask-0a1b2c3d",
        "POST /negotiations/ask-0a1b2c3d/messages",
        "POST /starts",
        "GET /starts/start-0a1b2c3d",
        "GET /runs/run-0a1b2c3d",
        "GET /models",
        f"GET /models/{'a' * 64}",
        f"GET /models/{'a' * 64}/card",
        f"GET /models/{'a' * 64}/lineage",
    ]
