"""Worker processes under a watch: one that dies or takes too long costs the file in hand alone.

Each has the next file's task beside it, so that it never waits for its parent; where it dies, that task is its successor's.
"""

from __future__ import annotations

import logging
import os
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from multiprocessing.connection import Connection, wait
from types import TracebackType
from typing import Self

from myofed_anonymization.one_file import Treated, withheld
from myofed_anonymization.worker_process import Reply, Setup, Task
from myofed_schemas.deid import WithheldCode
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode

START_SECONDS = 120.0
"""A worker that is not ready by then does not start."""
_LOG = logging.getLogger(__name__)


@dataclass(slots=True)
class _Worker:
    process: subprocess.Popen[bytes]
    connection: Connection
    tasks: deque[Task] = field(default_factory=deque)
    """The one in hand first."""
    deadline: float = field(default=0.0)

    def stop(self) -> None:
        """The process is gone."""
        self.connection.close()
        self.process.kill()
        self.process.wait()


class WorkerPool:
    """A context: no worker outlives it, whatever ends it."""

    def __init__(self, setup: Setup, *, processes: int) -> None:
        self._setup = setup
        self._processes = processes
        self._workers: list[_Worker] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for worker in self._workers:
            worker.stop()

    def results(self, tasks: Iterator[Task]) -> Iterator[Treated]:
        """One result for every task, in the order in which they are done.

        Raises:
            MyofedError: WORKER_START, or what a worker could not go on with (vault, output folder).
        """
        first = list(islice(tasks, self._processes))
        self._workers = [self._start() for _ in first]
        for worker, task in zip(self._workers, first, strict=True):
            self._await_ready(worker)
            self._give(worker, task)
        for worker in self._workers:
            self._give(worker, next(tasks, None))
        while busy := [worker for worker in self._workers if worker.tasks]:
            pause = max(0.0, min(worker.deadline for worker in busy) - time.monotonic())
            ready = wait([worker.connection for worker in busy], timeout=pause)
            for worker in busy:
                late = time.monotonic() >= worker.deadline
                if worker.connection in ready or late:
                    treated = self._result(worker) if worker.connection in ready else self._too_late(worker)
                    self._give(worker, next(tasks, None))
                    yield treated

    def _result(self, worker: _Worker) -> Treated:
        try:
            reply = Reply.model_validate_json(worker.connection.recv_bytes())
        except (EOFError, OSError):
            return withheld(self._replace(worker).number, WithheldCode.WORKER_DIED)
        if reply.outcome is None:
            raise MyofedError(reply.code, reply.message, hint=reply.hint, exit_code=ExitCode(reply.exit_code))
        task = worker.tasks.popleft()
        worker.deadline = self._deadline()
        if reply.fault:
            _LOG.error("file %d met a fault of ours: %s", task.number, reply.fault)
        return Treated(reply.outcome, reply.numbers)

    def _too_late(self, worker: _Worker) -> Treated:
        return withheld(self._replace(worker).number, WithheldCode.TIME_LIMIT)

    def _replace(self, worker: _Worker) -> Task:
        """The same place is held by a new process, which goes on behind the task that is returned."""
        worker.stop()
        fresh = self._start()
        worker.process, worker.connection = fresh.process, fresh.connection
        self._await_ready(worker)
        lost, *others = worker.tasks
        worker.tasks.clear()
        for task in others:
            self._give(worker, task)
        return lost

    def _give(self, worker: _Worker, task: Task | None) -> None:
        if task is None:
            return
        if not worker.tasks:
            worker.deadline = self._deadline()
        worker.tasks.append(task)
        with suppress(
            OSError
        ):  # it died of the task in hand, as the next look at it will tell; this one is given again
            worker.connection.send(task)

    def _deadline(self) -> float:
        return time.monotonic() + self._setup.policy.max_seconds

    def _start(self) -> _Worker:
        ours, theirs = socket.socketpair()
        with theirs:
            limit = str(self._setup.policy.max_memory_bytes)
            argv = [sys.executable, "-P", "-m", "myofed_anonymization.worker_process", str(theirs.fileno()), limit]
            process = subprocess.Popen(
                argv,
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
            )
        worker = _Worker(process, Connection(ours.detach()))
        worker.connection.send(self._setup)
        return worker

    def _await_ready(self, worker: _Worker) -> None:
        try:
            ready = worker.connection.poll(START_SECONDS) and worker.connection.recv_bytes() == b"ready"
        except (EOFError, OSError):
            ready = False
        if not ready:
            raise MyofedError(
                "WORKER_START",
                "expected a worker process, found that it ends before it is ready",
                hint="max_memory_bytes of the policy may be too low for this machine; else reinstall myofed",
            )
