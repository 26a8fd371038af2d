"""Which fields of a document are not of the expected form, for whoever sent it: never what was sent, nor a name that was made up."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from myofed_schemas.errors import FieldFault

MOST = 10
"""Faults told at a time."""
PLACES = frozenset({"body", "query", "path", "header", "cookie"})
UNKNOWN = "*"
"""Stands for a part of a path that is not a name of the documented form: the sender chose it."""
_EXPECTED = {
    "missing": "a value",
    "extra_forbidden": "no field but the documented ones",
    "json_invalid": "JSON",
    "value_error": "what the documentation of these fields asks for together",
    "assertion_error": "what the documentation of these fields asks for together",
}
_BOUNDS = {
    "pattern": "of the form {}",
    "min_length": "of length {} at least",
    "max_length": "of length {} at most",
    "ge": "{} at least",
    "gt": "more than {}",
    "le": "{} at most",
    "lt": "less than {}",
    "multiple_of": "a multiple of {}",
}
"""Of a fault's context only these are told: they are of the documented form, and not of what was sent."""
_CHOICES = frozenset({"enum", "literal_error"})


def field_faults(errors: Iterable[Mapping[str, Any]], *, known: Collection[str]) -> tuple[FieldFault, ...]:
    """The first faults, each with its path and the form that is expected there.

    Args:
        errors: As pydantic's `ValidationError.errors()` gives them.
        known: Names that the documented form has (`names_of`).
    """
    found = dict.fromkeys((_path(error, known), _expected(error)) for error in errors)
    return tuple(FieldFault(field=path[:200], expected=_ascii(expected)[:400]) for path, expected in [*found][:MOST])


def names_of(schema: object) -> frozenset[str]:
    """Every name of a field or parameter in a JSON Schema or OpenAPI document."""
    return frozenset(_names(schema))


def _path(error: Mapping[str, Any], known: Collection[str]) -> str:
    parts: list[int | str] = [*error["loc"]]
    if error["type"] in {"extra_forbidden", "json_invalid"}:
        parts = parts[:-1]  # a name that the sender made up; a place in the text
    said = (str(part) if isinstance(part, int) or part in known or part in PLACES else UNKNOWN for part in parts)
    return ".".join(said) or "document"


def _expected(error: Mapping[str, Any]) -> str:
    kind, context = str(error["type"]), error.get("ctx", {})
    if kind in _EXPECTED:
        return _EXPECTED[kind]
    if kind in _CHOICES:
        return str(context["expected"])
    for name, words in _BOUNDS.items():
        if name in context:
            return words.format(context[name])
    return kind.replace("_", " ").removesuffix(" type").removesuffix(" parsing")


def _ascii(text: str) -> str:
    """A pattern may have signs of other alphabets, and blanks that are no space."""
    return "".join(sign if " " <= sign <= "~" else ascii(sign)[1:-1] for sign in text)


def _names(schema: object) -> Iterator[str]:
    if isinstance(schema, Mapping):
        properties = schema.get("properties")
        yield from properties if isinstance(properties, Mapping) else ()
        if isinstance(schema.get("in"), str) and isinstance(schema.get("name"), str):
            yield schema["name"]
        for value in schema.values():
            yield from _names(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from _names(value)
