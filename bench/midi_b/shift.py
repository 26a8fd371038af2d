"""Our own question beside the score: do all dates of a patient move by the one keyed number of days?

The benchmark asks only that the old date is gone; intervals would be lost unseen.
"""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass

_DATE = re.compile(r"\d{8}")


@dataclass
class Shift:
    """How many dates that have a date in the output were looked at, and how many moved by their patient's days."""

    looked_at: int = 0
    kept_interval: int = 0

    def look_at(self, old: str, new: str, *, days: int) -> None:
        """Counts this date, when old and new value are one full date each (DA)."""
        if not (_DATE.fullmatch(old) and _DATE.fullmatch(new)):
            return
        try:
            moved = dt.datetime.strptime(new, "%Y%m%d") - dt.datetime.strptime(old, "%Y%m%d")  # noqa: DTZ007  dates only
        except ValueError:
            return
        self.looked_at += 1
        self.kept_interval += moved.days == days
