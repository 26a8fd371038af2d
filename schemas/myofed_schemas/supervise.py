"""Child processes of one `up` command: started, restarted when they die, stopped together, never left behind.

Standard library only and used by both sides, so that node and coordinator stop and restart in the same way.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from myofed_schemas.log_files import rotate

PR_SET_PDEATHSIG = 1
"""linux/prctl.h: the kernel sends this process a signal when its parent dies."""

RESTART_PAUSE_S = (0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
"""Pauses before the 1st, 2nd, ... restart in a row; a child that lived HEALTHY_AFTER_S starts again from the first."""

HEALTHY_AFTER_S = 30.0
ROTATE_EVERY_S = 10.0
STOP_GRACE_S = 10.0
LAST_WORD_S = 1.0
"""What a child gets even when those before it used the grace up."""


def die_with_parent(signal_number: int = signal.SIGTERM) -> None:
    """This process gets `signal_number` when its parent dies (Linux; elsewhere nothing happens).

    Called by a process about itself, or between fork and exec for a child: the setting survives exec of a normal file.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, int(signal_number), 0, 0, 0)


@dataclass(frozen=True)
class ChildSpec:
    """How to start one child.

    Attributes:
        name: Shown in status and used as the log's file name.
        argv: Program and arguments; no shell.
        environment: Complete environment of the child.
        log: File that takes its standard output and error (appended).
        cwd: Working folder.
        ready: True once the child serves; children start in order, each waits for the ones before it.
        ready_timeout_s: After this long without `ready` the child is restarted.
    """

    name: str
    argv: Sequence[str]
    environment: Mapping[str, str]
    log: Path
    cwd: Path
    ready: Callable[[], bool] = field(default=lambda: True)
    ready_timeout_s: float = 60.0


@dataclass
class _Child:
    spec: ChildSpec
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    failures: int = 0
    next_start: float = 0.0
    was_ready: bool = False


class Supervisor:
    """Keeps a set of children running until told to stop."""

    def __init__(self, specs: Sequence[ChildSpec], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._children = [_Child(spec) for spec in specs]
        self._clock = clock
        self._rotate_at = clock()

    def states(self) -> dict[str, str]:
        """Child name -> `ready`, `starting` or `down`."""
        return {c.spec.name: self._state(c) for c in self._children}

    def pids(self) -> dict[str, int]:
        """Child name -> process id, of those that run."""
        return {c.spec.name: c.process.pid for c in self._children if c.process and c.process.poll() is None}

    def step(self) -> None:
        """Every child that should run and may start by now has been started; dead ones are noted."""
        now = self._clock()
        self._rotate(now)
        for child in self._children:
            self._reap(child, now)
            if child.process is None and now >= child.next_start:
                self._start(child, now)
            if not self._check_ready(child, now):
                return  # the ones after it wait

    def stop(self) -> None:
        """No child runs any more; the last started ends first, so that none loses one it needs while it still works.

        Each is asked (SIGTERM) and has what is left of STOP_GRACE_S; then it and its whole session are killed.
        """
        deadline = self._clock() + STOP_GRACE_S
        for child in reversed(self._children):
            process = child.process
            if process is None:
                continue
            _signal_group(process, signal.SIGTERM)
            try:
                process.wait(max(LAST_WORD_S, deadline - self._clock()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            _signal_group(process, signal.SIGKILL)

    def _rotate(self, now: float) -> None:
        """Logs that have grown too large are put aside, looked at every ROTATE_EVERY_S."""
        if now < self._rotate_at:
            return
        self._rotate_at = now + ROTATE_EVERY_S
        for child in self._children:
            with suppress(OSError):  # a full disk must not stop the services; the next look tries again
                rotate(child.spec.log)

    def _state(self, child: _Child) -> str:
        if child.process is None or child.process.poll() is not None:
            return "down"
        return "ready" if child.was_ready else "starting"

    def _reap(self, child: _Child, now: float) -> None:
        if child.process is None or child.process.poll() is None:
            return
        _signal_group(child.process, signal.SIGKILL)  # what it left behind in its session
        child.failures = 1 if now - child.started > HEALTHY_AFTER_S else child.failures + 1
        child.next_start = now + RESTART_PAUSE_S[min(child.failures, len(RESTART_PAUSE_S)) - 1]
        child.process, child.was_ready = None, False

    def _start(self, child: _Child, now: float) -> None:
        spec = child.spec
        with spec.log.open("ab") as log:
            child.process = subprocess.Popen(
                list(spec.argv),
                env=dict(spec.environment),
                cwd=spec.cwd,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=die_with_parent,  # noqa: PLW1509  one C call, no Python lock is taken in the child
            )
        child.started = now

    def _check_ready(self, child: _Child, now: float) -> bool:
        if child.process is None:
            return False
        if not child.was_ready:
            child.was_ready = child.spec.ready()
            if not child.was_ready and now - child.started > child.spec.ready_timeout_s:
                child.process.kill()
        return child.was_ready


def _signal_group(process: subprocess.Popen[bytes], number: int) -> None:
    """The child's whole session (it leads one) has been signalled; an empty one is no error."""
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        return
