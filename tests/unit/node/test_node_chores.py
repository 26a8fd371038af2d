"""What is done now and then: each at its time, whatever becomes of the others."""

from __future__ import annotations

from datetime import datetime, timedelta

from site_factories import NOW

from myofed_node.chores import Chore, do_chores
from myofed_schemas.errors import MyofedError

HOUR = timedelta(hours=1)


def test_chore_that_fails_stops_no_other_and_comes_again() -> None:
    """The first code is told; each is done at once and then after its own time."""
    done = list[str]()

    def refused(_now: datetime) -> None:
        done.append("refused")
        raise MyofedError("REFUSED", "for the test")

    def full(_now: datetime) -> None:
        done.append("full")
        raise OSError(28, "No space left on device")

    chores = [Chore(refused, HOUR), Chore(full, 2 * HOUR), Chore(lambda _now: done.append("good"), HOUR)]
    assert do_chores(chores, now=NOW) == "REFUSED"
    assert done == ["refused", "full", "good"]
    assert do_chores(chores, now=NOW + HOUR / 2) == ""
    assert do_chores(chores[1:], now=NOW + 2 * HOUR) == "SYSTEM_ERROR"
    assert done == ["refused", "full", "good", "full", "good"]
