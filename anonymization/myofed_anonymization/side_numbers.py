"""The numbers of Siemens' private blobs that the converter needs: by allow-list, bounded, never text; the blob itself goes.

Read are the CSA headers (private creator SIEMENS CSA HEADER) and, in XA, the protocol of SIEMENS MR SDS 01 or SDR 01, also in
the shared functional groups. The other Siemens blobs hold spectroscopy and the console's bookkeeping. Left out on purpose,
though numbers: weight, transmitter calibration and reference amplitude (they follow the body), shim, table position and exact
frequency (one body on one day), calibrations of the gradients (one scanner), protocol and sequence identifiers.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import Literal

from pydicom.dataelem import DataElement, RawDataElement, convert_raw_data_element
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.tag import BaseTag

from myofed_anonymization.csa import CsaDamagedError, csa_values
from myofed_anonymization.part10 import DAMAGED
from myofed_anonymization.xprotocol import XProtocolDamagedError, ascconv_numbers, number_of

Numbers = dict[str, tuple[float, ...]]
Source = Literal["csa_image", "csa_series", "ascconv"]
MAX_BYTES = 1 << 22
"""A longer blob counts as damaged; real ones have 10 to 200 kB."""
MAX_DEPTH = 2
"""Shared functional groups, and the wrapper in them."""
SHARED_GROUPS = 0x52009229
PROTOCOLS = ("MrPhoenixProtocol", "MrProtocol")
"""Tags of the CSA series header that hold the protocol; the second in software before VB."""
_PLACES: dict[tuple[int, str, int], Source] = {
    (0x0029, "SIEMENS CSA HEADER", 0x10): "csa_image",
    (0x0029, "SIEMENS CSA HEADER", 0x20): "csa_series",
    (0x0021, "SIEMENS MR SDS 01", 0x19): "ascconv",
    (0x0021, "SIEMENS MR SDR 01", 0x19): "ascconv",
}
_GROUPS = frozenset(group for group, _, _ in _PLACES)
_WRAPPER = (0x0021, "SIEMENS MR SDS 01", 0xFE)
"""The sequence of one item around the private elements of a functional group."""


@dataclass(frozen=True, slots=True)
class SideNumbers:
    """What the blobs of one file told.

    Attributes:
        values: By name; empty where the file has no blob.
        damaged: A blob was no whole CSA header or protocol; nothing of it is in `values`.
    """

    values: Numbers
    damaged: bool = False


@dataclass(frozen=True, slots=True)
class Bound:
    """How many numbers a name may have, and between which values all of them lie."""

    max_count: int
    minimum: float
    maximum: float

    def admits(self, numbers: tuple[float, ...]) -> bool:
        """Whether there are some, not too many, and each is finite and within the bound."""
        return 0 < len(numbers) <= self.max_count and all(self.minimum <= n <= self.maximum for n in numbers)


@lru_cache(maxsize=1)
def allowed() -> dict[Source, dict[str, Bound]]:
    """tables/side_numbers.tsv: for each source the names that may be told."""
    text = resources.files("myofed_anonymization").joinpath("tables/side_numbers.tsv").read_text(encoding="utf-8")
    rows = [line.split("\t") for line in text.splitlines()[2:]]
    sources: tuple[Source, ...] = ("csa_image", "csa_series", "ascconv")
    return {
        source: {row[1]: Bound(int(row[2]), float(row[3]), float(row[4])) for row in rows if row[0] == source}
        for source in sources
    }


@lru_cache(maxsize=3)
def _names(source: Source) -> frozenset[str]:
    return frozenset(allowed()[source])


def side_numbers(dataset: Dataset) -> SideNumbers:
    """The allowed numbers of this file's Siemens blobs; no damage of a blob is an error of the file.

    Args:
        dataset: As read; its elements are looked at and left undecoded.
    """
    values: Numbers = {}
    damaged = False
    for source, content in _blobs(dataset, depth_left=MAX_DEPTH):
        if not content:
            continue
        try:
            values = _read(source, content) | values
        except (CsaDamagedError, XProtocolDamagedError):
            damaged = True
    return SideNumbers(values, damaged)


def _blobs(dataset: Dataset, *, depth_left: int) -> Iterator[tuple[Source, bytes]]:
    """The blobs of this data set, then those of its shared functional groups; of a sequence the first item."""
    private = [tag for tag in dataset.keys() if tag >> 16 in _GROUPS and tag & 0xFFFF >= 0x1000]  # noqa: SIM118  a Dataset iterates over decoded elements
    sequences: list[int] = [SHARED_GROUPS] if SHARED_GROUPS in dataset else []
    for tag in private:
        creator = _content(dataset, (tag & 0xFFFF0000) | (tag >> 8 & 0xFF)).decode("latin-1").strip(" \0")
        place = (tag >> 16, creator, tag & 0xFF)
        if place in _PLACES:
            yield _PLACES[place], _content(dataset, tag)
        elif place == _WRAPPER:
            sequences.append(tag)
    for sequence in sequences if depth_left else []:
        yield from _blobs(_item(dataset, sequence), depth_left=depth_left - 1)


def _content(dataset: Dataset, tag: int) -> bytes:
    """The element's bytes; none where it is absent or decoded to no text."""
    value = dataset.get_item(BaseTag(tag)).value if tag in dataset else b""
    return value if isinstance(value, bytes) else value.encode() if isinstance(value, str) else b""


def _item(dataset: Dataset, tag: int) -> Dataset:
    """The first item of the sequence; an empty one where there is none or it cannot be read, which is for others to judge.

    In implicit VR a private sequence says nothing of being one; as UN it is encoded so too (PS3.5 6.2.2).
    """
    element: DataElement | RawDataElement = dataset.get_item(BaseTag(tag))
    if isinstance(element, RawDataElement):
        unsaid = element.VR in {None, "UN"}
        raw = element._replace(VR="SQ", is_implicit_VR=True) if unsaid else element
        try:
            element = convert_raw_data_element(raw, ds=dataset)
        except DAMAGED:
            return Dataset()
    value = element.value
    return value[0] if isinstance(value, Sequence) and value else Dataset()


def _read(source: Source, content: bytes) -> Numbers:
    if len(content) > MAX_BYTES:
        raise CsaDamagedError(f"expected at most {MAX_BYTES} bytes, found {len(content)}")
    if source != "csa_image":
        return _series(source, content)
    return _csa_numbers(csa_values(content, names=_names(source)), source)


@lru_cache(maxsize=4)
def _series(source: Source, content: bytes) -> Numbers:
    """The numbers of a blob that is the same in all files of a series; to be copied, not changed."""
    if source == "ascconv":
        return _protocol_numbers(content.decode("latin-1"))
    values = csa_values(content, names=_names(source) | frozenset(PROTOCOLS))
    protocol = next((values[name][0] for name in PROTOCOLS if values.get(name)), "")
    return _csa_numbers(values, source) | _protocol_numbers(protocol)


def _csa_numbers(values: dict[str, tuple[str, ...]], source: Source) -> Numbers:
    numbers = {name: [number_of(text) for text in texts] for name, texts in values.items() if name in _names(source)}
    return _admitted(
        {name: tuple(n for n in found if n is not None) for name, found in numbers.items() if None not in found}, source
    )


def _protocol_numbers(text: str) -> Numbers:
    return _admitted(ascconv_numbers(text, names=_names("ascconv")), "ascconv")


def _admitted(numbers: Numbers, source: Source) -> Numbers:
    """The numbers of each name that keeps to its bound; the others go whole."""
    return {name: found for name, found in numbers.items() if allowed()[source][name].admits(found)}
