"""The warm worker answers with codes, goes on after a failure, and holds no network."""

from __future__ import annotations

import json
import logging
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import nibabel as nib
import pytest
import torch
from learning_factories import initial, manifest, stripes
from test_node_learning_data import write_subject

from myofed_node.learning import worker as worker_module
from myofed_node.learning.data import SubjectCache
from myofed_node.learning.input_store import InputStore
from myofed_node.learning.network import Isolation, find_isolation, without_network
from myofed_node.learning.protocol import EvaluateRequest, Roles, TrainRequest, read_frame, write_frame
from myofed_node.learning.subjects import Slices
from myofed_node.learning.weights import check
from myofed_node.learning.worker import Worker, listen, main, serve, serve_one
from myofed_node.learning.worker_client import call, ping
from myofed_schemas.errors import MyofedError
from myofed_schemas.study import StudyManifest

SECRET = "value-of-an-element"
ROLES = Roles(train=("a", "b"), validation=("c",))


class Subjects(SubjectCache):
    """Subjects out of thin air; `broken` raises what nobody foresaw, with a secret in its text."""

    def read(
        self, dataset: Path, subjects: Sequence[str], *, manifest: StudyManifest, labels: object = None
    ) -> list[Slices]:
        if "broken" in subjects:
            raise RuntimeError(SECRET)
        return [stripes(seed=ord(name[0])) for name in subjects]


@contextmanager
def running(tmp_path: Path, cache: SubjectCache | None = None) -> Iterator[Path]:
    """A worker in threads of this process, with made-up subjects where no others are given."""
    path = tmp_path / "worker.sock"
    listener = listen(path)
    worker = Worker(device=torch.device("cpu"), threads=1, cache=cache or Subjects())
    threading.Thread(target=serve, args=(listener, worker), daemon=True).start()
    try:
        yield path
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def train_request(*, number: int = 1, subjects: Roles = ROLES, **changes: object) -> TrainRequest:
    return TrainRequest(manifest=manifest(**changes), dataset="/nowhere", subjects=subjects, round=number)


def test_unforeseen_error_reaches_the_caller_as_one_code(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Neither the reply nor the log holds the exception's text; the log says type and line."""
    with running(tmp_path) as path, pytest.raises(MyofedError) as refusal:
        call(path, train_request(subjects=Roles(train=("broken",))), initial(), timeout_s=30)
    assert refusal.value.code == "INTERNAL_ERROR"
    log = capfd.readouterr().err
    assert SECRET not in log + str(refusal.value)
    assert "RuntimeError test_node_learning_worker.py:" in log


def test_refused_weights_reach_the_caller_as_their_code_and_the_worker_goes_on(tmp_path: Path) -> None:
    """One bad task does not end the process: the next is done."""
    with running(tmp_path) as path:
        with pytest.raises(MyofedError) as refusal:
            call(path, train_request(), b"x" * 30, timeout_s=30)
        assert refusal.value.code == "WEIGHTS_FORMAT"
        reply, weights = call(path, train_request(), initial(), timeout_s=30)
    assert reply.metrics is not None
    assert reply.metrics.steps == 4
    assert weights != initial()
    check(weights, manifest().state_dict)


@pytest.mark.parametrize(
    "garbage", [b"", b"GET / HTTP/1.1\r\n\r\n", b"MYF1" + b"\xff" * 12, b"MYF1\0\0\0\2" + b"\0" * 8 + b"{}"]
)
def test_garbage_is_answered_with_a_code(tmp_path: Path, garbage: bytes) -> None:
    """A caller that does not speak the protocol gets a code and the door stays open."""
    with running(tmp_path) as path:
        with socket.socket(socket.AF_UNIX) as peer:
            peer.connect(str(path))
            peer.sendall(garbage)
            peer.shutdown(socket.SHUT_WR)
            text, blob = read_frame(peer)
        assert json.loads(text)["code"] in {"FRAME_CUT", "FRAME_FORMAT", "FRAME_TOO_LARGE", "REQUEST_INVALID"}
        assert blob == b""
        assert ping(path).busy is False


def test_same_task_gives_the_same_bytes_twice(tmp_path: Path) -> None:
    """A warm worker keeps nothing from task to task that changes a result."""
    with running(tmp_path) as path:
        first, second = (call(path, train_request(number=2), initial(), timeout_s=30) for _ in range(2))
    assert first == second


def test_evaluation_returns_sums_over_subjects(tmp_path: Path) -> None:
    """Two subjects, two muscles, no weights back."""
    request = EvaluateRequest(manifest=manifest(), dataset="/nowhere", subjects=("a", "b"))
    with running(tmp_path) as path:
        reply, blob = call(path, request, initial(), timeout_s=30)
    assert [(s.muscle, s.subjects) for s in reply.scores] == [("VL", 2), ("GR", 2)]
    assert blob == b""


def test_task_of_a_caller_that_hung_up_is_abandoned_and_ping_is_answered_meanwhile(tmp_path: Path) -> None:
    """A long task holds the turn; when its caller dies the next step ends it."""
    with running(tmp_path) as path:
        endless = train_request(training={"local_steps": 1000})
        with pytest.raises(MyofedError) as refusal:
            call(path, endless, initial(), timeout_s=0.3)
        assert refusal.value.code == "WORKER_TIMEOUT"
        deadline = time.monotonic() + 20
        while ping(path).busy:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        reply, _ = call(path, train_request(), initial(), timeout_s=30)
        assert reply.code == "OK"


def test_socket_is_for_the_owner_only(tmp_path: Path) -> None:
    """Mode 0600, whatever the umask."""
    before = os.umask(0)
    try:
        with listen(tmp_path / "s"):
            assert stat.S_IMODE((tmp_path / "s").stat().st_mode) == 0o600
    finally:
        os.umask(before)


def test_second_worker_on_one_socket_is_refused_and_a_dead_ones_socket_is_replaced(tmp_path: Path) -> None:
    """A running worker keeps its door; a killed one left only a name."""
    path = tmp_path / "s"
    first = listen(path)
    with pytest.raises(MyofedError) as refusal:
        listen(path)
    assert refusal.value.code == "WORKER_RUNNING"
    first.close()
    listen(path).close()


def test_start_with_an_impossible_socket_ends_with_a_code(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """The exit code says that the site folder is at fault, the log says which code; the imaging library then logs nothing."""
    level = nib.imageglobals.logger.level
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        assert main(["--socket", str(tmp_path / ("x" * 120))]) == 13
        assert not nib.imageglobals.logger.isEnabledFor(logging.CRITICAL)
    finally:
        nib.imageglobals.logger.setLevel(level)
        for number, handler in handlers.items():
            signal.signal(number, handler)
    assert "SOCKET_PATH_TOO_LONG" in capfd.readouterr().err


@pytest.mark.functional
@pytest.mark.slow
@pytest.mark.skipif(find_isolation() is Isolation.NONE, reason="this host allows no network namespace")
def test_worker_process_has_no_network_and_ends_on_sigterm(tmp_path: Path) -> None:
    """The real process, started as a node starts it: says that it sees no network, refuses a missing data set, ends with 0."""
    path = tmp_path / "worker.sock"
    argv = [sys.executable, "-m", "myofed_node.learning.worker", "--socket", str(path)]
    command = without_network(argv, isolation=find_isolation())
    with subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"}
    ) as child:
        try:
            assert child.stderr is not None
            assert "WORKER_READY" in child.stderr.readline()
            assert ping(path).network == "none"
            with pytest.raises(MyofedError) as refusal:
                call(path, train_request(), initial(), timeout_s=30)
            assert refusal.value.code == "TOO_FEW_USABLE_SUBJECTS"
        finally:
            child.send_signal(signal.SIGTERM)
        assert child.wait(timeout=20) == 0


def test_damaged_subject_is_counted_in_the_reply_and_written_down_for_the_site(tmp_path: Path) -> None:
    """Over the real socket: the round goes on without it, or is refused where too few are left, and then says so as well."""
    dataset, record = tmp_path / "dataset", tmp_path / "exclusions.json"
    for seed, name in enumerate(("p1", "p2", "p3")):
        write_subject(dataset, name, seed=seed)
    next((dataset / "sub-p1").rglob("*.nii.gz")).write_bytes(b"no image")
    store = InputStore(tmp_path / "cache" / "inputs")
    roles = Roles(train=("p1", "p2"), validation=("p3",))
    request = TrainRequest(manifest=manifest(), dataset=str(dataset), subjects=roles, round=1, exclusions=str(record))
    with running(tmp_path, SubjectCache(store=store)) as path:
        reply, _ = call(path, request, initial(), timeout_s=30)
        assert [(c.code, c.subjects) for c in reply.exclusions] == [("IMAGE_UNREADABLE", 1)]
        record.unlink()
        with pytest.raises(MyofedError) as refusal:
            call(path, request.model_copy(update={"min_usable": 3}), initial(), timeout_s=30)
    assert refusal.value.code == "TOO_FEW_USABLE_SUBJECTS"
    assert json.loads(record.read_bytes())["excluded"] == [{"code": "IMAGE_UNREADABLE", "subject": "p1"}]
    assert sorted(path.name for path in store.folder.iterdir()) == ["p2", "p3"]


def test_evaluation_and_reading_of_a_caller_that_hung_up_end_at_the_next_subject(tmp_path: Path) -> None:
    """A stale task of many subjects would keep the worker from the next one."""
    reads: list[str] = []

    class Slow(Subjects):
        def read(
            self, dataset: Path, subjects: Sequence[str], *, manifest: StudyManifest, labels: object = None
        ) -> list[Slices]:
            reads.extend(subjects)
            time.sleep(0.1)
            return super().read(dataset, subjects, manifest=manifest, labels=labels)

    many = tuple(f"s{number}" for number in range(300))
    request = EvaluateRequest(manifest=manifest(), dataset="/nowhere", subjects=many)
    with running(tmp_path, Slow()) as path:
        with pytest.raises(MyofedError) as refusal:
            call(path, request, initial(), timeout_s=20, over=lambda: len(reads) > 2)
        assert refusal.value.code == "ROUND_OVER"
        deadline = time.monotonic() + 10
        while ping(path).busy:
            assert time.monotonic() < deadline
            time.sleep(0.02)
    assert len(reads) < len(many)


def test_task_whose_subjects_do_not_fit_is_refused_by_the_sites_limit(tmp_path: Path) -> None:
    """The executor names it; the step alone would fit."""
    with running(tmp_path) as path:
        many = Roles(train=tuple(f"s{number}" for number in range(300)))
        fits = train_request(subjects=many).model_copy(update={"max_memory_mb": 4096})
        call(path, fits, initial(), timeout_s=30)
        with pytest.raises(MyofedError) as refusal:
            call(path, fits.model_copy(update={"max_memory_mb": 1}), initial(), timeout_s=30)
    assert refusal.value.code == "POLICY_MEMORY"


def test_weights_handed_over_as_files_give_the_bytes_of_those_sent(tmp_path: Path) -> None:
    """Only names pass the socket; a worker that cannot read or write them says one code, and refused weights leave no file."""
    came, made = tmp_path / "x.in", tmp_path / "x.trained"
    files = {"weights_file": str(came), "trained_file": str(made)}
    with running(tmp_path) as path:
        _, sent = call(path, train_request(), initial(), timeout_s=30)
        for content, code in ((None, "WEIGHTS_FILE"), (b"x" * 30, "WEIGHTS_FORMAT")):
            if content:
                came.write_bytes(content)
            with pytest.raises(MyofedError) as refusal:
                call(path, train_request().model_copy(update=files), timeout_s=30)
            assert (refusal.value.code, made.exists()) == (code, False)
        came.write_bytes(initial())
        reply, nothing = call(path, train_request().model_copy(update=files), timeout_s=30)
        evaluate = EvaluateRequest(manifest=manifest(), dataset="/nowhere", subjects=("a",), weights_file=str(came))
        scored, _ = call(path, evaluate, timeout_s=30)
    assert (reply.code, nothing, made.read_bytes(), came.read_bytes()) == ("OK", b"", sent, initial())
    assert [score.subjects for score in scored.scores] == [1, 1]


def test_worker_whose_caller_is_gone_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody would take it away."""

    def gone(_peer: object, _document: object, _blob: object = b"") -> None:
        raise BrokenPipeError

    came, made = tmp_path / "x.in", tmp_path / "x.trained"
    came.write_bytes(initial())
    request = train_request().model_copy(update={"weights_file": str(came), "trained_file": str(made)})
    ours, theirs = socket.socketpair()
    with ours:
        write_frame(ours, request)
        monkeypatch.setattr(worker_module, "write_frame", gone)
        serve_one(Worker(device=torch.device("cpu"), threads=1, cache=Subjects()), theirs)
    assert not made.exists()
