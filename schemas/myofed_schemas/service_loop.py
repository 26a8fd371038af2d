"""The loop of an `up` command: one at a time on a folder, children kept running, their states on disk, stopped by a signal."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode
from myofed_schemas.files import write_atomically
from myofed_schemas.supervise import Supervisor

STEP_S = 0.1
STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


@contextmanager
def only_one(lock: Path, *, refusal: MyofedError | None = None) -> Iterator[None]:
    """No other process is inside this block for the same file; the kernel frees it when this process dies.

    Args:
        lock: The file; made where there is none.
        refusal: What is raised where another process is; None is ALREADY_RUNNING.

    Raises:
        MyofedError: The refusal.
    """
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise refusal or MyofedError(
                "ALREADY_RUNNING",
                "expected nobody else to run these services, found another `up` on the same folder",
                hint="stop that one first, or leave it running",
                exit_code=ExitCode.FAILED,
            ) from None
        yield
    finally:
        os.close(descriptor)


def free_port() -> int:
    """A TCP port of 127.0.0.1 on which nobody listened a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def is_listening(host: str, port: int) -> bool:
    """Somebody accepts TCP connections there."""
    try:
        with socket.create_connection((host, port), timeout=1.0):
            return True
    except OSError:
        return False


@dataclass(frozen=True)
class ServiceLoop:
    """Groups of children and what is said about them.

    Attributes:
        groups: Groups start side by side and stop one after the other, the last first; inside a group each child waits
            for the one before it.
        status: JSON `{"children": {name: state}, "pids": {name: pid}}`, replaced whenever it changes, removed at the end.
        announce: Called once, when every child was ready.
    """

    groups: Sequence[Supervisor]
    status: Path
    announce: Callable[[], None]

    def run(self) -> ExitCode:
        """A stop signal came, and no child runs any more."""
        stop: list[int] = []
        before = {number: signal.signal(number, lambda n, _frame: stop.append(n)) for number in STOP_SIGNALS}
        try:
            self._keep(stop)
        finally:
            for group in reversed(self.groups):
                group.stop()
            self.status.unlink(missing_ok=True)
            for number, handler in before.items():
                signal.signal(number, handler)
        return ExitCode.DONE

    def _keep(self, stop: Sequence[int]) -> None:
        announced, written = False, b""
        while not stop:
            for group in self.groups:
                group.step()
            states = self._states()
            if (document := json.dumps({"children": states, "pids": self._pids()}).encode()) != written:
                with suppress(OSError):  # a full disk must not stop the services; the next change tries again
                    write_atomically(self.status, document)
                written = document
            if not announced and all(state == "ready" for state in states.values()):
                self.announce()
                announced = True
            time.sleep(STEP_S)

    def _states(self) -> dict[str, str]:
        return {name: state for group in self.groups for name, state in group.states().items()}

    def _pids(self) -> dict[str, int]:
        return {name: pid for group in self.groups for name, pid in group.pids().items()}
