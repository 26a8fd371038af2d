"""How values are said on a page: times in UTC, counts with what was withheld, sizes, digests."""

from __future__ import annotations

from datetime import datetime, timedelta

from markupsafe import Markup, escape

from myofed_schemas.catalog import SuppressedCount
from myofed_schemas.clock import utc_moment

SHORT_DIGEST = 12


def when(text: str | None) -> Markup:
    """A `UtcTime` as people read it, the exact one in the element's attribute; `-` for none.

    Args:
        text: E.g. `2026-11-22T12:00:00Z`, shown as `22 Nov 2026, 12:00 UTC`.
    """
    if text is None:
        return Markup("-")
    return Markup('<time datetime="{}">{} UTC</time>').format(text, f"{utc_moment(text):%-d %b %Y, %H:%M}")


def elapsed(past: timedelta) -> str:
    """How long ago, in one unit."""
    seconds = max(0, int(past.total_seconds()))
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit} ago"
    return f"{seconds} s ago"


def ago(text: str | None, *, now: datetime) -> str:
    """How long ago this `UtcTime` was; `never` for none."""
    return "never" if text is None else elapsed(now - utc_moment(text))


def count(value: SuppressedCount) -> Markup:
    """A count as the hospital let it out, and that it was rounded or withheld."""
    if value.value is None:
        return Markup('<span class="quiet">withheld</span>')
    if value.rounded_to == 1:
        return Markup("{}").format(value.value)
    return Markup('{} <span class="quiet">(to {})</span>').format(value.value, value.rounded_to)


def size(number: int) -> str:
    """Bytes in the unit that leaves one to four digits, decimal prefixes."""
    for unit, factor in (("GB", 10**9), ("MB", 10**6), ("kB", 1000)):
        if number >= factor:
            return f"{number / factor:.1f} {unit}"
    return f"{number} B"


def score(value: float | None) -> str:
    """A Dice or a loss; `-` where there is none."""
    return "-" if value is None else f"{value:.3f}"


def short(digest: str) -> Markup:
    """The beginning of a digest, the whole of it in the title."""
    return Markup('<code title="{}">{}</code>').format(digest, digest[:SHORT_DIGEST])


def pill(state: str) -> Markup:
    """A state as a word with a mark; colour only repeats what the word says."""
    name = "".join(c if c.isalnum() else "-" for c in state.lower())
    return Markup('<span class="pill pill-{}">{}</span>').format(name, escape(state))
