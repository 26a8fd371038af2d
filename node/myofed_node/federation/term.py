"""How long a task is worth doing: until its round is over, or until a later task took its place."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from myofed_schemas.errors import MyofedError


@dataclass(frozen=True)
class Term:
    """The one limit of everything that a task does: fetching weights, waiting, training, uploading.

    Attributes:
        until: When the coordinator stops waiting, on this machine's monotonic clock.
        superseded: Set once a later task was given out: nobody takes this one's answer any more.
        monotonic: Seconds, never going back.
    """

    until: float = math.inf
    superseded: threading.Event = field(default_factory=threading.Event)
    monotonic: Callable[[], float] = time.monotonic

    def left_s(self) -> float:
        """Seconds, 0 or more."""
        return 0.0 if self.superseded.is_set() else max(0.0, self.until - self.monotonic())

    def over(self) -> bool:
        """Whatever is done from now on is done for nobody."""
        return self.left_s() <= 0

    def check(self) -> None:
        """The task is worth going on with.

        Raises:
            MyofedError: ROUND_OVER.
        """
        if self.over():
            raise MyofedError("ROUND_OVER", "expected a round that waits for this task, found one that is over")


def term_of(*, created_at: float, ttl_s: float, now: float, superseded: threading.Event) -> Term:
    """The term of a message that waited somewhere on its way.

    Args:
        created_at: When the coordinator made it, seconds since 1970, by its own clock.
        ttl_s: After this long the engine answers for the site.
        now: Seconds since 1970, by this site's clock; one that is behind the coordinator's lengthens nothing.
        superseded: The ticket's.
    """
    return Term(time.monotonic() + min(ttl_s, created_at + ttl_s - now), superseded)
