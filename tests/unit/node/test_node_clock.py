"""Times of reports."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from myofed_node.clock import parse_utc_time, utc_time


def test_time_without_a_zone_is_refused() -> None:
    """Nobody can say which moment it is."""
    with pytest.raises(ValueError, match="zone"):
        utc_time(datetime(2026, 1, 1))  # noqa: DTZ001  the refusal is what is tested


def test_any_zone_becomes_utc_to_the_second_and_back() -> None:
    """The text names the same moment."""
    moment = datetime(2026, 1, 1, 1, 0, 0, tzinfo=timezone(timedelta(hours=2)))
    assert utc_time(moment) == "2025-12-31T23:00:00Z"
    assert parse_utc_time(utc_time(moment)) == moment.astimezone(UTC)
