"""What the demonstration says while it runs: a plain line a step, with the seconds since the start."""

from __future__ import annotations

import sys
import threading
import time
from typing import TextIO


class Progress:
    """Writes lines to standard error; safe from several threads."""

    def __init__(self, *, stream: TextIO = sys.stderr) -> None:
        self._stream = stream
        self._start = time.monotonic()
        self._lock = threading.Lock()

    @property
    def seconds(self) -> float:
        """Seconds since the demonstration began."""
        return time.monotonic() - self._start

    def say(self, text: str) -> None:
        """One line, now."""
        with self._lock:
            print(f"[{self.seconds:6.1f} s] {text}", file=self._stream, flush=True)
