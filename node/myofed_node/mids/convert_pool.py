"""Worker processes that convert sessions: one that dies costs the series it had in hand, and is replaced."""

from __future__ import annotations

import logging
import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from multiprocessing.connection import Connection, wait
from types import TracebackType
from typing import Self

from myofed_node.mids.convert_worker import Setup, Told
from myofed_node.mids.session_task import Judged, SessionTask, Tell
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode

START_SECONDS = 120.0
"""A worker that is not ready by then does not start."""
_LOG = logging.getLogger(__name__)


@dataclass
class _Worker:
    process: subprocess.Popen[bytes]
    connection: Connection
    task: SessionTask | None = None
    begun: str = ""

    def stop(self) -> None:
        """The process is gone."""
        self.connection.close()
        self.process.kill()
        self.process.wait()


class ConvertPool:
    """A context: no worker outlives it, whatever ends it."""

    def __init__(self, setup: Setup, *, processes: int, inherited: Sequence[int] = ()) -> None:
        self._setup = setup
        self._processes = processes
        self._inherited = tuple(inherited)
        self._workers: list[_Worker] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for worker in self._workers:
            worker.stop()

    def results(self, tasks: Iterator[SessionTask], *, tell: Tell) -> Iterator[Judged]:
        """The outcomes of all series, session by session in the order in which they are done.

        Raises:
            MyofedError: WORKER_START, or what a worker could not go on with.
        """
        first = list(islice(tasks, self._processes))
        self._workers = [self._start() for _ in first]
        for worker, task in zip(self._workers, first, strict=True):
            self._await_ready(worker)
            _give(worker, task)
        while busy := [worker for worker in self._workers if worker.task]:
            ready = wait([worker.connection for worker in busy])
            for worker in busy:
                if worker.connection in ready:
                    judged = self._heard(worker, tell)
                    if judged is not None:
                        _give(worker, next(tasks, None))
                        yield from judged

    def _heard(self, worker: _Worker, tell: Tell) -> list[Judged] | None:
        """What the worker tells; the outcomes of its session, or None where it is still at work."""
        try:
            told = Told.model_validate_json(worker.connection.recv_bytes())
        except (EOFError, OSError):
            self._replace(worker)
            return None
        if told.kind == "failed":
            raise MyofedError(told.code, told.message, hint=told.hint, exit_code=ExitCode(told.exit_code))
        if told.kind == "fault":
            _LOG.error("a series met a fault of ours: %s", told.fault)
            _again(worker)
        elif told.kind == "session":
            return told.judged()
        else:
            worker.begun = told.uid if told.kind == "begun" else worker.begun
            tell(told.kind, told.uid)
        return None

    def _replace(self, worker: _Worker) -> None:
        """The same place is held by a new process, which does the session again."""
        worker.stop()
        if not worker.begun:
            raise _no_start()
        fresh = self._start()
        worker.process, worker.connection = fresh.process, fresh.connection
        self._await_ready(worker)
        _again(worker)

    def _start(self) -> _Worker:
        ours, theirs = socket.socketpair()
        with theirs:
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", "myofed_node.mids.convert_worker", str(theirs.fileno())],
                pass_fds=[theirs.fileno(), *self._inherited],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
            )
        return _Worker(process, Connection(ours.detach()))

    def _await_ready(self, worker: _Worker) -> None:
        try:
            worker.connection.send(self._setup)
            ready = worker.connection.poll(START_SECONDS) and bool(worker.connection.recv_bytes())
        except (EOFError, OSError):
            ready = False
        if not ready:
            raise _no_start()


def _give(worker: _Worker, task: SessionTask | None) -> None:
    worker.task, worker.begun = task, ""
    if task:
        worker.connection.send(task)


def _again(worker: _Worker) -> None:
    """First one series at a time, so that the one to blame is known; then without it."""
    task = worker.task
    assert task is not None, "only a worker with a task is heard"
    alone = task.writers == 1
    _give(worker, replace(task, died=task.died | {worker.begun}) if alone else replace(task, writers=1))


def _no_start() -> MyofedError:
    return MyofedError(
        "WORKER_START",
        "expected a worker process, found that it ends before it is ready",
        hint="is there memory left on this machine? else reinstall myofed",
    )
