"""The egress proxy: one address, all noted, nothing followed."""

from __future__ import annotations

import asyncio
import hashlib
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from site_factories import NOW

from myofed_node.federation.egress import ANSWER_BYTES, BODY_BYTES, Egress, EgressSettings
from myofed_node.federation.egress_files import (
    Counted,
    CutError,
    FileAnswer,
    FileCourier,
    FileError,
    NothingLeftError,
    OffsetError,
)
from myofed_node.federation.egress_request import Outgoing, Piece
from myofed_node.federation.ledger import EgressLedger, read_ledger
from myofed_schemas.errors import ErrorBody
from myofed_schemas.federation import FLEET_PATHS

TOKEN = "t" * 64
Answer = Callable[[httpx.Request], httpx.Response]


@dataclass
class Wall:
    """An egress in front of a coordinator that is one function."""

    tmp_path: Path
    answer: Answer
    seen: list[httpx.Request] = field(default_factory=list)
    capture: Path | None = None
    carrier: FileCourier | None = None

    @property
    def courier(self) -> FileCourier:
        return self.carrier or FileCourier(lambda: pytest.fail("no connection"), self.tmp_path)

    def ask(self, method: str, path: str, body: bytes = b"", **headers: str) -> tuple[int, bytes]:
        return asyncio.run(call(self.egress(), method, path, body, headers))

    def egress(self) -> Egress:
        def remembered(request: httpx.Request) -> httpx.Response:
            self.seen.append(request)
            return self.answer(request)

        client = httpx.AsyncClient(
            base_url="https://coordinator:8444", transport=httpx.MockTransport(remembered), follow_redirects=False
        )
        ledger = EgressLedger(self.tmp_path / "egress.jsonl")
        return Egress(client, EgressSettings(TOKEN, ledger, self.capture, lambda: NOW, self.courier))

    def entries(self) -> list[tuple[str, str, int]]:
        return [(e.kind, e.path, e.status) for e in read_ledger(self.tmp_path / "egress.jsonl")]


async def call(app: Any, method: str, path: str, body: bytes, headers: dict[str, str]) -> tuple[int, bytes]:
    raw, _, query = path.partition("?")
    scope = {
        "type": "http",
        "method": method,
        "raw_path": raw.encode(),
        "path": raw,
        "query_string": query.encode(),
        "headers": [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()],
    }
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await app(scope, receive, send)
    return sent[0]["status"], b"".join(m.get("body", b"") for m in sent)


@pytest.fixture
def wall(tmp_path: Path) -> Wall:
    return Wall(tmp_path, lambda request: httpx.Response(200, stream=httpx.ByteStream(b"answer")))


def code(body: bytes) -> str:
    return ErrorBody.model_validate_json(body).code


def test_refused_request_is_noted_and_never_sent(wall: Wall) -> None:
    """Another path, and /site/* without the token."""
    status, body = wall.ask("POST", "/v1/control/start-run", b"secret")
    assert (status, code(body)) == (403, "EGRESS_PATH")
    status, body = wall.ask("GET", "/site/studies")
    assert (status, code(body)) == (403, "EGRESS_TOKEN")
    assert wall.seen == []
    assert wall.entries() == [("refused", "/v1/control/start-run", 0), ("refused", "/site/studies", 0)]


def test_body_above_the_limit_is_refused(wall: Wall) -> None:
    """16 MiB is the most that leaves at once."""
    status, body = wall.ask("POST", FLEET_PATHS[0], b"x" * (BODY_BYTES + 1))
    assert (status, code(body)) == (403, "EGRESS_BODY")
    assert wall.seen == []


def test_redirect_is_returned_and_not_followed(wall: Wall) -> None:
    """A coordinator cannot send the site's requests elsewhere."""
    wall.answer = lambda request: httpx.Response(
        307, headers={"location": "https://example.org/"}, stream=httpx.ByteStream(b"")
    )
    assert wall.ask("POST", FLEET_PATHS[0])[0] == 307
    assert [str(request.url.host) for request in wall.seen] == ["coordinator"]


def test_request_is_passed_on_with_the_digests_of_both_bodies_in_the_ledger(wall: Wall) -> None:
    """What left and what came back are counted and hashed as they were."""
    assert wall.ask("POST", FLEET_PATHS[0], b"question", flwr_signature="s", x_other="o") == (200, b"answer")
    (request,) = wall.seen
    assert (request.content, request.headers["flwr-signature"]) == (b"question", "s")
    assert "x-other" not in request.headers
    (entry,) = read_ledger(wall.tmp_path / "egress.jsonl")
    assert (entry.kind, entry.status, entry.out_bytes, entry.in_bytes) == ("engine", 200, 8, 6)
    assert entry.out_sha256 == hashlib.sha256(b"question").hexdigest()
    assert entry.in_sha256 == hashlib.sha256(b"answer").hexdigest()


def test_study_stands_in_the_ledger_and_does_not_leave(wall: Wall) -> None:
    """The header that says which study a request is for is for the ledger."""
    wall.ask("GET", "/site/studies", x_myofed_local_token=TOKEN, x_myofed_study="thigh")
    assert not [name for name in wall.seen[0].headers if name.startswith("x-myofed")]
    assert [e.study for e in read_ledger(wall.tmp_path / "egress.jsonl")] == ["thigh"]


def test_unreachable_coordinator_is_503_and_noted_with_status_0(wall: Wall) -> None:
    """A SuperNode tries again on 503; the ledger says that nobody was reached."""

    def away(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("away")

    wall.answer = away
    status, body = wall.ask("POST", FLEET_PATHS[0], b"question")
    assert (status, code(body)) == (503, "COORDINATOR_UNREACHABLE")
    assert wall.entries() == [("engine", FLEET_PATHS[0], 0)]
    assert [e.out_bytes for e in read_ledger(wall.tmp_path / "egress.jsonl")] == [0]


def test_connection_lost_after_sending_is_noted_with_its_bytes(wall: Wall) -> None:
    """What may have been read by the other side counts as having left."""

    def lost(request: httpx.Request) -> httpx.Response:
        raise httpx.ReadError("lost")

    wall.answer = lost
    assert wall.ask("POST", FLEET_PATHS[0], b"question")[0] == 503
    assert [e.out_bytes for e in read_ledger(wall.tmp_path / "egress.jsonl")] == [8]


def test_request_under_way_when_the_node_stops_stands_in_the_ledger(wall: Wall) -> None:
    """A stopping server cancels what waits for an answer; its bytes have left all the same."""

    def cancelled(request: httpx.Request) -> httpx.Response:
        raise asyncio.CancelledError

    wall.answer = cancelled
    with pytest.raises(asyncio.CancelledError):
        wall.ask("POST", FLEET_PATHS[0], b"question")
    assert [(e.status, e.out_bytes) for e in read_ledger(wall.tmp_path / "egress.jsonl")] == [(0, 8)]


def test_nothing_leaves_that_cannot_be_noted(wall: Wall, monkeypatch: pytest.MonkeyPatch) -> None:
    """A broken ledger, and a full disk."""
    ledger = wall.tmp_path / "egress.jsonl"
    wall.ask("POST", FLEET_PATHS[0], b"question")
    whole = ledger.read_bytes()
    ledger.write_bytes(whole[:-20] + b"tampered with\n")
    status, body = wall.ask("POST", FLEET_PATHS[0], b"question")
    assert (status, code(body), len(wall.seen)) == (503, "LEDGER_UNUSABLE", 1)
    ledger.write_bytes(whole)
    monkeypatch.setattr("myofed_node.federation.ledger.ROOM_BYTES", 1 << 60)
    status, body = wall.ask("POST", FLEET_PATHS[0], b"question")
    assert (status, code(body), len(wall.seen)) == (503, "LEDGER_UNUSABLE", 1)


def test_answer_that_is_cut_or_endless_is_502(wall: Wall, monkeypatch: pytest.MonkeyPatch) -> None:
    """No part of an answer is handed on as the whole."""
    monkeypatch.setattr("myofed_node.federation.egress.ANSWER_BYTES", 3)
    assert ANSWER_BYTES > 3
    status, body = wall.ask("POST", FLEET_PATHS[0])
    assert (status, code(body)) == (502, "COORDINATOR_ANSWER_CUT")
    (entry,) = read_ledger(wall.tmp_path / "egress.jsonl")
    assert (entry.status, entry.in_bytes) == (200, 6)  # what came is noted, though it is not handed on
    assert entry.in_sha256 == hashlib.sha256(b"answer").hexdigest()
    assert wall.entries() == [("engine", FLEET_PATHS[0], 200)]


WEIGHTS = f"/site/weights/run-0123abcd/{'a' * 64}"
PIECE = {"x_myofed_local_token": TOKEN, "x_myofed_study": "thigh", "x_myofed_body": "file"}


class Carrier(FileCourier):
    """A courier whose line is one function."""

    def __init__(self, folder: Path, line: Callable[[Counted], FileAnswer]) -> None:
        super().__init__(lambda: pytest.fail("no connection"), folder)
        self._line = line

    def carry(self, outgoing: Outgoing, counted: Counted) -> FileAnswer:
        assert outgoing.piece == Piece(f"{'a' * 64}.out", 0, 4)
        return self._line(counted)


def sent(counted: Counted, status: int = 200) -> FileAnswer:
    counted.left(memoryview(b"piec"))
    counted.status = status
    counted.came(memoryview(b"state"))
    return FileAnswer(status, b"state")


def fails(error: type[Exception]) -> Callable[[Counted], FileAnswer]:
    def line(counted: Counted) -> FileAnswer:
        if error is CutError:
            counted.left(memoryview(b"pi"))
        raise error

    return line


def put_piece(wall: Wall, line: Callable[[Counted], FileAnswer]) -> tuple[int, bytes]:
    wall.carrier = Carrier(wall.tmp_path, line)
    return wall.ask("PUT", WEIGHTS, **{**PIECE, "content_range": "bytes 0-3/9"})


def test_body_beside_a_file_is_refused(wall: Wall) -> None:
    """One of them leaves, and which must not be open."""
    status, body = wall.ask("PUT", WEIGHTS, b"x", **{**PIECE, "content_range": "bytes 0-3/9"})
    assert (status, code(body)) == (403, "EGRESS_BODY")
    assert wall.entries() == [("refused", WEIGHTS, 0)]


@pytest.mark.parametrize(
    ("error", "status", "expected", "left"),
    [
        (NothingLeftError, 503, "COORDINATOR_UNREACHABLE", 0),
        (CutError, 502, "COORDINATOR_ANSWER_CUT", 2),
        (FileError, 500, "WEIGHTS_FILE", 0),
        (OffsetError, 409, "WEIGHTS_FILE", 0),
    ],
)
def test_piece_that_did_not_pass_is_a_code_and_noted_with_what_passed(
    wall: Wall, error: type[Exception], status: int, expected: str, left: int
) -> None:
    """The ledger has an entry for each try."""
    found, body = put_piece(wall, fails(error))
    assert (found, code(body)) == (status, expected)
    (entry,) = read_ledger(wall.tmp_path / "egress.jsonl")
    assert (entry.kind, entry.study, entry.out_bytes, entry.status) == ("site", "thigh", left, 0)


def test_piece_stands_in_the_ledger_with_both_digests(wall: Wall) -> None:
    """And in the capture of a demo, read from its file."""
    assert put_piece(wall, sent) == (200, b"state")
    wall.capture = wall.tmp_path / "capture"
    (wall.tmp_path / f"{'a' * 64}.out").write_bytes(b"pieces")
    put_piece(wall, sent)
    for entry in read_ledger(wall.tmp_path / "egress.jsonl"):
        assert (entry.method, entry.path, entry.out_bytes, entry.in_bytes) == ("PUT", WEIGHTS, 4, 5)
        assert entry.out_sha256 == hashlib.sha256(b"piec").hexdigest()
        assert entry.in_sha256 == hashlib.sha256(b"state").hexdigest()
    assert (wall.capture / "00000002.out").read_bytes() == b"piec"


def test_piece_under_way_when_the_node_stops_stands_in_the_ledger(wall: Wall) -> None:
    """It is told to end, and what left by then is noted."""
    began = threading.Event()

    def line(counted: Counted) -> FileAnswer:
        counted.left(memoryview(b"pi"))
        began.set()
        while True:
            counted.check()
            time.sleep(0.01)

    wall.carrier = Carrier(wall.tmp_path, line)

    async def stopped() -> None:
        headers = {**PIECE, "content_range": "bytes 0-3/9"}
        task = asyncio.ensure_future(call(wall.egress(), "PUT", WEIGHTS, b"", headers))
        await asyncio.to_thread(began.wait)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(stopped())
    assert [(e.status, e.out_bytes) for e in read_ledger(wall.tmp_path / "egress.jsonl")] == [(0, 2)]


def test_piece_does_not_leave_where_it_cannot_be_noted(wall: Wall, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk is full."""
    monkeypatch.setattr("myofed_node.federation.ledger.ROOM_BYTES", 1 << 60)
    status, body = put_piece(wall, lambda counted: pytest.fail("carried"))
    assert (status, code(body)) == (503, "LEDGER_UNUSABLE")


def test_bodies_are_captured_in_test_mode_only(wall: Wall) -> None:
    """With a capture folder, both bodies lie there under the entry's number; without, nowhere."""
    wall.ask("POST", FLEET_PATHS[0], b"question")
    assert [p.name for p in wall.tmp_path.iterdir()] == ["egress.jsonl"]
    wall.capture = wall.tmp_path / "capture"
    wall.ask("POST", FLEET_PATHS[0], b"question")
    assert (wall.capture / "00000002.out").read_bytes() == b"question"
    assert (wall.capture / "00000002.in").read_bytes() == b"answer"


def test_sender_that_goes_away_sends_nothing(wall: Wall) -> None:
    """A request that was never complete does not leave."""

    async def gone() -> None:
        async def receive() -> dict[str, Any]:
            return {"type": "http.disconnect"}

        async def send(message: dict[str, Any]) -> None:
            raise AssertionError(message)

        client = httpx.AsyncClient(base_url="https://c", transport=httpx.MockTransport(wall.answer))
        egress = Egress(
            client, EgressSettings(TOKEN, EgressLedger(wall.tmp_path / "e"), None, lambda: NOW, wall.courier)
        )
        path = FLEET_PATHS[0].encode()
        await egress({"type": "lifespan"}, receive, send)
        scope = {"type": "http", "method": "POST", "raw_path": path, "query_string": b"", "headers": []}
        await egress(scope, receive, send)

    asyncio.run(gone())
    assert not (wall.tmp_path / "e").exists()


@pytest.mark.parametrize(("answer", "told"), [(b"x" * 12, 0), (b"x" * 330, 1)])
def test_executor_is_told_of_a_message_and_of_nothing_else(tmp_path: Path, answer: bytes, told: int) -> None:
    """An empty answer to a poll is no message, and neither is any other answer."""
    wall, said = Wall(tmp_path, lambda request: httpx.Response(200, stream=httpx.ByteStream(answer))), []
    egress = wall.egress()
    egress._settings = replace(egress._settings, message_passed=lambda: said.append(1))
    for path in ("/v1/fleet/pull-messages", "/v1/fleet/pull-object"):
        asyncio.run(call(egress, "POST", path, b"", {}))
    assert len(said) == told
