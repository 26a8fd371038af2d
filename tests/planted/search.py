"""Planted values sought in everything that a tool wrote: raw, inflated and decoded, in every encoding and spelling."""

from __future__ import annotations

import re
import zlib
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path

import numpy as np
from pydicom import config, dcmread
from pydicom.dataset import Dataset, FileDataset
from pydicom.errors import BytesLengthException, InvalidDicomError
from pydicom.valuerep import PersonName

from planted.plants import Kind, Place, Plant

KEY = 6
"""Every needle is at least so many bytes long; its first ones are looked up at once in a whole file."""
ENCODINGS = ("utf-8", "latin-1", "utf-16-le", "utf-16-be", "iso2022_jp", "euc_kr", "iso2022_kr")
DAMAGED = (
    InvalidDicomError,
    BytesLengthException,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    EOFError,
    NotImplementedError,
    OSError,
    zlib.error,
)
"""What reading a damaged output raises; such an output is still searched as bytes."""
_DIGITS = frozenset(bytes([octet]) for octet in b"0123456789.")
RAW: Place = (-1,)
"""The place of a hit outside every decoded element."""


@dataclass(slots=True)
class Output:
    """One written file: its bytes, and its data set when it is DICOM."""

    name: str
    content: bytes
    dataset: FileDataset | None

    @classmethod
    def read(cls, path: Path, *, root: Path) -> Output:
        """The file as written; a damaged one has no data set."""
        content = path.read_bytes()
        try:
            with config.disable_value_validation():
                dataset = dcmread(BytesIO(content), force=b"DICM" in content[:200])
                return cls(str(path.relative_to(root)), content, dataset if len(dataset) else None)
        except DAMAGED:
            return cls(str(path.relative_to(root)), content, None)


def elements(dataset: Dataset, path: Place = ()) -> Iterator[tuple[Place, str, object]]:
    """Every element at every depth as (place, VR, value); one that cannot be decoded as its bytes."""
    for tag in list(dataset.keys()):
        place = (*path, int(tag))
        try:
            element = dataset[tag]
        except DAMAGED:
            yield place, "UN", dataset.get_item(tag).value
            continue
        if element.VR == "SQ":
            for number, item in enumerate(element.value):
                yield from elements(item, (*place, number))
        else:
            yield place, element.VR, element.value


def texts_of(value: object) -> list[str]:
    """The values of an element as texts; bytes read as Latin-1."""
    if value is None:
        return []
    if isinstance(value, bytes):
        return [value.decode("latin-1")]
    if isinstance(value, str | PersonName) or not isinstance(value, Iterable):
        return [str(value)]
    return [str(one) for one in value]


@dataclass(slots=True)
class Index:
    """Needles by their first bytes: for texts, any case and encoding; for bytes, as they are."""

    needles: dict[bytes, list[tuple[bytes, str | bytes]]] = field(default_factory=lambda: defaultdict(list))
    keys: np.ndarray = field(default_factory=lambda: np.zeros(0, "u8"))

    @classmethod
    def of(cls, needles: Iterable[str | bytes]) -> Index:
        """Ready to search."""
        index = cls()
        for needle in set(needles):
            for encoded in _encoded(needle):
                index.needles[encoded[:KEY]].append((encoded, needle))
        index.keys = np.array(sorted(int.from_bytes(key, "little") for key in index.needles), "u8")
        return index

    def hits(self, content: bytes) -> Iterator[tuple[int, str | bytes]]:
        """Every needle in the bytes with its position."""
        if len(content) < KEY or not len(self.keys):
            return
        octets = np.frombuffer(content, "u1").astype("u8")
        rolling = sum(octets[shift : len(octets) - KEY + 1 + shift] << np.uint64(8 * shift) for shift in range(KEY))
        found = np.minimum(np.searchsorted(self.keys, rolling), len(self.keys) - 1)
        for position in np.flatnonzero(self.keys[found] == rolling):
            start = int(position)
            for encoded, needle in self.needles.get(content[start : start + KEY], ()):
                if content.startswith(encoded, start) and not _continues_number(content, start, encoded):
                    yield start, needle


def _continues_number(content: bytes, start: int, encoded: bytes) -> bool:
    """Whether the hit is the inside of a longer number, as a new UID is, where ten digits may stand by chance."""
    return encoded.isdigit() and start > 0 and content[start - 1 : start] in _DIGITS


def _encoded(needle: str | bytes) -> set[bytes]:
    if isinstance(needle, bytes):
        return {needle}
    found = set()
    for encoding in ENCODINGS:
        try:
            found.add(needle.lower().encode(encoding))
        except UnicodeEncodeError:
            continue
    return {encoded for encoded in found if len(encoded) >= KEY}


def found_in(output: Output, *, texts: Index, noise: Index) -> Iterator[tuple[str | bytes, Place]]:
    """Every needle that the file or its name holds, with its place: an element's, or RAW."""
    decoded, places = _decoded(output.dataset) if output.dataset is not None else (b"", [])
    starts = np.array([start for start, _ in places])
    seen = set()
    for position, needle in texts.hits(decoded):
        seen.add(needle)
        yield needle, places[int(np.searchsorted(starts, position, side="right")) - 1][1]
    for content in (output.name.encode(), *raw_views(output)):
        for _, needle in texts.hits(content.lower()):
            if needle not in seen:
                yield needle, RAW
        for _, needle in noise.hits(content):
            yield needle, RAW


def _decoded(dataset: FileDataset) -> tuple[bytes, list[tuple[int, Place]]]:
    """All texts in lower case, each also with letters and digits alone, and where each element's begin."""
    parts: list[bytes] = []
    places: list[tuple[int, Place]] = []
    length = 0
    for source in (dataset.file_meta, dataset):
        for place, vr, value in elements(source):
            if place[-1] == 0x7FE00010 and len(place) == 1:
                continue
            texts = [text.lower() for text in texts_of(value)]
            bare = [re.sub(r"[\W_]+", "", text) for text in texts] if vr != "UI" else []
            part = "\n".join((*texts, *bare, "")).encode()
            places.append((length, place))
            parts.append(part)
            length += len(part)
    return b"".join(parts), places


def raw_views(output: Output) -> Iterator[bytes]:
    """The bytes of the file, and what lies packed in them: a deflated data set, packed streams of a PDF."""
    yield output.content
    syntax = "" if output.dataset is None else str(output.dataset.file_meta.get("TransferSyntaxUID", ""))
    if syntax.endswith("1.2.1.99"):
        marker = output.content.find(b"1.2.840.10008.1.2.1.99")
        for start in range(marker, min(marker + 400, len(output.content))):
            try:
                inflated = zlib.decompressobj(-zlib.MAX_WBITS).decompress(output.content[start:])
            except zlib.error:
                continue
            if len(inflated) > 200:
                yield inflated
                break
    for packed in re.findall(rb"stream\r?\n(.*?)endstream", output.content, re.DOTALL):
        try:
            yield zlib.decompressobj().decompress(packed)
        except zlib.error:
            continue


def spellings(date: str) -> tuple[str, ...]:
    """A date as people write it, from YYYYMMDD."""
    year, month, day = date[:4], date[4:6], date[6:]
    orders = ((year, month, day), (day, month, year), (month, day, year))
    return (date, *(mark.join(order) for order in orders for mark in ("-", ".", "/")))


def date_leaks(plant: Plant, output: Output, *, dates: dict[Place, list[str]]) -> bool:
    """Whether a planted date stands in its own place, or spelled out anywhere but in another date element."""
    assert plant.kind is Kind.DATE
    date = str(plant.needles[0])
    if any(text.startswith(date) for text in dates.get(plant.place, [])):
        return True
    explained = sum(text.startswith(date) for texts in dates.values() for text in texts)
    for content in raw_views(output):
        for spelling in spellings(date):
            found = re.findall(rb"(?<![0-9.])" + re.escape(spelling.encode()), content)
            if len(found) > (explained if spelling == date else 0):
                return True
    return False
