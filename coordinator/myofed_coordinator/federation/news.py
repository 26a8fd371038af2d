"""Word between the ServerApp and the sites' port that something was sent: a file's time, so that nobody polls the engine.

Every question to the SuperLink costs it some 20 ms of a CPU; looking at a file costs nothing. News that is lost (a full
disk, a clock set back) costs time, never a message: both sides ask without news as well, only less often.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path


class News:
    """A file that one side touches and the other looks at."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def mark(self) -> int:
        """Changes with every piece of news; 0 before the first."""
        try:
            return self._path.stat().st_mtime_ns
        except FileNotFoundError:
            return 0

    def announce(self) -> None:
        """The other side will look."""
        self._path.touch(mode=0o600)


class Doze:
    """Waits between two looks for replies: until there is news and its sender has paused, or for `longest_s`."""

    LOOK_S = 0.05
    LOOKS_OF_QUIET = 3
    """A reply comes in several requests; asked for between two of them it would be incomplete."""

    def __init__(self, news: News, *, sleep: Callable[[float], None], longest_s: float = 1.5) -> None:
        self._news = news
        self._sleep = sleep
        self._looks = round(longest_s / self.LOOK_S)
        self._seen = news.mark()

    def __call__(self) -> None:
        """Something new may be there."""
        last, quiet = self._seen, 0
        for _ in range(self._looks):
            self._sleep(self.LOOK_S)
            mark = self._news.mark()
            quiet = quiet + 1 if mark == last else 0
            last = mark
            if last != self._seen and quiet >= self.LOOKS_OF_QUIET:
                break
        self._seen = last
