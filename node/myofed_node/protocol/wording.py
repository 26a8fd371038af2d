"""Numbers and limits in words, the same on screens, pages and sheets."""

from __future__ import annotations

from collections.abc import Sequence

from myofed_schemas.protocol import ChoiceLimit, Range, RangeLimit

AnyLimit = RangeLimit | ChoiceLimit
UNIT_SIGNS = {"degrees": "°", "percentage points": "pp", "percent of a cycle": "% of a cycle"}
"""Shorter than the unit's name where a column is narrow."""


def number(value: float) -> str:
    """At most four significant digits, no exponent for what scanners show."""
    return f"{round(value, 6):.4g}"


def with_unit(value: float | str, unit: str) -> str:
    """A found value as people read it."""
    if isinstance(value, str):
        return value
    sign = UNIT_SIGNS.get(unit, unit)
    return f"{number(value)}{'' if sign == '°' else ' '}{sign}"


def passing(limit: AnyLimit) -> str:
    """What passes."""
    return _words(limit.passes) if isinstance(limit, ChoiceLimit) else _ranges(limit.passes, limit.unit)


def warning(limit: AnyLimit) -> str:
    """What warns; `nothing` where all that does not pass fails, `all else` where nothing fails."""
    if not limit.warns:
        return "nothing"
    if isinstance(limit, ChoiceLimit):
        return _words(limit.warns)
    return "all else" if not all(one.bounded for one in limit.warns) else _ranges(limit.warns, limit.unit)


def field(limit: AnyLimit) -> str:
    """Where a limit holds: empty, or like `at 2.8 to 3.1 T`."""
    return field_strengths(limit.at_tesla) if limit.at_tesla else ""


def field_strengths(tesla: Range) -> str:
    """Like `at 2.8 to 3.1 T`."""
    return f"at {_range(tesla)} T"


def _words(words: Sequence[str]) -> str:
    return " or ".join(words)


def _ranges(ranges: Sequence[Range], unit: str) -> str:
    return " or ".join(_range(one) for one in ranges) + f" {UNIT_SIGNS.get(unit, unit)}".replace(" °", "°")


def _range(one: Range) -> str:
    if one.low is None:
        return f"at most {number(one.high)}" if one.high is not None else "any"
    return f"at least {number(one.low)}" if one.high is None else f"{number(one.low)} to {number(one.high)}"
