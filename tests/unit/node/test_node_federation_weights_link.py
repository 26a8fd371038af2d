"""Weights in pieces through the egress, over a line that fails."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
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

    folder: Path
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

    def request(self, method: str, path: str, *, headers: Any = None) -> Response:
        self.time_s += self.slow_s
        self.asked.append((method, (headers or {}).get("range") or (headers or {}).get("content-range") or path))
        assert headers is None or headers["x-myofed-body"] == "file"
        body = self._body() if method == "PUT" else b""
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
            with (self.folder / f"{SHA}.in").open("ab") as stream:
                assert stream.tell() == first
                stream.write(CONTENT[first : last + 1])
            return Response(206, b"")
        if first != len(self.arrived):
            return refusal(409, "UPLOAD_OFFSET")
        self.arrived += body
        return self._state()

    def _body(self) -> bytes:
        first, last = (int(n) for n in re.findall(r"\d+", self.asked[-1][1])[:2])
        return (self.folder / f"{SHA}.out").read_bytes()[first : last + 1]

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
    return WeightsLink(line, line.folder, monotonic=lambda: line.time_s, sleep=line.sleep)  # type: ignore[arg-type]


def fetch(line: Line, *, sha256: str = SHA, timeout_s: float = 60.0) -> bytes:
    total = len(CONTENT)
    file = link(line).fetch(
        PATH.replace(SHA, sha256), sha256=sha256, total=total, study="thigh-muscles", timeout_s=timeout_s
    )
    return file.read_bytes()


def upload(line: Line) -> None:
    link(line).upload(PATH, CONTENT, study="thigh-muscles", timeout_s=60.0)


def test_other_bytes_than_the_message_names_are_refused(tmp_path: Path) -> None:
    """Whatever the coordinator sent; nothing of it stays."""
    line = Line(tmp_path)
    (tmp_path / f"{SHA}.in").write_bytes(bytes(len(CONTENT)))
    with pytest.raises(MyofedError) as caught:
        fetch(line)
    assert caught.value.code == "WEIGHTS_DIGEST"
    assert list(tmp_path.iterdir()) == []
    assert fetch(line) == CONTENT


def test_fetch_goes_on_after_a_kill_and_keeps_nothing_else(tmp_path: Path) -> None:
    """What came before stays, also of a whole file; another's weights and a file that is too long go."""
    (tmp_path / f"{SHA}.in").write_bytes(CONTENT[:1000])
    (tmp_path / f"{'1' * 64}.in").write_bytes(b"of another round")
    line = Line(tmp_path)
    assert fetch(line) == CONTENT
    assert line.asked[0] == ("GET", "bytes=1000-2023")
    assert [path.name for path in tmp_path.iterdir()] == [f"{SHA}.in"]
    asked = len(line.asked)
    assert (fetch(line), len(line.asked)) == (CONTENT, asked)
    (tmp_path / f"{SHA}.in").write_bytes(CONTENT + b"x")
    assert fetch(line) == CONTENT


@pytest.mark.parametrize(
    ("answer", "code"), [(refusal(404, "RUN_UNKNOWN"), "RUN_UNKNOWN"), (Response(206, b"short"), "HTTP_206")]
)
def test_refusal_ends_a_fetch_at_once(tmp_path: Path, answer: Response, code: str) -> None:
    """No second try where the answer will be the same."""
    line = Line(tmp_path, fault=lambda number: answer)
    with pytest.raises(MyofedError) as caught:
        fetch(line)
    assert (caught.value.code, len(line.asked)) == (code, 1)


def test_pieces_grow_while_they_are_fast_and_shrink_while_they_are_slow(tmp_path: Path) -> None:
    """Twice as long each time up to the limit; half as long down to another."""
    assert fetch(line := Line(tmp_path)) == CONTENT
    assert [text for _, text in line.asked][:3] == ["bytes=0-1023", "bytes=1024-3071", "bytes=3072-7167"]
    line = Line(tmp_path / "slow", slow_s=10.0)
    assert fetch(line, timeout_s=1e6) == CONTENT
    assert [text for _, text in line.asked][:3] == ["bytes=0-1023", "bytes=1024-1535", "bytes=1536-1791"]


def test_fetch_goes_on_where_the_line_was_cut(tmp_path: Path) -> None:
    """Nothing that came is fetched again."""
    line = Line(tmp_path, fault=lambda number: "COORDINATOR_ANSWER_CUT" if number == 3 else None)
    assert fetch(line) == CONTENT
    assert [text for _, text in line.asked][2:4] == ["bytes=3072-7167", "bytes=3072-5119"]


def test_upload_asks_how_much_came_and_goes_on_from_there(tmp_path: Path) -> None:
    """A piece that came in part is not sent again from its beginning."""
    line = Line(tmp_path, fault=lambda number: "COORDINATOR_UNREACHABLE" if number == 2 else None, keeps=100)
    upload(line)
    assert bytes(line.arrived) == CONTENT
    assert line.asked[2] == ("GET", f"{PATH}/offset")
    assert line.asked[3][1].startswith("bytes 1124-")


def test_upload_that_is_out_of_step_asks_and_goes_on(tmp_path: Path) -> None:
    """409 is no end: another try of ours may have come further."""
    line = Line(tmp_path, arrived=bytearray(CONTENT[:500]))
    upload(line)
    assert bytes(line.arrived) == CONTENT


def test_line_that_stays_dead_ends_with_the_rounds_time(tmp_path: Path) -> None:
    """No try is begun that could only end too late."""
    line = Line(tmp_path, fault=lambda number: "NODE_NOT_RUNNING")
    with pytest.raises(MyofedError) as caught:
        fetch(line)
    assert caught.value.code == "WEIGHTS_TRANSFER_TIMEOUT"
    assert line.time_s < 60


@pytest.mark.parametrize(
    ("answer", "code"), [(refusal(413, "WEIGHTS_SIZE"), "WEIGHTS_SIZE"), (Response(200, b"{}"), "REPLY_INVALID")]
)
def test_refused_upload_ends_with_the_coordinators_code(tmp_path: Path, answer: Response, code: str) -> None:
    """Also an answer that is none."""
    with pytest.raises(MyofedError) as caught:
        upload(Line(tmp_path, fault=lambda number: answer))
    assert caught.value.code == code


def test_upload_under_way_ends_where_nothing_more_may_leave(tmp_path: Path) -> None:
    """It is asked before every piece, not once."""
    asked, line = [], Line(tmp_path)

    def going() -> None:
        asked.append(1)
        if len(asked) > 2:
            raise MyofedError("TRAINING_STOPPED", "the switch")

    with pytest.raises(MyofedError) as caught:
        link(line).upload(PATH, CONTENT, study="thigh-muscles", timeout_s=60.0, going=going)
    assert caught.value.code == "TRAINING_STOPPED"
    assert len(line.asked) == 2
    assert 0 < len(line.arrived) < len(CONTENT)


def test_other_failures_of_the_egress_are_not_tried_again(tmp_path: Path) -> None:
    """Only what passes by itself."""
    with pytest.raises(MyofedError) as caught:
        upload(Line(tmp_path, fault=lambda number: "EGRESS_PATH"))
    assert caught.value.code == "EGRESS_PATH"


@pytest.mark.parametrize("way", [fetch, upload], ids=["fetch", "upload"])
def test_line_that_is_only_slow_ends_with_the_rounds_time_as_well(
    tmp_path: Path, way: Callable[[Line], object]
) -> None:
    """Every piece arrives; the node is not held longer than the round."""
    line = Line(tmp_path, slow_s=25.0)
    with pytest.raises(MyofedError) as caught:
        way(line)
    assert caught.value.code == "WEIGHTS_TRANSFER_TIMEOUT"
    assert line.time_s <= 60 + 25


def test_update_in_a_file_moves_into_its_place_and_is_gone_afterwards(tmp_path: Path) -> None:
    """Nothing of 100 MB is copied for it."""
    line, trained = Line(tmp_path), tmp_path / "x.trained"
    trained.write_bytes(CONTENT)
    link(line).upload(PATH, trained, study="thigh-muscles", timeout_s=60.0)
    assert bytes(line.arrived) == CONTENT
    assert list(tmp_path.iterdir()) == []


def test_next_transfer_begins_with_the_length_that_the_last_one_the_same_way_came_to(tmp_path: Path) -> None:
    """A fast line has fewer requests from the second round on; a slow way back begins as carefully as before."""
    line = Line(tmp_path)
    both = link(line)
    for _ in range(2):
        both.fetch(PATH, sha256=SHA, total=len(CONTENT), study="thigh-muscles", timeout_s=60.0).unlink()
    line.slow_s = 30.0
    for _ in range(2):
        line.arrived.clear()
        both.upload(PATH, CONTENT, study="thigh-muscles", timeout_s=6000.0)
    firsts = [said for _, said in line.asked if said.startswith(("bytes=0-", "bytes 0-"))]
    assert firsts == ["bytes=0-1023", "bytes=0-4095", f"bytes 0-1023/{len(CONTENT)}", f"bytes 0-255/{len(CONTENT)}"]
