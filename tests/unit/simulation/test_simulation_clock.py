"""While virtual sites work, no second passes for the rounds' patience."""

from __future__ import annotations

from myofed_schemas.clock import utc_moment
from myofed_simulation.clock import SimulationClock


def test_clock_stands_while_sites_work_and_catches_up_afterwards() -> None:
    """A round's own seconds are true, its timeouts never strike."""
    seconds = iter([10.0, 500.0, 600.0])
    clock = SimulationClock(seconds=lambda: next(seconds), now=lambda: utc_moment("2026-11-24T00:00:00Z"))
    clock.hold()
    assert (clock.monotonic(), clock.monotonic()) == (10.0, 10.0)
    clock.release()
    assert (clock.monotonic(), clock.monotonic()) == (500.0, 600.0)


def test_clock_tells_the_time_of_its_source() -> None:
    """Moments in reports come from one place."""
    moment = utc_moment("2026-11-24T00:00:00Z")
    assert SimulationClock(now=lambda: moment).now() == moment
    SimulationClock().sleep(0.0)
