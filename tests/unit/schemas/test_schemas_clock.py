"""Moments and their text."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from myofed_schemas.clock import system_now, utc_moment, utc_text


def test_moment_without_zone_is_refused() -> None:
    """A naive time could be any zone's; it never becomes text."""
    with pytest.raises(ValueError, match="time zone"):
        utc_text(datetime(2026, 1, 1))  # noqa: DTZ001  what is refused


@settings(max_examples=30, deadline=None)
@given(moment=st.datetimes(min_value=datetime(1970, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001  hypothesis adds the zone
def test_text_names_the_same_second(moment: datetime) -> None:
    """There and back, only the fraction of the second is cut."""
    assert utc_moment(utc_text(moment)) == moment.replace(microsecond=0)


def test_other_zone_is_converted() -> None:
    """Noon in UTC+2 is ten o'clock; the machine's clock has a zone."""
    noon = datetime(2026, 11, 22, 12, tzinfo=timezone(timedelta(hours=2)))
    assert utc_text(noon) == "2026-11-22T10:00:00Z"
    assert utc_text(system_now()).endswith("Z")
