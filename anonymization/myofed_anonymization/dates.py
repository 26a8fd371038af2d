"""Dates and times shifted per patient (PS3.15 E.3.6, Retain Longitudinal With Modified Dates).

All dates of a patient move back by the same whole number of days, so that intervals stay; all times of day move forward
by the same number of seconds, below one hour. A time that passes midnight wraps and its date does not move with it:
intervals between dates are exact, intervals between times are exact except across the wrap.
"""

from __future__ import annotations

import datetime as dt
import re

from myofed_anonymization.keys import SiteKeys

SHIFT_DAYS_MIN, SHIFT_DAYS_MAX = 366, 3650
SHIFT_SECONDS_MIN, SHIFT_SECONDS_MAX = 60, 3540
_DAY_SECONDS = 86_400
_DATE = re.compile(r"(\d{4})\.?(\d{2})\.?(\d{2})")
_TIME = re.compile(r"(\d{2})(?::?([0-5]\d)(?::?([0-5]\d)(\.\d{1,6})?)?)?")
_DATETIME = re.compile(r"(\d{8})(\d{2,6}(?:\.\d{1,6})?)?([+-]\d{4})?")


def date_shift_days(keys: SiteKeys, *, issuer: str, patient_id: str) -> int:
    """The whole days that every date of this patient moves by: -3650 to -366, keyed, always the same."""
    return -_keyed_range(keys.mac("date", issuer.strip(), patient_id.strip()), SHIFT_DAYS_MIN, SHIFT_DAYS_MAX)


def time_shift_seconds(keys: SiteKeys, *, issuer: str, patient_id: str) -> int:
    """The seconds that every time of day of this patient moves by: 60 to 3540, keyed, always the same."""
    return _keyed_range(keys.mac("time", issuer.strip(), patient_id.strip()), SHIFT_SECONDS_MIN, SHIFT_SECONDS_MAX)


def _keyed_range(code: bytes, low: int, high: int) -> int:
    return low + int.from_bytes(code[:8], "big") % (high - low + 1)


def shift_date(value: str, *, days: int) -> str:
    """The DA value moved by `days`; the empty string when it is no full date or leaves the calendar (PS3.5 6.2, DA)."""
    match = _DATE.fullmatch(value)
    if not match:
        return ""
    try:
        moved = dt.date(*map(int, match.groups())) + dt.timedelta(days=days)
    except (ValueError, OverflowError):
        return ""
    return f"{moved.year:04d}{moved.month:02d}{moved.day:02d}"


def shift_time(value: str, *, seconds: int) -> str:
    """The TM value moved by `seconds` within its day, as precise as before; empty when it is no time (PS3.5 6.2, TM)."""
    match = _TIME.fullmatch(value)
    if not match or int(match[1]) > 23:
        return ""
    hour, minute, second = (int(part or 0) for part in match.group(1, 2, 3))
    moved = (hour * 3600 + minute * 60 + second + seconds) % _DAY_SECONDS
    text = f"{moved // 3600:02d}{moved // 60 % 60:02d}{moved % 60:02d}"
    precision = 2 * sum(part is not None for part in match.group(1, 2, 3))
    return text[:precision] + (match[4] or "")


def shift_datetime(value: str, *, days: int, seconds: int) -> str:
    """The DT value with its date and its time moved as DA and TM are, its UTC offset dropped; empty when not a full date.

    The offset names a region (it is removed from the data set too, TimezoneOffsetFromUTC).
    """
    match = _DATETIME.fullmatch(value)
    if not match:
        return ""
    date = shift_date(match[1], days=days)
    time = shift_time(match[2], seconds=seconds) if match[2] else ""
    return date + time if date and (time or not match[2]) else ""
