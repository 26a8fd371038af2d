"""Times as they stand in reports: UTC, to the second."""

from __future__ import annotations

from datetime import UTC, datetime

FORMAT = "%Y-%m-%dT%H:%M:%SZ"


def utc_time(moment: datetime) -> str:
    """The moment as UtcTime text, e.g. `2026-11-22T10:00:00Z`.

    Raises:
        ValueError: `moment` has no time zone.
    """
    if moment.tzinfo is None:
        msg = "expected a time with its zone"
        raise ValueError(msg)
    return moment.astimezone(UTC).strftime(FORMAT)


def parse_utc_time(text: str) -> datetime:
    """The moment that UtcTime text names.

    Raises:
        ValueError: The text has another form.
    """
    return datetime.strptime(text, FORMAT).replace(tzinfo=UTC)
