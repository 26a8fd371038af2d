"""The round loop's engine over Flower's Grid."""

from __future__ import annotations

import hashlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from flwr.app import Array, ArrayRecord, ConfigRecord, MetricRecord, RecordDict
from flwr.supercore.task_identity import TaskIdentity
from safetensors.numpy import load, save
from wall_examples import SPEC, make_run, metrics, tensors

from myofed_coordinator.federation.engine import Reply, Task
from myofed_coordinator.federation.grid_engine import GridEngine
from myofed_coordinator.federation.idle import IdleNodes
from myofed_coordinator.federation.weights import pack
from myofed_coordinator.federation.weights_transit import WeightsTransit, append
from myofed_coordinator.runs.folder import RunFolder, RunSites
from myofed_schemas.federation import INLINE_BYTES, Instruction
from myofed_schemas.study_options import Transport
from myofed_schemas.weights_transfer import MAX_HEADER_BYTES, largest_weights

INSTRUCTION = Instruction(
    kind="train",
    study_id="thigh-muscles",
    manifest_digest="0" * 64,
    run_id="run-0123abcd",
    round=2,
    weights_sha256="0" * 64,
)


class FakeGrid:
    """Flower's Grid as far as it is used."""

    def __init__(self) -> None:
        self.pushed: list[Any] = []
        self.pulled: list[tuple[list[str], int]] = []
        self.waiting: list[Any] = []

    def get_nodes(self) -> list[Any]:
        return [SimpleNamespace(public_key=b"key of a", node_id=7)]

    def push_messages(self, messages: Any) -> list[str]:
        self.pushed += messages
        return [f"m{number}" for number, _ in enumerate(self.pushed)]

    def pull(self, tickets: Any, *, most_bytes: int) -> Any:
        """In place of `ReplyPull`, which has its own tests."""
        self.pulled.append((list(tickets), most_bytes))
        for waiting in [m for m in self.waiting if _ticket(m) in tickets]:
            self.waiting.remove(waiting)
            yield _ticket(waiting), waiting


def _ticket(message: Any) -> str:
    return str(message.metadata.reply_to_message_id)


@pytest.fixture
def grid(monkeypatch: pytest.MonkeyPatch) -> FakeGrid:
    for name in ("_task_id", "_run_id", "_node_id"):
        monkeypatch.setattr(TaskIdentity, name, 1)
    return FakeGrid()


def engine(grid: FakeGrid, told: list[int] | None = None) -> GridEngine:
    said = told if told is not None else []
    return GridEngine(grid, announce=lambda: said.append(len(grid.pushed)), pull=grid.pull)  # type: ignore[arg-type]


def reply(content: RecordDict | None, *, error: tuple[int, str | None] | None = None) -> Any:
    return SimpleNamespace(
        metadata=SimpleNamespace(reply_to_message_id="m0"),
        content=content,
        has_error=lambda: error is not None,
        error=SimpleNamespace(code=error[0], reason=error[1]) if error else None,
    )


def result(**scalars: Any) -> RecordDict:
    return RecordDict({"result": ConfigRecord({"metrics": metrics().model_dump_json(), **scalars})})


def answer(grid: FakeGrid, waiting: Any) -> Reply:
    grid.waiting = [waiting]
    (came,) = engine(grid).replies(["m0"])
    return came


ERRORS = [
    ((2, "NOT_APPROVED"), "NOT_APPROVED"),
    ((2, "<class 'ValueError'>:<'a patient's name'>"), "SITE_FAILED"),
    ((2, None), "SITE_FAILED"),
    ((2, "A" * 65), "SITE_FAILED"),
    ((3, "expired"), "SITE_TIMEOUT"),
    ((5, "Node Unavailable"), "SITE_UNAVAILABLE"),
    ((8, "x"), "EXECUTOR_LOST"),
    ((99, "OK"), "ENGINE_ERROR"),
]


@pytest.mark.parametrize(("error", "code"), ERRORS)
def test_error_becomes_one_code_and_no_text_of_a_site(grid: FakeGrid, error: tuple[int, str | None], code: str) -> None:
    """What a site writes is taken over only where it is a code."""
    assert answer(grid, reply(None, error=error)) == Reply("m0", code)


HEADERS = {
    "a shape of a petabyte": b"{'descr': '|u1', 'fortran_order': False, 'shape': (1000000000000000,), }",
    "a header never closed": b"((",
    "a header too deep": b"-" * 9000 + b"1",
}
"""Of numpy's own format, whose reader believes them."""


def npy(header: bytes) -> Array:
    content = b"\x93NUMPY\x01\x00" + (len(header) + 1).to_bytes(2, "little") + header + b"\n"
    return Array("uint8", (3,), "numpy.ndarray", content)


INVALID = {
    "nothing": RecordDict(),
    "metrics of another kind": RecordDict({"result": MetricRecord({"examples": 1})}),
    "no metrics": RecordDict({"result": ConfigRecord({})}),
    "metrics that are no JSON": RecordDict({"result": ConfigRecord({"metrics": "{"})}),
    "a field more": RecordDict({"result": ConfigRecord({"metrics": '{"patient":"x"}'})}),
    "endless metrics": RecordDict({"result": ConfigRecord({"metrics": " " * (65 << 10)})}),
    "text as weights": result(packed="text"),
    "floats as weights": RecordDict({**result(), "weights": ArrayRecord({"packed": Array(np.zeros(2))})}),
    "two arrays": RecordDict({**result(), "weights": ArrayRecord({"a": Array(np.zeros(2, np.uint8))})}),
    "a pickle": RecordDict(
        {**result(), "weights": ArrayRecord({"packed": Array("uint8", (3,), "numpy.ndarray", b"\x80\x04K\x01.")})}
    ),
    **{why: RecordDict({**result(), "weights": ArrayRecord({"packed": npy(HEADERS[why])})}) for why in HEADERS},
}


@pytest.mark.parametrize("why", INVALID)
def test_reply_of_another_form_is_one_code(grid: FakeGrid, why: str) -> None:
    """A site cannot stop the round by the form of its answer."""
    assert answer(grid, reply(INVALID[why])) == Reply("m0", "REPLY_INVALID")


def test_reply_has_its_weights_and_metrics(grid: FakeGrid) -> None:
    """As a scalar, as an array, or none at all."""
    array = ArrayRecord({"packed": Array(np.frombuffer(b"large", np.uint8))})
    assert answer(grid, reply(result(packed=b"small"))) == Reply("m0", "OK", b"small", metrics())
    assert answer(grid, reply(RecordDict({**result(), "weights": array}))) == Reply("m0", "OK", b"large", metrics())
    assert answer(grid, reply(result())) == Reply("m0", "OK", b"", metrics())


@pytest.mark.parametrize("size", [5, INLINE_BYTES + 1])
def test_task_is_one_message_a_node_and_the_nodes_are_told_after_it_was_sent(grid: FakeGrid, size: int) -> None:
    """Small weights travel as a scalar, large ones as one array; the timeout is the message's time to live."""
    told: list[int] = []
    task = Task(INSTRUCTION, bytes(size), 30.0)
    assert engine(grid, told).send([(7, task), (8, task)]) == ["m0", "m1"]
    assert told == [2]
    message = grid.pushed[0]
    scalars = dict(message.content["task"])
    packed = scalars.pop("packed", None)
    assert Instruction.model_validate(scalars) == INSTRUCTION
    assert (packed is None) == (size > INLINE_BYTES) == ("weights" in message.content)
    assert (message.metadata.dst_node_id, message.metadata.ttl) == (7, 30.0)
    assert (message.metadata.message_type, message.metadata.group_id) == ("train", "2")


def test_reply_may_be_as_large_as_the_studys_weights(grid: FakeGrid, tmp_path: Path) -> None:
    """By reference it carries none."""
    it = engine(grid)
    it.send([(7, Task(INSTRUCTION, bytes(6), 30.0))])
    assert list(it.replies(["m0", "m1"])) == []
    assert grid.pulled == [(["m0", "m1"], 6 + MAX_HEADER_BYTES)]
    for transport, most in ((Transport(by="reference"), 0), (Transport(), largest_weights(SPEC))):
        grid.pushed = []
        it, _ = started(grid, tmp_path / str(most), transport)
        assert list(it.replies(["m0"])) == []
        assert grid.pulled[-1] == (["m0"], most)


def test_code_in_place_of_a_reply_is_that_sites_error(grid: FakeGrid) -> None:
    """What came beside it is read as ever."""

    def pull(tickets: Any, *, most_bytes: int) -> Any:
        yield "m1", "REPLY_TOO_LARGE"
        yield "m0", reply(result())

    it = GridEngine(grid, announce=lambda: None, pull=pull)  # type: ignore[arg-type]
    assert list(it.replies(["m0", "m1"])) == [Reply("m1", "REPLY_TOO_LARGE"), Reply("m0", "OK", b"", metrics())]


def test_nodes_are_known_by_the_digest_of_their_keys(grid: FakeGrid) -> None:
    """A name can be given twice, a key cannot."""
    assert engine(grid).online() == {hashlib.sha256(b"key of a").hexdigest(): 7}


KEY = hashlib.sha256(b"key of a").hexdigest()


def started(grid: FakeGrid, tmp_path: Path, transport: Transport) -> tuple[GridEngine, RunFolder]:
    """An engine that has asked the node of hospital-a, with weights of 1."""
    run = make_run(tmp_path, transport=transport)
    run.write_sites(RunSites(node_keys={"hospital-a": KEY}))
    it = GridEngine(grid, announce=lambda: None, runs=tmp_path, pull=grid.pull)  # type: ignore[arg-type]
    node = it.online()[KEY]
    packed = pack(tensors(1.0))
    digest = hashlib.sha256(packed).hexdigest()
    task = Task(INSTRUCTION.model_copy(update={"weights_sha256": digest}), packed, 30.0)
    assert it.send([(node, task)]) == ["m0"]
    return it, run


def uploaded(run: RunFolder, content: bytes, *, site: str = "hospital-a") -> str:
    digest = hashlib.sha256(content).hexdigest()
    transit = WeightsTransit(run)
    append(transit.begin(site, digest), content, at=0)
    transit.finish(site, digest)
    return digest


def test_message_by_reference_names_the_weights_and_does_not_carry_them(grid: FakeGrid, tmp_path: Path) -> None:
    """The bytes lie in the run's folder before the message leaves."""
    _, run = started(grid, tmp_path, Transport(by="reference"))
    scalars = dict(grid.pushed[0].content["task"])
    offered = WeightsTransit(run).offered(str(scalars["weights_sha256"])).read_bytes()
    assert offered == pack(tensors(1.0))
    assert scalars.pop("reference_bytes") == len(offered)
    assert Instruction.model_validate(scalars).weights_sha256 == hashlib.sha256(offered).hexdigest()
    assert set(grid.pushed[0].content) == {"task"}


def test_reply_by_reference_brings_the_sites_own_upload(grid: FakeGrid, tmp_path: Path) -> None:
    """Another site's, or none, is a code of this site."""
    it, run = started(grid, tmp_path, Transport(by="reference"))
    update = pack(tensors(2.0))
    for digest, came in (
        ("0" * 64, Reply("m0", "WEIGHTS_NOT_UPLOADED")),
        (uploaded(run, b"of another", site="hospital-b"), Reply("m0", "WEIGHTS_NOT_UPLOADED")),
        ("../../x", Reply("m0", "REPLY_INVALID")),
    ):
        grid.waiting = [reply(result(reference_sha256=digest))]
        assert list(it.replies(["m0"])) == [came]
    grid.waiting = [reply(result(reference_sha256=uploaded(run, update)))]
    (found,) = it.replies(["m0"])
    assert found.file is not None
    assert (found.code, bytes(found.packed), found.file.read_bytes()) == ("OK", update, update)


def test_reference_in_a_run_that_has_none_is_refused(grid: FakeGrid, tmp_path: Path) -> None:
    """The manifest decides how weights move, not the site."""
    it, run = started(grid, tmp_path, Transport())
    grid.waiting = [reply(result(reference_sha256=uploaded(run, b"x")))]
    assert list(it.replies(["m0"])) == [Reply("m0", "REPLY_INVALID")]


def test_encoded_update_is_read_with_what_went_out(grid: FakeGrid, tmp_path: Path) -> None:
    """delta-int8 on weights of 1: two steps of a half are one more; malformed bytes are a code."""
    it, _ = started(grid, tmp_path, Transport(encoding="delta-int8"))
    sent = {"net.weight": np.full((2, 3), 2, np.int8), "net.steps": np.array([1])}
    grid.waiting = [reply(result(packed=save({**sent, "#scales": np.array([0.5], np.float32)})))]
    (came,) = it.replies(["m0"])
    assert np.array_equal(load(came.packed)["net.weight"], np.full((2, 3), 2.0, np.float32))
    grid.waiting = [reply(result(packed=save(sent)))]
    assert list(it.replies(["m0"])) == [Reply("m0", "WEIGHTS_KEYS")]


def test_message_whose_node_found_no_work_after_it_was_sent_is_lost(grid: FakeGrid, tmp_path: Path) -> None:
    """Not before, not where another node is idle, and not where the reply is there after all."""
    idle = IdleNodes(tmp_path / "idle")
    it = GridEngine(grid, announce=lambda: None, pull=grid.pull, idle=idle, clock_ns=lambda: 1000)  # type: ignore[arg-type]
    key, node = next(iter(it.online().items()))
    task = Task(INSTRUCTION, pack(tensors(1.0)), 30.0)
    assert it.send([(node, task)]) == ["m0"]
    assert list(it.replies(["m0", "of-an-earlier-run"])) == []
    idle.found_nothing("ab" * 32, asked_ns=2000)
    idle.found_nothing(key, asked_ns=1000)
    assert list(it.replies(["m0"])) == []
    idle.found_nothing(key, asked_ns=1001)
    assert list(it.replies(["m0"])) == [Reply("m0", "MESSAGE_LOST")]
    grid.waiting = [reply(None, error=(2, "NOT_APPROVED"))]
    assert list(it.replies(["m0"])) == [Reply("m0", "NOT_APPROVED")]
