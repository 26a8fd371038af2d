"""A reader of DICOM bytes for the verification: bounded, and independent of the one that the actions read with.

What a hostile or odd file could make one reader overlook, the other sees: the actions work on pydicom's elements, the
verification on these. It runs before pydicom touches a file, so that depth, number and length of elements are bounded there.
Tolerances (each as pydicom has it): VR letters that are none mean implicit VR for that element; UN is read by the dictionaries;
fewer than eight bytes at the end are nobody's; the last value of a file may be cut short.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from struct import Struct
from typing import Final, NamedTuple

from pydicom.charset import convert_encodings, decode_bytes
from pydicom.datadict import dictionary_VR, private_dictionary_VR

from myofed_anonymization.part10 import EXPLICIT_BIG, IMPLICIT_LITTLE, meta_elements
from myofed_anonymization.policy import Policy
from myofed_anonymization.withheld import WithheldError
from myofed_schemas.deid import WithheldCode

PIXEL_DATA: Final = 0x7FE00010
CHARACTER_SET: Final = 0x00080005
ITEM, ITEM_END, SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
UNDEFINED = 0xFFFFFFFF
LONG_VRS = frozenset({b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"})
"""Explicit VRs with a length of four bytes (PS3.5 7.1.2)."""
_SHORT = (
    "AE",
    "AS",
    "AT",
    "CS",
    "DA",
    "DS",
    "DT",
    "FD",
    "FL",
    "IS",
    "LO",
    "LT",
    "PN",
    "SH",
    "SL",
    "SS",
    "ST",
    "TM",
    "UI",
    "UL",
    "US",
)
SHORT_VRS = {vr.encode(): vr for vr in _SHORT}
"""Explicit VRs with a length of two bytes, by their letters in the file (PS3.5 7.1.2)."""
WHOLE_VRS = frozenset({"ST", "LT", "UT", "UR"})
"""One value each, in which a backslash is a character (PS3.5 6.4)."""
_PN_ENDS, _TEXT_ENDS = frozenset({0x5C, 0x5E, 0x3D}), frozenset({0x0D, 0x0A, 0x09, 0x0C})
"""Characters after which an ISO 2022 text is in its first character set again (PS3.5 6.1.2.5.3)."""

Path = tuple[int, ...]
"""Tags and item numbers from the top of the data set, in turn; the last is the element's tag."""


class Element(NamedTuple):
    """One element: where, what, and its bytes (none for sequences and for Pixel Data at the top)."""

    path: Path
    tag: int
    vr: str
    value: bytes
    charset: tuple[str, ...]
    items: int


@dataclass(slots=True)
class Content:
    """A file's elements by path, a sequence before its items' elements; where Pixel Data lies; meta elements apart."""

    transfer_syntax: str
    meta: list[Element]
    elements: dict[Path, Element] = field(default_factory=dict)
    pixels: tuple[int, int] = (0, 0)


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a file may ask of us."""

    depth: int
    elements: int
    element_bytes: int

    @classmethod
    def from_policy(cls, policy: Policy) -> Bounds:
        """The policy's limits."""
        return cls(policy.max_depth, policy.max_elements, policy.max_element_bytes)


def read_elements(content: bytes, *, bounds: Bounds) -> Content:
    """All elements of a Part 10 file that is not deflated.

    Raises:
        WithheldError: DICOM_DAMAGED, NESTED_TOO_DEEP, TOO_MANY_ELEMENTS or ELEMENT_TOO_LONG.
    """
    raw_meta, start = meta_elements(content)
    meta = [Element((tag,), tag, vr, value, ("iso8859",), -1) for tag, vr, value in raw_meta]
    syntax = next((one.value.rstrip(b" \0").decode("latin-1") for one in meta if one.tag == 0x00020010), "")
    found = Content(syntax, meta)
    reader = _Reader(content, bounds, found, little=syntax != EXPLICIT_BIG)
    level = _Level((), explicit=syntax != IMPLICIT_LITTLE, charset=("iso8859",), depth=0)
    reader.read_level(start, len(content), level)
    return found


def texts_of(element: Element) -> tuple[str, ...]:
    """The decoded values of a text element, stripped, empty ones left out."""
    return _texts(element.value, element.vr, element.charset)


@lru_cache(maxsize=4096)
def _texts(value: bytes, vr: str, charset: tuple[str, ...]) -> tuple[str, ...]:
    """The same value stands in the files of a series again and again."""
    if value.isascii() and b"\x1b" not in value:
        text = value.decode("ascii")
    else:
        text = decode_bytes(value, list(charset), set(_PN_ENDS if vr == "PN" else _TEXT_ENDS))
    parts = [text] if vr in WHOLE_VRS else text.split("\\")
    return tuple(stripped for part in parts if (stripped := part.strip(" \0")))


def is_private(tag: int) -> bool:
    """Whether the group is odd."""
    return bool(tag >> 16 & 1)


@dataclass(frozen=True, slots=True)
class _Level:
    """Where a data set or an item stands, and how it is encoded."""

    path: Path
    explicit: bool
    charset: tuple[str, ...]
    depth: int


class _Reader:
    """Walks the bytes once; `found` grows."""

    __slots__ = ("_bounds", "_content", "_explicit", "_found", "_implicit", "_long", "_read")

    def __init__(self, content: bytes, bounds: Bounds, found: Content, *, little: bool) -> None:
        order = "<" if little else ">"
        self._content = content
        self._bounds = bounds
        self._found = found
        self._read = 0
        self._explicit, self._implicit, self._long = Struct(f"{order}HH2sH"), Struct(f"{order}HHI"), Struct(f"{order}I")

    def read_level(  # noqa: C901, PLR0912  the innermost loop: each call in it costs a tenth of the time
        self, position: int, end: int, level: _Level, *, delimited: bool = False
    ) -> int:
        """All elements of one data set or item are found; returns the position behind it."""
        elements, most = self._found.elements, self._bounds.elements
        longest = min(self._bounds.element_bytes, UNDEFINED - 1)
        content, unpack, is_top = self._content, self._explicit.unpack_from, level.depth == 0
        creators: dict[int, str] = {}
        charset = level.charset
        while end - position >= 8:
            group, number, letters, length = unpack(content, position)
            if level.explicit and letters in SHORT_VRS and group != 0xFFFE:  # what _header says of nearly all elements
                tag, vr, start = group << 16 | number, SHORT_VRS[letters], position + 8
            else:
                tag, vr, length, start = self._header(position, end, explicit=level.explicit)
            if tag == ITEM_END and delimited:
                return position + 8
            self._read += 1
            if self._read > most:
                raise WithheldError(WithheldCode.TOO_MANY_ELEMENTS)
            path = (*level.path, tag)
            if path in elements:  # which of two values is meant, readers do not agree on
                raise WithheldError(WithheldCode.DICOM_DAMAGED)
            was_unknown = vr == "UN"
            vr = vr if vr and not was_unknown else _vr_of(tag, creators.get(tag >> 8, ""))
            if vr == "SQ" or (length == UNDEFINED and vr not in {"OB", "OW"}):
                inner = _Level(path, level.explicit and not was_unknown, charset, level.depth + 1)
                behind = self._items_or_bytes(start, end, length, inner, sure=not was_unknown or length == UNDEFINED)
                if behind >= 0:
                    position = behind
                    continue
                vr = "UN"
            stop = start + length
            if stop <= end and length <= longest and tag != PIXEL_DATA:  # what _value says of nearly all elements
                position, value = stop, content[start:stop]
            else:
                position, value = self._value(tag, start, end, length, top=is_top)
            if tag == CHARACTER_SET:
                charset = _encodings(value)
            elif group & 1 and number <= 0xFF:
                creators[tag >> 8 & 0xFFFF00 | number] = value.decode("latin-1").strip(" \0")
            elements[path] = Element(path, tag, vr, value, charset, -1)
        if delimited:
            raise WithheldError(WithheldCode.DICOM_DAMAGED)
        return end

    def _header(self, position: int, end: int, *, explicit: bool) -> tuple[int, str, int, int]:
        """Tag, VR ("" when the encoding has none, "UN" when its letters are none), length and start of the value."""
        group, number, letters, length = self._explicit.unpack_from(self._content, position)
        tag = group << 16 | number
        if not explicit or group == 0xFFFE or not (letters.isalpha() and letters.isupper()):
            return tag, "UN" if explicit else "", self._length(position + 4, end), position + 8
        if letters in LONG_VRS:
            return tag, letters.decode("ascii"), self._length(position + 8, end), position + 12
        return tag, letters.decode("ascii"), length, position + 8

    def _length(self, position: int, end: int) -> int:
        if end - position < 4:
            raise WithheldError(WithheldCode.DICOM_DAMAGED)
        (length,) = self._long.unpack_from(self._content, position)
        return int(length)

    def _value(self, tag: int, start: int, end: int, length: int, *, top: bool) -> tuple[int, bytes]:
        """The position behind the value, and its bytes; of Pixel Data at the top only the place is noted."""
        is_image = top and tag == PIXEL_DATA
        position = start + length if length != UNDEFINED else self._end_of_fragments(start, end)
        if position > end:
            if not is_image:
                raise WithheldError(WithheldCode.DICOM_DAMAGED)
            position = end
        if is_image:
            self._found.pixels = (start, position - 8 * (length == UNDEFINED))
            return position, b""
        if position - start > self._bounds.element_bytes:
            raise WithheldError(WithheldCode.ELEMENT_TOO_LONG)
        return position, self._content[start:position]

    def _end_of_fragments(self, position: int, end: int) -> int:
        """The position behind the sequence delimiter of encapsulated pixels (PS3.5 A.4)."""
        while end - position >= 8:
            group, number, fragment = self._implicit.unpack_from(self._content, position)
            tag, position = group << 16 | number, position + 8
            if tag == SEQUENCE_END:
                return position
            position += fragment
            if tag != ITEM:
                break
        raise WithheldError(WithheldCode.DICOM_DAMAGED)

    def _items_or_bytes(self, start: int, end: int, length: int, level: _Level, *, sure: bool) -> int:
        """The position behind the sequence; -1 for bytes written as UN that the dictionary calls a sequence and that are none."""
        elements = self._found.elements
        known = len(elements)
        try:
            return self._sequence(start, end, length, level)
        except WithheldError as refusal:
            if sure or refusal.reason is not WithheldCode.DICOM_DAMAGED:
                raise
            while len(elements) > known:
                elements.popitem()
            return -1

    def _sequence(self, start: int, end: int, length: int, level: _Level) -> int:
        """The sequence and its items are found; returns the position behind it."""
        if level.depth > self._bounds.depth:
            raise WithheldError(WithheldCode.NESTED_TOO_DEEP)
        stop = end if length == UNDEFINED else start + length
        if stop > end:
            raise WithheldError(WithheldCode.DICOM_DAMAGED)
        found = self._found.elements
        found[level.path] = Element(level.path, level.path[-1], "SQ", b"", level.charset, 0)
        position, items = start, 0
        while stop - position >= 8:
            group, number, item_length = self._implicit.unpack_from(self._content, position)
            tag, position = group << 16 | number, position + 8
            if tag == SEQUENCE_END and length == UNDEFINED:
                stop = position
                break
            item_stop = stop if item_length == UNDEFINED else position + item_length
            if tag != ITEM or item_stop > stop:
                raise WithheldError(WithheldCode.DICOM_DAMAGED)
            item = _Level((*level.path, items), level.explicit, level.charset, level.depth)
            position = self.read_level(position, item_stop, item, delimited=item_length == UNDEFINED)
            items += 1
        else:
            stop = -1 if length == UNDEFINED else stop
        if position != stop:
            raise WithheldError(WithheldCode.DICOM_DAMAGED)
        found[level.path] = found[level.path]._replace(items=items)
        return position


@lru_cache(maxsize=8192)
def _vr_of(tag: int, creator: str) -> str:
    """The VR by the dictionaries, for implicit VR and for elements written as UN; UN when nobody knows it."""
    if tag & 0xFFFF == 0:
        return "UL"
    try:
        if not is_private(tag):
            return dictionary_VR(tag).split(" or ", maxsplit=1)[0]
        return "LO" if 0x10 <= tag & 0xFFFF <= 0xFF else private_dictionary_VR(tag, creator)
    except KeyError:
        return "UN"


@lru_cache(maxsize=64)
def _encodings(value: bytes) -> tuple[str, ...]:
    names = [part.strip() for part in value.decode("latin-1").strip(" \0").split("\\")]
    return tuple(convert_encodings(names if len(names) > 1 else names[0] or "iso8859"))
