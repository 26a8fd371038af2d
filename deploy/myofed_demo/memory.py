"""The largest resident memory of this process and everything below it, sampled once a second."""

from __future__ import annotations

import threading
from types import TracebackType
from typing import Self

import psutil

SAMPLE_S = 1.0


class PeakMemory:
    """Samples while the block runs; shared pages count once for each process, so the figure is an upper bound."""

    def __init__(self) -> None:
        self._peak = 0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._done.set()
        self._thread.join()

    def megabytes(self) -> int:
        """The peak so far, in units of 10**6 bytes."""
        return round(self._peak / 1e6)

    def _sample(self) -> None:
        while not self._done.is_set():
            self._peak = max(self._peak, resident_bytes())
            self._done.wait(SAMPLE_S)


def resident_bytes() -> int:
    """Resident memory of this process and all its descendants, now."""
    me = psutil.Process()
    total = 0
    for process in [me, *me.children(recursive=True)]:
        try:
            total += process.memory_info().rss
        except psutil.Error:
            continue  # it ended between listing and reading
    return total
