"""A data set as the benchmark sees it: every attribute's text by its place, at every depth.

A place is written `<(0008,1030)>`; inside the first item of a sequence `<(0008,1140)>[<0000>]<(0008,1155)>`; a private one by
its creator in upper case and the low byte of its element, `<(0019,"SIEMENS MR HEADER",0C)>`. All is compared in lower case.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.tag import BaseTag

_STEP = r"<\([0-9a-f]{4},(?:[0-9a-f]{4}|\".*?\",[0-9a-f]{2})\)>"
_PLACE = re.compile(rf"{_STEP}(?:\[<\d{{4,}}>\]{_STEP})*")
_TAG = re.compile(r"<\(([0-9a-f]{4}),(?:([0-9a-f]{4})|\".*?\",([0-9a-f]{2}))\)>")
UNREAD = "REMOVED"
"""Stands for Pixel Data and overlays, whose bytes the benchmark does not read as text."""
_PIXEL_DATA = 0x7FE00010


def texts_by_place(dataset: Dataset) -> dict[str, str]:
    """The text of every element; the empty string for one without a value, all texts of its items for a sequence."""
    return {place: text_of(element) for place, element in _elements(dataset, prefix="")}


def is_place(text: str) -> bool:
    """Whether this lower-case text has the form of a place."""
    return bool(_PLACE.fullmatch(text))


def public_name(place: str | None) -> str:
    """The place without items and creators, which a report may show: (0008,1140)/(0008,1155), (0019,xx0C)."""
    steps = [f"({group},{element or 'xx' + low})".upper() for group, element, low in _TAG.findall(place or "")]
    return "/".join(steps).replace("XX", "xx")


def _elements(dataset: Dataset, *, prefix: str) -> Iterator[tuple[str, DataElement]]:
    for element in dataset:
        place = f"{prefix}<({_label(dataset, element.tag)})>"
        yield place, element
        if element.VR == "SQ":
            for number, item in enumerate(element.value or ()):
                yield from _elements(item, prefix=f"{place}[<{number:04d}>]")


def _label(dataset: Dataset, tag: BaseTag) -> str:
    block = BaseTag((tag.group << 16) | (tag.elem >> 8))
    if tag.is_private and tag.elem >= 0x1000 and block in dataset:
        return f'{tag.group:04x},"{str(dataset[block].value).lower()}",{tag.elem & 0xFF:02x}'
    return f"{tag.group:04x},{tag.elem:04x}"


def text_of(element: DataElement) -> str:
    r"""The value as text: values joined by `\`, bytes read as Latin-1, a sequence as the texts of its items."""
    if element.tag == _PIXEL_DATA or (element.tag.group & 0xFF01 == 0x6000 and element.tag.elem == 0x3000):
        return UNREAD
    value = element.value
    if element.VR == "SQ":
        return " ".join(filter(None, (text_of(inner) for item in value or () for inner in item)))
    if value is None:
        return ""
    if isinstance(value, bytes):
        return value.decode("latin-1").strip(" \0")
    if isinstance(value, MultiValue | list):
        return "\\".join(str(each) for each in value).strip(" \0")
    return str(value).strip(" \0")
