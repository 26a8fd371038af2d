"""Siemens' measurement protocol (MrPhoenixProtocol, an XProtocol): the numbers of its ASCCONV block, and nothing else of it."""

from __future__ import annotations

import re

BEGIN, END = "### ASCCONV BEGIN", "### ASCCONV END"
MAX_INDEX = 4095
"""Of an array's element; a larger one makes the array unusable."""
_NUMBER = re.compile(r"[+-]?\d{1,19}(\.\d{0,19})?([eE][+-]?\d{1,3})?", re.ASCII)
_HEXADECIMAL = re.compile(r"0[xX][0-9a-fA-F]{1,8}")
_INDEX = re.compile(r"\d{1,4}", re.ASCII)


class XProtocolDamagedError(ValueError):
    """The text has the beginning of an ASCCONV block and not its end."""


def number_of(text: str) -> float | None:
    """The decimal or hexadecimal (0x) number that the text is; None when it is anything else."""
    if _NUMBER.fullmatch(text):
        return float(text)
    return float(int(text, 16)) if _HEXADECIMAL.fullmatch(text) else None


def ascconv_numbers(text: str, *, names: frozenset[str]) -> dict[str, tuple[float, ...]]:
    """The numbers of these names in the ASCCONV block; none where the text has no block.

    Lines are `name = value` or `name[index] = value`. Siemens leaves zeros out, so an element that is missing below the
    last one is 0 (`sSliceArray.alSliceAcqOrder` never has index 0). A name with anything but numbers, with two values in
    one place or with an index beyond MAX_INDEX is left out whole.

    Args:
        text: The protocol, decoded as Latin-1.
        names: Names without index, as `alTE` and `sKSpace.lBaseResolution`.

    Raises:
        XProtocolDamagedError: The block has no end.
    """
    begin = text.find(BEGIN)
    if begin < 0:
        return {}
    end = text.find(END, begin)
    if end < 0:
        raise XProtocolDamagedError("expected an ASCCONV block with an end, found none")
    found: dict[str, dict[int, float]] = {}
    unusable: set[str] = set()
    for line in text[begin:end].split("\n"):
        left, _, right = line.partition("=")
        name, _, index = left.strip().partition("[") if left.rstrip().endswith("]") else (left.strip(), "", "0]")
        if name not in names:
            continue
        place, number = _place(index), number_of(right.partition("#")[0].strip())
        elements = found.setdefault(name, {})
        if place is None or number is None or place in elements:
            unusable.add(name)
        else:
            elements[place] = number
    return {name: _filled(elements) for name, elements in found.items() if name not in unusable}


def _place(index: str) -> int | None:
    """The index before the bracket that closes it; None when it is none or too large."""
    digits = index.removesuffix("]")
    return int(digits) if _INDEX.fullmatch(digits) and int(digits) <= MAX_INDEX else None


def _filled(elements: dict[int, float]) -> tuple[float, ...]:
    return tuple(elements.get(index, 0.0) for index in range(max(elements) + 1))
