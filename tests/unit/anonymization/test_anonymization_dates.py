from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from myofed_anonymization.dates import date_shift_days, shift_date, shift_datetime, shift_time, time_shift_seconds
from myofed_anonymization.keys import SiteKeys

KEY = SiteKeys(b"a" * 32)


@settings(max_examples=50, deadline=None)
@given(st.dates(dt.date(1930, 1, 1)), st.dates(dt.date(1930, 1, 1)), st.text(max_size=8))
def test_intervals_between_dates_of_a_patient_stay(first: dt.date, second: dt.date, patient: str) -> None:
    """Every date of a patient moves back by one keyed number of days within the documented range."""
    days = date_shift_days(KEY, issuer="", patient_id=patient)
    assert -3650 <= days <= -366
    moved = [dt.date.fromisoformat(shift_date(date.strftime("%Y%m%d"), days=days)) for date in (first, second)]
    assert moved[1] - moved[0] == second - first
    assert moved[0] != first


def test_time_shift_is_below_an_hour() -> None:
    """Times move by 60 to 3540 s, keyed."""
    shifts = {time_shift_seconds(KEY, issuer="", patient_id=str(number)) for number in range(50)}
    assert min(shifts) >= 60
    assert max(shifts) <= 3540
    assert len(shifts) > 40


@pytest.mark.parametrize("value", ["", "2021", "20211301", "20210230", "00010101", "Fantasia", "2021071x"])
def test_what_is_no_full_date_is_dropped(value: str) -> None:
    """A date that cannot be moved does not stay."""
    assert shift_date(value, days=-1) == ""


def test_old_style_dates_are_read() -> None:
    """ACR-NEMA dates with points (PS3.5 6.2) move like others."""
    assert shift_date("2021.07.15", days=-15) == "20210630"


@pytest.mark.parametrize(
    ("value", "moved"),
    [
        ("135915.648000", "140015.648000"),
        ("1359", "1400"),
        ("13", "13"),
        ("13:59:15", "140015"),
        ("235930", "000030"),
        ("2460", ""),
        ("246000", ""),
        ("Mittag", ""),
    ],
)
def test_times_move_with_their_precision_and_wrap_at_midnight(value: str, moved: str) -> None:
    """A TM value keeps its precision; what is no time does not stay."""
    assert shift_time(value, seconds=60) == moved


@pytest.mark.parametrize(
    ("value", "moved"),
    [
        ("20210715135915.5", "20210714140015.5"),
        ("20210715", "20210714"),
        ("20210715135915+0200", "20210714140015"),
        ("202107", ""),
        ("20210715245915", ""),
        ("20211315135915", ""),
    ],
)
def test_datetimes_move_like_their_date_and_time(value: str, moved: str) -> None:
    """A DT value moves as DA and TM do, and its UTC offset, which names a region, goes."""
    assert shift_datetime(value, days=-1, seconds=60) == moved
