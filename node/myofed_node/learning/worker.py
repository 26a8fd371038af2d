"""The warm worker: a long-lived process that holds torch, a warmed-up network and the site's data, and has no network.

    python -m myofed_node.learning.worker --socket PATH [--threads N] [--inputs FOLDER]

One task at a time; a ping is answered meanwhile. A caller that hangs up ends its task at the next step or subject. What leaves this
process is weights, aggregates and codes; its log holds codes, seconds and, of an unforeseen error, type and line.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import select
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import nibabel as nib
import torch

from myofed_node.learning.data import SubjectCache
from myofed_node.learning.device import choose_device, warm_up
from myofed_node.learning.exclusions import UsableSubjects
from myofed_node.learning.handover import mapped, written
from myofed_node.learning.input_store import InputStore
from myofed_node.learning.local import evaluate_task, train_task
from myofed_node.learning.memory import room_for_subjects
from myofed_node.learning.network import visible_network
from myofed_node.learning.protocol import (
    EvaluateRequest,
    PingRequest,
    Reply,
    TrainRequest,
    WorkerState,
    parse_request,
    read_frame,
    write_frame,
)
from myofed_node.learning.weights import packed, packed_parts
from myofed_node.learning.worker_client import check_socket_path
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode
from myofed_schemas.json_log import configure_logging, style_of

REQUEST_TIMEOUT_S = 60.0
"""A caller must have sent its whole request by then."""
BUSY_WAIT_S = 10.0
"""How long a second task waits for the first, which may be ending because its caller is gone."""
BACKLOG = 4


@dataclass(frozen=True)
class Worker:
    """What the process keeps between requests."""

    device: torch.device
    threads: int
    cache: SubjectCache = field(default_factory=SubjectCache)
    turn: threading.Lock = field(default_factory=threading.Lock)

    def answer(
        self, request: PingRequest | TrainRequest | EvaluateRequest, blob: bytes, peer: socket.socket
    ) -> tuple[Reply, bytes]:
        """Reply and blob for this request.

        Raises:
            MyofedError: Any code of learning/, or WORKER_BUSY.
        """
        if isinstance(request, PingRequest):
            return Reply(code="OK", state=self._state()), b""
        with self._my_turn():
            torch.set_num_threads(self.threads)
            record = Path(request.exclusions) if request.exclusions else None

            def stop() -> bool:
                return _hung_up(peer)

            usable = UsableSubjects(
                self.cache,
                record,
                stop=stop,
                room=room_for_subjects(request.manifest, max_memory_mb=request.max_memory_mb),
            )
            incoming = mapped(Path(request.weights_file)) if request.weights_file else blob
            if isinstance(request, TrainRequest):
                pack = partial(_into, Path(request.trained_file)) if request.trained_file else packed
                weights, metrics = train_task(request, incoming, cache=usable, device=self.device, stop=stop, pack=pack)
                return Reply(code="OK", metrics=metrics, exclusions=usable.counts()), weights
            scores, groups = evaluate_task(request, incoming, cache=usable, device=self.device, stop=stop)
            return Reply(code="OK", scores=scores, group_scores=groups, exclusions=usable.counts()), b""

    def _state(self) -> WorkerState:
        return WorkerState(
            busy=self.turn.locked(), network=visible_network(), device="cuda" if self.device.type == "cuda" else "cpu"
        )

    @contextmanager
    def _my_turn(self) -> Iterator[None]:
        if not self.turn.acquire(timeout=BUSY_WAIT_S):
            raise MyofedError("WORKER_BUSY", "expected an idle worker, found a task under way")
        try:
            yield
        finally:
            self.turn.release()


def _into(path: Path, trained: Mapping[str, torch.Tensor]) -> bytes:
    written(path, packed_parts(trained))
    return b""


def _hung_up(peer: socket.socket) -> bool:
    """True once the caller closed its end."""
    readable, _, _ = select.select([peer], [], [], 0)
    return bool(readable) and peer.recv(1, socket.MSG_PEEK) == b""


def serve_one(worker: Worker, peer: socket.socket) -> None:
    """One request on this connection has been answered, with a code where it failed; the connection is closed."""
    began = time.monotonic()
    made: Path | None = None
    with peer:
        peer.settimeout(REQUEST_TIMEOUT_S)
        try:
            text, blob = read_frame(peer)
            request = parse_request(text)
            made = Path(request.trained_file) if isinstance(request, TrainRequest) and request.trained_file else None
            reply, weights = worker.answer(request, blob, peer)
        except MyofedError as error:
            reply, weights = Reply(code=error.code), b""
        except Exception as error:  # noqa: BLE001  the loop must go on for the next task; the caller learns one code
            _log("INTERNAL_ERROR", seconds=time.monotonic() - began, where=_where(error))
            reply, weights = Reply(code="INTERNAL_ERROR"), b""
        _log(reply.code, seconds=time.monotonic() - began)
        try:
            write_frame(peer, reply, weights)
        except OSError:
            _log("CALLER_GONE", seconds=time.monotonic() - began)
            if made is not None:
                made.unlink(missing_ok=True)


def _where(error: BaseException) -> str:
    """Type, file name and line of the innermost frame; no text of the exception, which may hold a value or a path."""
    frame = error.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    place = f" {Path(frame.tb_frame.f_code.co_filename).name}:{frame.tb_lineno}" if frame else ""
    return type(error).__name__ + place


def _log(code: str, *, seconds: float, where: str = "") -> None:
    line = {"code": code, "seconds": round(seconds, 3)} | ({"where": where} if where else {})
    sys.stderr.write(json.dumps(line) + "\n")
    sys.stderr.flush()


def listen(path: Path) -> socket.socket:
    """A listening Unix socket at this path, mode 0600; what a dead worker left there is replaced.

    Raises:
        MyofedError: WORKER_RUNNING where another worker answers, SOCKET_PATH_TOO_LONG.
    """
    check_socket_path(path)
    with socket.socket(socket.AF_UNIX) as probe:
        if probe.connect_ex(str(path)) == 0:
            raise MyofedError(
                "WORKER_RUNNING", "expected a free socket, found a worker on it", exit_code=ExitCode.FAILED
            )
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        listener.bind(str(path))
    finally:
        os.umask(before)
    listener.listen(BACKLOG)
    return listener


def serve(listener: socket.socket, worker: Worker) -> None:
    """Requests are served, each in its own thread, until the listener is closed."""
    while True:
        try:
            peer, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=serve_one, args=(worker, peer), daemon=True).start()


def main(argv: Sequence[str] | None = None) -> int:
    """The worker serves until SIGTERM or SIGINT; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m myofed_node.learning.worker")
    parser.add_argument("--socket", type=Path, required=True, help="Unix socket to listen on")
    parser.add_argument(
        "--threads", type=int, default=1, help="CPU threads of torch; 1 gives the same bytes every time"
    )
    parser.add_argument("--inputs", type=Path, help="folder for prepared inputs; without it they are in memory only")
    arguments = parser.parse_args(argv)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _stop)
    configure_logging("worker", style=style_of(os.environ.get("MYOFED_LOG_FORMAT")))
    torch.set_num_threads(arguments.threads)
    nib.imageglobals.logger.setLevel(logging.CRITICAL + 1)  # it quotes values of damaged headers; the log holds codes
    try:
        store = InputStore(arguments.inputs) if arguments.inputs else None
        worker = Worker(device=choose_device(), threads=arguments.threads, cache=SubjectCache(store=store))
        warm_up(worker.device)
        with listen(arguments.socket) as listener:
            _log("WORKER_READY", seconds=time.process_time())
            serve(listener, worker)
    except MyofedError as error:
        _log(error.code, seconds=time.process_time())
        return int(error.exit_code)
    return int(ExitCode.DONE)


def _stop(_number: int, _frame: object) -> None:
    """Ends at once: what lies on disk is whole at any moment, and unwinding would pull torch from under a task's thread."""
    os._exit(int(ExitCode.DONE))


if __name__ == "__main__":
    sys.exit(main())
