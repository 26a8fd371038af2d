"""What the output will hold, and its encoding: tags with VR and bytes, sequences as tuples of such items (PS3.5 7).

Elements are written as they were decided on, byte for byte, in ascending order of tags; sequences with explicit lengths.
"""

from __future__ import annotations

from struct import Struct
from typing import NamedTuple

UNDEFINED = 0xFFFFFFFF
LONG_VRS = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV"})
"""Explicit VRs with a length of four bytes (PS3.5 7.1.2)."""
_MAX_SHORT = 0xFFFE


class CleanElement(NamedTuple):
    """One element of the output; `fragments` marks encapsulated pixels, whose length is not written (PS3.5 A.4)."""

    vr: str
    value: bytes | tuple[Clean, ...]
    fragments: bool = False


Clean = dict[int, CleanElement]
"""A data set or an item of the output, by tag."""


def clean_element(vr: str, value: bytes) -> CleanElement:
    """The value padded to even length (PS3.5 7.1.1) under its VR; the first one where the dictionary has several."""
    padded = value + (b"\0" if vr in {"UI", "OB", "UN"} else b" ") if len(value) % 2 else value
    return CleanElement(vr.split(" or ", maxsplit=1)[0], padded)


def encoded(dataset: Clean, *, implicit: bool, little: bool) -> bytes:
    """The data set's bytes in one of the three uncompressed encodings."""
    return _Encoder(implicit=implicit, little=little).dataset(dataset)


class _Encoder:
    __slots__ = ("_implicit", "_long", "_plain", "_short")

    def __init__(self, *, implicit: bool, little: bool) -> None:
        order = "<" if little else ">"
        self._implicit = implicit
        self._plain, self._short, self._long = (
            Struct(f"{order}HHI").pack,
            Struct(f"{order}HH2sH").pack,
            Struct(f"{order}HH2s2xI").pack,
        )

    def dataset(self, dataset: Clean) -> bytes:
        parts: list[bytes] = []
        for tag in sorted(dataset):
            vr, value, fragments = dataset[tag]
            if isinstance(value, tuple):
                items = [self.dataset(item) for item in value]
                value = b"".join(self._plain(0xFFFE, 0xE000, len(item)) + item for item in items)
            length = UNDEFINED if fragments else len(value)
            parts += (self._header(tag, vr, length), value)
            if fragments:
                parts.append(self._plain(0xFFFE, 0xE0DD, 0))
        return b"".join(parts)

    def _header(self, tag: int, vr: str, length: int) -> bytes:
        group, number = tag >> 16, tag & 0xFFFF
        if self._implicit:
            return self._plain(group, number, length)
        if vr in LONG_VRS:
            return self._long(group, number, vr.encode(), length)
        if length > _MAX_SHORT:  # PS3.5 6.2.2, note 2: a value too long for its VR is written as UN
            return self._long(group, number, b"UN", length)
        return self._short(group, number, vr.encode(), length)
