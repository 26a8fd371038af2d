"""Word from the egress to the executor that a message of the coordinator passed: a file's time, so that nobody polls.

Every question to the SuperNode costs some 3 ms in two processes; looking at a file costs nothing. News that is lost costs a
second, never a task: the executor asks without news as well, only less often.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

LOOK_S = 0.05
"""Between two looks for news, and between two questions soon after it."""
SOON_S = 10.0
"""A message comes in several requests, and is a task only when the SuperNode has all of it."""
SELDOM_S = 1.0
"""Between two questions without news."""
EMPTY_PULL_BYTES = 64
"""An answer to pull-messages with a message names object ids of 64 characters, so it is longer than this."""


def announce(path: Path) -> None:
    """The executor will ask soon."""
    with contextlib.suppress(OSError):  # a full disk: it asks later
        path.touch(mode=0o600)


@dataclass
class TaskNews:
    """When to ask the SuperNode for a task.

    Attributes:
        path: What `announce` touches.
        monotonic: Seconds, never going back.
    """

    path: Path
    monotonic: Callable[[], float] = field(default=time.monotonic)
    _seen: int = 0
    _soon_until: float = float("-inf")
    _asked: float = float("-inf")

    def due(self) -> bool:
        """It is time to ask, which the caller does now."""
        now, mark = self.monotonic(), self._mark()
        if mark != self._seen:
            self._seen, self._soon_until = mark, now + SOON_S
        if now < self._soon_until or now - self._asked >= SELDOM_S:
            self._asked = now
            return True
        return False

    def found(self) -> None:
        """What the news was of has come."""
        self._soon_until = float("-inf")

    def _mark(self) -> int:
        try:
            return self.path.stat().st_mtime_ns
        except OSError:
            return 0
