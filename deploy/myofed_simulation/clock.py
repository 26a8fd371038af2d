"""Time in a simulation: a virtual site is never late, however long one machine needs for all of them."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime

from myofed_schemas.clock import system_now


class SimulationClock:
    """This machine's time, but for the rounds' patience: while sites work, no second passes.

    A hundred virtual sites in turn would else run into the `round_timeout_s` that each of a hundred hospitals has for itself.
    """

    def __init__(
        self, *, seconds: Callable[[], float] = time.monotonic, now: Callable[[], datetime] = system_now
    ) -> None:
        self._seconds = seconds
        self._now = now
        self._held: float | None = None

    def hold(self) -> None:
        """Sites are at work."""
        self._held = self._seconds()

    def release(self) -> None:
        """All have answered."""
        self._held = None

    def monotonic(self) -> float:
        """Seconds, never going back."""
        return self._seconds() if self._held is None else self._held

    def sleep(self, seconds: float) -> None:
        """This much later."""
        time.sleep(seconds)

    def now(self) -> datetime:
        """UTC, aware."""
        return self._now()
