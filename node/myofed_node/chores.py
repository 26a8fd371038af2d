"""What the service does now and then beside its beats; an error of one chore stops no other, and is told as a code."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from myofed_schemas.errors import MyofedError


@dataclass
class Chore:
    """One thing to do.

    Attributes:
        do: Does it; `now` is its argument.
        every: Time between two.
        due: When it is done next; None is at once.
    """

    do: Callable[[datetime], object]
    every: timedelta
    due: datetime | None = None


def do_chores(chores: Sequence[Chore], *, now: datetime) -> str:
    """Every chore that was due has been tried, and is due again after its time.

    Args:
        chores: In the order in which they are done.
        now: UTC.

    Returns:
        The code of the first that failed; empty where none did.
    """
    codes = []
    for chore in chores:
        if chore.due is None or now >= chore.due:
            chore.due = now + chore.every
            codes.append(code_of(partial(chore.do, now)))
    return next((code for code in codes if code), "")


def code_of(part: Callable[[], object]) -> str:
    """Empty where the part was done, else its code."""
    try:
        part()
    except MyofedError as error:
        return error.code
    except OSError:
        return "SYSTEM_ERROR"
    return ""
