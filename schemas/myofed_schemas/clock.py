"""Moments and their text on the wire: UTC, ISO 8601, to the second."""

from __future__ import annotations

from datetime import UTC, datetime

_FORMAT = "%Y-%m-%dT%H:%M:%SZ"


def utc_text(moment: datetime) -> str:
    """The `UtcTime` of this moment; fractions of a second are cut.

    Args:
        moment: Aware; any zone.

    Raises:
        ValueError: The moment has no time zone.
    """
    if moment.tzinfo is None:
        msg = "moment has no time zone, expected an aware one"
        raise ValueError(msg)
    return moment.astimezone(UTC).strftime(_FORMAT)


def utc_moment(text: str) -> datetime:
    """The aware moment that a `UtcTime` names.

    Raises:
        ValueError: Not of the form 2026-01-31T23:59:59Z.
    """
    return datetime.strptime(text, _FORMAT).replace(tzinfo=UTC)


def system_now() -> datetime:
    """This machine's clock; asked at the rim only (cli.py, process entry points), passed down as a value or callable."""
    return datetime.now(tz=UTC)
