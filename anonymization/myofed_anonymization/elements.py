"""Elements as they lie in the file: bytes in, bytes out, decoded only where an action needs the text."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, cast

from pydicom.charset import convert_encodings, decode_bytes
from pydicom.datadict import dictionary_VR
from pydicom.dataelem import DataElement, RawDataElement, convert_raw_data_element
from pydicom.dataset import Dataset
from pydicom.tag import BaseTag

TEXT = frozenset({"LO", "SH", "ST", "LT", "UT", "UC"})
"""Free text: cleaned by vocabulary."""
STRINGS = TEXT | {"AE", "AS", "CS", "DA", "DS", "DT", "IS", "PN", "TM", "UI", "UR"}
NUMBERS = frozenset({"AT", "FD", "FL", "SL", "SS", "SV", "UL", "US", "UV", "US or SS"})
NUMBER_BYTES = {"AT": 4, "FD": 8, "FL": 4, "SL": 4, "SS": 2, "SV": 8, "UL": 4, "US": 2, "UV": 8, "US or SS": 2}
WITHOUT_BACKSLASH = frozenset({"ST", "LT", "UT", "UR"})
"""One value each: the backslash does not separate (PS3.5 6.4)."""

PIXEL_REPRESENTATION = BaseTag(0x00280103)
LONGEST_SEQUENCE = 1 << 14
"""Bytes of a sequence that is remembered decoded."""


@lru_cache(maxsize=8192)
def standard_vr(tag: int) -> str:
    """The VR of PS3.6 for a standard tag; the empty string for a tag that the dictionary does not know."""
    try:
        return dictionary_VR(tag)
    except KeyError:
        return ""


def value_bytes(element: DataElement | RawDataElement) -> bytes:
    """The value as in the file, without padding.

    Raises:
        TypeError: The element was decoded to something else than text (only SpecificCharacterSet is decoded on reading).
    """
    value = element.value
    if value is None:
        return b""
    if isinstance(value, bytes):
        return value.rstrip(b" \0")
    if isinstance(value, str):
        return value.encode()
    return "\\".join(value).encode()


@lru_cache(maxsize=1024)
def _plain(value: bytes, vr: str, little: bool) -> int | str | tuple[int | str, ...]:  # noqa: FBT001  a key of memory
    """One value, or several, of a VR that is so simple and so often asked for that it is read here."""
    parts: list[int | str]
    if vr == "US":
        parts = [int.from_bytes(value[at : at + 2], "little" if little else "big") for at in range(0, len(value), 2)]
    else:
        parts = [part.strip(" \0") for part in value.decode("latin-1").split("\\")]
    return parts[0] if len(parts) == 1 else tuple(parts)


def peek(dataset: Dataset, tag: int, default: Any = None) -> Any:
    """The decoded value, the element in the data set left as it is (`dataset[tag]` would replace its bytes)."""
    element = cast("DataElement | RawDataElement | None", dataset.get_item(BaseTag(tag)))
    if element is None:
        return default
    if isinstance(element, RawDataElement) and element.value:
        vr = element.VR or standard_vr(tag)
        if vr in {"CS", "UI", "US"}:
            found = _plain(element.value, vr, element.is_little_endian)
            return default if found == "" else found
    value = (
        convert_raw_data_element(element, ds=dataset).value if isinstance(element, RawDataElement) else element.value
    )
    return default if value is None or value == "" else value


def items_of(dataset: Dataset, tag: int) -> tuple[Dataset, ...] | None:
    """The items of the element, which is there; None when it is no sequence. They may be other files' too: not to be changed."""
    element = cast("DataElement | RawDataElement", dataset.get_item(BaseTag(tag)))
    if isinstance(element, RawDataElement) and element.VR == "SQ" and element.length <= LONGEST_SEQUENCE:
        if PIXEL_REPRESENTATION in dataset:
            _ = dataset[PIXEL_REPRESENTATION]  # pydicom decodes it with a sequence: a damaged one is refused here, too
        return _items(element._replace(value_tell=0))
    decoded = dataset[tag]
    return tuple(decoded.value) if decoded.VR == "SQ" else None


@lru_cache(maxsize=256)
def _items(element: RawDataElement) -> tuple[Dataset, ...]:
    """Decoded once for all files that hold the same bytes, as those of a series do."""
    return tuple(convert_raw_data_element(element).value)


def values_of(dataset: Dataset, tag: int, *, encodings: list[str]) -> list[str]:
    """The decoded values of a text element, stripped; none when it is absent."""
    if tag not in dataset:
        return []
    content = value_bytes(dataset.get_item(BaseTag(tag)))
    text = (
        content.decode("ascii")
        if content.isascii() and b"\x1b" not in content
        else decode_bytes(content, encodings, {0x5C, 0x5E, 0x3D, 0x0A})
    )
    return [part.strip() for part in text.split("\\")]


def encodings_of(dataset: Dataset) -> list[str]:
    """The Python encodings that the data set's SpecificCharacterSet names."""
    return convert_encodings(dataset.get("SpecificCharacterSet") or "iso8859")
