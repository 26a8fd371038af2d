"""Whether a live ServerApp gets anywhere: one that hangs keeps its run's lock, and with it the run, for ever."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from myofed_coordinator.runs.folder import RunFolder, ServerProcess, started_ticks

SILENT_S = 600.0
"""The ServerApp looks for replies every 1.5 s and says so; between two looks it may fold a round (minutes at the largest
models the schemas allow)."""
MARGIN_S = 900.0
"""So long after a round's timeout the next event is late: 300 s for a quorum to connect, the rest to fold the round."""


@dataclass
class _Sight:
    """One sign of a ServerApp, and when this process first saw it."""

    mark: int
    since: float


class Watch:
    """Remembers what each live ServerApp showed last, by this machine's monotonic clock: a clock set back kills nobody."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._seen: dict[tuple[str, str], _Sight] = {}

    def hangs(self, folder: RunFolder) -> bool:
        """No look for SILENT_S, or no event for a round's timeout and MARGIN_S, since this process watches.

        Args:
            folder: A run whose lock is held.

        Raises:
            MyofedError: RUN_INCOMPLETE.
        """
        silent = self._unchanged_s(folder, "look", folder.last_look())
        idle = self._unchanged_s(folder, "event", folder.last_event())
        return silent > SILENT_S or idle > folder.manifest().manifest.round_timeout_s + MARGIN_S

    def forget(self, folder: RunFolder) -> None:
        """Nobody works on this run: whoever comes next is watched from the start."""
        for what in ("look", "event"):
            self._seen.pop((folder.run_id, what), None)

    def _unchanged_s(self, folder: RunFolder, what: str, mark: int) -> float:
        now = self._monotonic()
        sight = self._seen.setdefault((folder.run_id, what), _Sight(mark, now))
        if sight.mark != mark:
            sight.mark, sight.since = mark, now
        return now - sight.since


def end(server: ServerProcess) -> None:
    """The process that took the run's lock has been killed; one that is gone, or whose number another process has, is not."""
    if started_ticks(server.pid) == server.started_ticks:
        with suppress(ProcessLookupError):
            os.kill(server.pid, signal.SIGKILL)
