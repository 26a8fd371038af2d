"""Headers of explicit VR little endian files, read in a tenth of pydicom's time; each value is still decoded by pydicom.

Files of one series say the same again and again, so an element's bytes are decoded once and a sequence's once. What the reader
does not know to the last byte (another encoding, UN, damage) it leaves to pydicom.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from pydicom import Dataset
from pydicom.charset import convert_encodings
from pydicom.datadict import tag_for_keyword
from pydicom.dataelem import DataElement, RawDataElement, convert_raw_data_element
from pydicom.sequence import Sequence
from pydicom.tag import BaseTag, Tag

from myofed_anonymization.element_reader import LONG_VRS, SHORT_VRS

EXPLICIT_LITTLE = "1.2.840.10008.1.2.1"
ITEM = 0xFFFEE000
CHARACTER_SET = 0x00080005
PIXELS, PIXEL_DATA = 0x7FE00000, 0x7FE00010
"""Where the elements that hold pixels begin, at which a header ends; and the one of integers."""
MOST_LEVELS = 16
MOST_SHARED_BYTES = 4096
"""Longer sequences are not kept for the next file."""
MOST_TAGS = 4096
_LONG = {letters: letters.decode() for letters in LONG_VRS}
_TAGS: dict[int, BaseTag] = {}
_HEAD = struct.Struct("<HH2sH").unpack_from
_LENGTH = struct.Struct("<I").unpack_from
_ITEM_HEAD = struct.Struct("<HHI").unpack_from

Elements = dict[BaseTag, "DataElement | RawDataElement"]
Charset = tuple[str, ...]


class UnfamiliarError(ValueError):
    """These bytes are not what this reader knows; pydicom may read them."""


class Header(Dataset):
    """A Dataset to look elements up in, by keyword or tag; it shares its values with others and is not to be changed."""

    def __init__(self, elements: Elements, charset: Charset) -> None:
        super().__init__(elements)  # type: ignore[no-untyped-call, unused-ignore]
        object.__setattr__(self, "_elements_by_tag", elements)
        object.__setattr__(self, "_charset", charset)

    def __setattr__(self, name: str, value: Any) -> None:
        """An attribute, never an element: pydicom would look for a keyword of that name at each, some ten times a data set."""
        object.__setattr__(self, name, value)

    def __contains__(self, name: object) -> bool:
        """Whether the element is there."""
        return _tag(name) in self._elements_by_tag

    def __getitem__(self, key: Any) -> Any:
        """The element.

        Raises:
            KeyError: It is not there.
        """
        elements: Elements = self._elements_by_tag
        tag = _tag(key)
        if tag is None:
            raise KeyError(key)
        found = elements[tag]
        if isinstance(found, RawDataElement):
            if found.VR == "UN":  # pydicom looks for the creator of its block
                found = convert_raw_data_element(found, encoding=list(self._charset) or None, ds=self)
            else:
                found = _decoded(found, self._charset)
            elements[tag] = found
        return found

    def get(self, key: Any, default: Any = None) -> Any:
        """The value of the element with this keyword, or the element with this tag, as pydicom has it."""
        if key not in self:
            return default
        return self[key].value if isinstance(key, str) else self[key]


@dataclass(frozen=True)
class Span:
    """Where the bytes of an element's value lie in the file."""

    start: int
    length: int


@dataclass(frozen=True)
class Read:
    """A file's header and where its Pixel Data (7FE0,0010) lies.

    Attributes:
        pixels: None where the file has none.
    """

    header: Header
    pixels: Span | None


def read_header(content: bytes, start: int) -> Read:
    """The data set that begins at `start`, explicit VR little endian and not compressed.

    Args:
        content: The whole file.
        start: Behind the file meta information.

    Raises:
        UnfamiliarError: To be read by pydicom.
    """
    try:
        header, position = _level(content, start, len(content), (), levels=0)
        return Read(header, _pixels(content, position))
    except (struct.error, LookupError) as error:
        raise UnfamiliarError from error


def _level(content: bytes, position: int, end: int, charset: Charset, *, levels: int) -> tuple[Header, int]:
    """One data set or item of known length, and the position behind it or of the first element with pixels."""
    elements: Elements = {}
    last = -1
    while position < end:
        group, number, vr, length = _HEAD(content, position)
        tag = group << 16 | number
        if tag >= PIXELS:
            break
        name = SHORT_VRS.get(vr)
        if name:
            position += 8
        else:
            name = _LONG[vr]
            (length,) = _LENGTH(content, position + 8)
            position += 12
        stop = position + length
        if tag <= last or stop > end:  # so long is undefined length, too
            raise UnfamiliarError
        value, position, last = content[position:stop], stop, tag
        known = _TAGS.get(tag) or _base_tag(tag)
        if name == "SQ":
            elements[known] = _sequence(tag, value, charset, levels)
            continue
        elements[known] = RawDataElement(known, name, length, value, 0, False, True, True)
        if tag == CHARACTER_SET:
            charset = _encodings(value)
    return Header(elements, charset), position


def _sequence(tag: int, value: bytes, charset: Charset, levels: int) -> DataElement:
    if len(value) <= MOST_SHARED_BYTES:
        return _shared_sequence(tag, value, charset, levels)
    return _items(tag, value, charset, levels)


@lru_cache(maxsize=4096)
def _shared_sequence(tag: int, value: bytes, charset: Charset, levels: int) -> DataElement:
    return _items(tag, value, charset, levels)


def _items(tag: int, value: bytes, charset: Charset, levels: int) -> DataElement:
    """The sequence whose items are in these bytes, each of known length (PS3.5 7.5)."""
    if levels == MOST_LEVELS:
        raise UnfamiliarError
    items, position = [], 0
    while position < len(value):
        group, number, length = _ITEM_HEAD(value, position)
        start = position + 8
        position = start + length
        if group << 16 | number != ITEM or position > len(value):
            raise UnfamiliarError
        item, stop = _level(value, start, position, charset, levels=levels + 1)
        if stop != position:
            raise UnfamiliarError
        items.append(item)
    return DataElement(_base_tag(tag), "SQ", Sequence(items), already_converted=True)


def _pixels(content: bytes, position: int) -> Span | None:
    """Where Pixel Data lies, from the first element of its group on."""
    while position < len(content):
        group, number, vr, length = _HEAD(content, position)
        position += 8
        if vr not in SHORT_VRS:
            (length,) = _LENGTH(content, position)
            position += 4
        if group << 16 | number == PIXEL_DATA:
            if position + length > len(content):
                raise UnfamiliarError
            return Span(position, length)
        position += length
    return None


@lru_cache(maxsize=8192)
def _tag(key: Any) -> BaseTag | None:
    """The tag of this keyword or number; None where there is none."""
    number = tag_for_keyword(key) if isinstance(key, str) else Tag(key)
    return None if number is None else _base_tag(number)


def _base_tag(tag: int) -> BaseTag:
    """One object a tag: found by identity, which spares pydicom's comparison."""
    if len(_TAGS) >= MOST_TAGS:
        _TAGS.clear()
    return _TAGS.setdefault(tag, BaseTag(tag))


@lru_cache(maxsize=16384)
def _decoded(raw: RawDataElement, charset: Charset) -> DataElement:
    return convert_raw_data_element(raw, encoding=list(charset) or None)


@lru_cache(maxsize=64)
def _encodings(value: bytes) -> Charset:
    names = [name.strip() for name in value.decode("latin-1").strip(" \0").split("\\")]
    return tuple(convert_encodings(names if len(names) > 1 else names[0] or None))
