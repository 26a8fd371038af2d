"""Weights in pieces through the egress, over a line that fails."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from myofed_node.federation import weights_link
from myofed_node.federation.egress_client import Response
from myofed_node.federation.weights_link import WeightsLink
from myofed_schemas.errors import ErrorBody, MyofedError
from myofed_schemas.weights_transfer import UploadState

CONTENT = bytes(range(256)) * 40
SHA = hashlib.sha256(CONTENT).hexdigest()
PATH = f"/site/weights/run-0123abcd/{SHA}"
Fault = Callable[[int], Response | str | None]


@dataclass
class Line:
    """The egress and the coordinator behind it; `fault` says what goes wrong with request number n."""

    fault: Fault = lambda number: None
    arrived: bytearray = field(default_factory=bytearray)
    keeps: int = 0
    asked: list[tuple[str, str]] = field(default_factory=list)
    time_s: float = 0.0
    slow_s: float = 0.1

    @contextmanager
    def session(self, *, study: str) -> Iterator[Line]:
        assert study == "thigh-muscles"
        yield self

    def request(self, method: str, path: str, *, body: bytes = b"", headers: Any = None) -> Response:
        self.time_s += self.slow_s
        self.asked.append((method, (headers or {}).get("range") or (headers or {}).get("content-range") or path))
        wrong = self.fault(len(self.asked))
        if isinstance(wrong, str):
            self.arrived += body[: self.keeps]
            raise MyofedError(wrong, "the line")
        if wrong is not None:
            return wrong
        if method == "GET" and path.endswith("/offset"):
            return self._state()
        first, last = (int(n) for n in re.findall(r"\d+", self.asked[-1][1])[:2])
        if method == "GET":
            return Response(206, CONTENT[first : last + 1])
        if first != len(self.arrived):
            return refusal(409, "UPLOAD_OFFSET")
        self.arrived += body
        return self._state()

    def sleep(self, seconds: float) -> None:
        self.time_s += seconds

    def _state(self) -> Response:
        state = UploadState(offset=len(self.arrived), complete=len(self.arrived) == len(CONTENT))
        return Response(200, state.model_dump_json().encode())


def refusal(status: int, code: str) -> Response:
    return Response(status, ErrorBody(code=code).model_dump_json().encode())


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("FIRST_PIECE_BYTES", 1024), ("SMALLEST_PIECE_BYTES", 256), ("PIECE_BYTES", 4096)):
        monkeypatch.setattr(weights_link, name, value)


def link(line: Line) -> WeightsLink:
    return WeightsLink(line, monotonic=lambda: line.time_s, sleep=line.sleep)  # type: ignore[arg-type]


def fetch(line: Line, *, sha256: str = SHA, timeout_s: float = 60.0) -> bytes:
    total = len(CONTENT)
    return link(line).fetch(PATH, sha256=sha256, total=total, study="thigh-muscles", timeout_s=timeout_s)


def upload(line: Line) -> None:
    link(line).upload(PATH, CONTENT, study="thigh-muscles", timeout_s=60.0)


def test_other_bytes_than_the_message_names_are_refused() -> None:
    """Whatever the coordinator sent."""
    with pytest.raises(MyofedError) as caught:
        fetch(Line(), sha256="0" * 64)
    assert caught.value.code == "WEIGHTS_DIGEST"


@pytest.mark.parametrize(
    ("answer", "code"), [(refusal(404, "RUN_UNKNOWN"), "RUN_UNKNOWN"), (Response(206, b"short"), "HTTP_206")]
)
def test_refusal_ends_a_fetch_at_once(answer: Response, code: str) -> None:
    """No second try where the answer will be the same."""
    line = Line(fault=lambda number: answer)
    with pytest.raises(MyofedError) as caught:
        fetch(line)
    assert (caught.value.code, len(line.asked)) == (code, 1)


def test_pieces_grow_while_they_are_fast_and_shrink_while_they_are_slow() -> None:
    """Twice as long each time up to the limit; half as long down to another."""
    assert fetch(line := Line()) == CONTENT
    assert [text for _, text in line.asked][:3] == ["bytes=0-1023", "bytes=1024-3071", "bytes=3072-7167"]
    assert fetch(line := Line(slow_s=10.0), timeout_s=1e6) == CONTENT
    assert [text for _, text in line.asked][:3] == ["bytes=0-1023", "bytes=1024-1535", "bytes=1536-1791"]


def test_fetch_goes_on_where_the_line_was_cut() -> None:
    """Nothing that came is fetched again."""
    line = Line(fault=lambda number: "COORDINATOR_ANSWER_CUT" if number == 3 else None)
    assert fetch(line) == CONTENT
    assert [text for _, text in line.asked][2:4] == ["bytes=3072-7167", "bytes=3072-5119"]


def test_upload_asks_how_much_came_and_goes_on_from_there() -> None:
    """A piece that came in part is not sent again from its beginning."""
    line = Line(fault=lambda number: "COORDINATOR_UNREACHABLE" if number == 2 else None, keeps=100)
    upload(line)
    assert bytes(line.arrived) == CONTENT
    assert line.asked[2] == ("GET", f"{PATH}/offset")
    assert line.asked[3][1].startswith("bytes 1124-")


def test_upload_that_is_out_of_step_asks_and_goes_on() -> None:
    """409 is no end: another try of ours may have come further."""
    line = Line(arrived=bytearray(CONTENT[:500]))
    upload(line)
    assert bytes(line.arrived) == CONTENT


def test_line_that_stays_dead_ends_with_the_rounds_time() -> None:
    """No try is begun that could only end too late."""
    line = Line(fault=lambda number: "NODE_NOT_RUNNING")
    with pytest.raises(MyofedError) as caught:
        fetch(line)
    assert caught.value.code == "WEIGHTS_TRANSFER_TIMEOUT"
    assert line.time_s < 60


@pytest.mark.parametrize(
    ("answer", "code"), [(refusal(413, "WEIGHTS_SIZE"), "WEIGHTS_SIZE"), (Response(200, b"{}"), "REPLY_INVALID")]
)
def test_refused_upload_ends_with_the_coordinators_code(answer: Response, code: str) -> None:
    """Also an answer that is none."""
    with pytest.raises(MyofedError) as caught:
        upload(Line(fault=lambda number: answer))
    assert caught.value.code == code


def test_upload_under_way_ends_where_nothing_more_may_leave() -> None:
    """It is asked before every piece, not once."""
    asked, line = [], Line()

    def going() -> None:
        asked.append(1)
        if len(asked) > 2:
            raise MyofedError("TRAINING_STOPPED", "the switch")

    with pytest.raises(MyofedError) as caught:
        link(line).upload(PATH, CONTENT, study="thigh-muscles", timeout_s=60.0, going=going)
    assert caught.value.code == "TRAINING_STOPPED"
    assert len(line.asked) == 2
    assert 0 < len(line.arrived) < len(CONTENT)


def test_other_failures_of_the_egress_are_not_tried_again() -> None:
    """Only what passes by itself."""
    with pytest.raises(MyofedError) as caught:
        upload(Line(fault=lambda number: "EGRESS_PATH"))
    assert caught.value.code == "EGRESS_PATH"


@pytest.mark.parametrize("way", [fetch, upload], ids=["fetch", "upload"])
def test_line_that_is_only_slow_ends_with_the_rounds_time_as_well(way: Callable[[Line], object]) -> None:
    """Every piece arrives; the node is not held longer than the round."""
    line = Line(slow_s=25.0)
    with pytest.raises(MyofedError) as caught:
        way(line)
    assert caught.value.code == "WEIGHTS_TRANSFER_TIMEOUT"
    assert line.time_s <= 60 + 25
