"""A mistake in an override file, said by line and key: what was expected, and of what kind the value is that stands there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from myofed_node.mids.judging.override_yaml import Document
from myofed_schemas.mids import Part, Suffix

if TYPE_CHECKING:
    from pydantic import ValidationError

_NUMBER = "a number from -1000000 to 1000000"
EXPECTED = {
    "": "an override file of format myofed-overrides-1: `format`, then `rules` or `levels`",
    "format": "`myofed-overrides-1`",
    "rules": "a list of at most 1000 rules, each with `match` and what it says",
    "levels": "a list of at most 1000 levels, each with `series_instance_uid`",
    "match": "`protocol_name`, `series_description` or both, or `series_instance_uid` alone",
    "protocol_name": "a text of 1 to 64 characters",
    "series_description": "a text of 1 to 64 characters",
    "series_instance_uid": "the new SeriesInstanceUID, which begins with 2.25.",
    "suffix": "a suffix of the profile: " + ", ".join(Suffix),
    "part": ", ".join(Part),
    "unit": "percent, ms, 1/s or Hz",
    "scale": _NUMBER,
    "readout_mode": "Monopolar or Bipolar",
    "precession_direction": "Clockwise or Counterclockwise",
    "phase_range": "two numbers, [low, high]",
    "join": "`echoes`",
    "skip": "`true`",
    "bone": "femur or tibia",
    "proximal_z_mm": _NUMBER,
    "distal_z_mm": _NUMBER,
    "landmark": "3 to 41 small letters and blanks, e.g. knee joint",
    "landmark_z_mm": _NUMBER,
}
"""By the last key of a place; a test compares these with the keys that there are."""
ITEM = "keys with values"
UNKNOWN_KEY = "extra_forbidden"
OUR_WORDS = "value_error"
"""Kinds of errors of pydantic: a key that the document does not have, and a refusal of a validator of ours."""
_KINDS: tuple[tuple[type | tuple[type, ...], str], ...] = (
    (bool, "true or false"),
    ((int, float), "a number"),
    (str, "a text"),
    (dict, "keys with values"),
    (list, "a list"),
)
_NOTHING: object = object()


def first_mistake(error: ValidationError, document: Document) -> tuple[str, str]:
    """What was expected, with line and key, and what was found; of what stands there only its kind is told.

    A key that is not ours is somebody's text, and so is a value: neither is repeated.
    """
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    place = first["loc"]
    if first["type"] == UNKNOWN_KEY:
        return f"only documented keys {_where(document, place, place[:-1])}", "a key that is not known"
    if first["type"] == OUR_WORDS:
        expected, _, found = first["msg"].removeprefix("Value error, expected ").partition(", found ")
        return f"{expected} {_where(document, place, place)}", found
    return f"{_expected(place)} {_where(document, place, place)}", _kind(_value(document.value, place))


def _where(document: Document, place: Sequence[str | int], named: Sequence[str | int]) -> str:
    return f"in line {document.line(place)} ({'.'.join(map(str, named)) or 'the file'})"


def _expected(place: Sequence[str | int]) -> str:
    if place and place[-2:-1] in {("rules",), ("levels",)}:
        return ITEM
    return EXPECTED[next((part for part in reversed(place) if isinstance(part, str)), "")]


def _value(value: object, place: Sequence[str | int]) -> object:
    """What stands at the place, a mark where there is nothing."""
    for part in place:
        known = part in value if isinstance(value, dict) else isinstance(value, list) and part in range(len(value))
        if not known:
            return _NOTHING
        value = value[part]  # type: ignore[index]  # one of the two
    return value


def _kind(value: object) -> str:
    if value is _NOTHING or value is None:
        return "nothing"
    return f"another value ({next((word for kind, word in _KINDS if isinstance(value, kind)), 'of another kind')})"
