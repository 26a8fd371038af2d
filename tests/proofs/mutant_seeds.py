"""Well-formed small files with a planted identity each, and where their elements lie: what the mutants are made of."""

from __future__ import annotations

import random
import struct
import tempfile
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from planted.draft import Draft
from planted.images import Study, classic, enhanced, segmentation
from planted.made_up import MadeUp
from planted.plants import Category, Kind
from planted.vendor import csa, safe_numbers
from pydicom.datadict import dictionary_has_tag, dictionary_VR
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    RLELossless,
)

UNDEFINED = 0xFFFFFFFF
PIXEL_DATA, TRANSFER_SYNTAX, SOP_INSTANCE = 0x7FE00010, 0x00020010, 0x00080018
SERIAL_DIGITS = 8
"""So many last digits of the SOPInstanceUID are the mutant's number: no two mutants claim one instance."""
SIZE = 16
_LONG = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV"})


@dataclass(frozen=True, slots=True)
class Slot:
    """Where one element lies: its tag, its VR letters (-1 in implicit VR), its length field and its value."""

    tag: int
    vr: str
    at: int
    vr_at: int
    length_at: int
    length_bytes: int
    value_at: int
    length: int

    @property
    def end(self) -> int:
        """Behind the value; behind the header where the length is undefined."""
        return self.value_at + (0 if self.length == UNDEFINED else self.length)


@dataclass(frozen=True, slots=True)
class Seed:
    """A file of ours, not deflated even where it will be; `words` are its planted texts, `dates` its planted days."""

    name: str
    content: bytes
    syntax: str
    start: int
    slots: tuple[Slot, ...]
    uid: bytes
    words: tuple[str, ...]
    dates: tuple[str, ...]

    @property
    def little(self) -> bool:
        """The byte order of the data set."""
        return self.syntax != ExplicitVRBigEndian

    @property
    def implicit(self) -> bool:
        """Whether elements have no VR letters."""
        return self.syntax == ImplicitVRLittleEndian

    def numbered(self, number: int) -> bytearray:
        """The file as the instance with this number."""
        serial = f"{number:0{SERIAL_DIGITS}d}".encode()
        return bytearray(self.content.replace(self.uid, self.uid[:-SERIAL_DIGITS] + serial))


@lru_cache(maxsize=1)
def seeds() -> tuple[Seed, ...]:
    """The files that all mutants come from; the same in every process."""
    made = MadeUp(random.Random(20261124))
    plain = {
        "classic": ExplicitVRLittleEndian,
        "implicit": ImplicitVRLittleEndian,
        "big-endian": ExplicitVRBigEndian,
        "rle": RLELossless,
        "deflated": DeflatedExplicitVRLittleEndian,
    }
    drafts = [_classic(made, name, syntax) for name, syntax in plain.items()]
    drafts += [_classic(made, "latin-1", ExplicitVRLittleEndian, charset="ISO_IR 100")]
    drafts += [_classic(made, "utf-8", ExplicitVRLittleEndian, charset="ISO_IR 192")]
    drafts += [_classic(made, "iso-2022", ExplicitVRLittleEndian, charset=r"\ISO 2022 IR 87")]
    for name, syntax in (("enhanced", ExplicitVRLittleEndian), ("enhanced-implicit", ImplicitVRLittleEndian)):
        deep = enhanced(made, Study.of(made), name=name)
        deep.syntax = syntax
        drafts.append(deep)
    study = Study.of(made)
    sources = [classic(made, study, name="source", size=SIZE)]
    drafts += [
        segmentation(made, study, name=name, sources=sources, binary=name == "seg") for name in ("seg", "fractions")
    ]
    siemens = _classic(made, "csa", ExplicitVRLittleEndian)
    csa(siemens)
    safe_numbers(siemens, "siemens")
    philips = _classic(made, "philips-implicit", ImplicitVRLittleEndian)
    safe_numbers(philips, "philips")
    with tempfile.TemporaryDirectory() as folder:
        return tuple(_seed(draft, Path(folder)) for draft in (*drafts, siemens, philips))


def _classic(made: MadeUp, name: str, syntax: str, *, charset: str = "") -> Draft:
    study = Study.of(made, charset=charset)
    draft = classic(made, study, name=name, size=SIZE)
    draft.syntax = syntax
    draft.dataset.StudyDescription = f"thigh of {study.name.needles[0]}"
    draft.plant("ImageComments", Category.TEXT_UNKNOWN)
    draft.plant("OperatorsName", Category.STANDARD)
    return draft


def _seed(draft: Draft, folder: Path) -> Seed:
    syntax = draft.syntax or ExplicitVRLittleEndian
    deflated = syntax == DeflatedExplicitVRLittleEndian
    draft.syntax = ExplicitVRLittleEndian if deflated else syntax
    draft.write(folder)
    content = (folder / draft.name).read_bytes()
    uid = str(draft.dataset.SOPInstanceUID)
    start = 144 + struct.unpack_from("<I", content, 140)[0]
    found: list[Slot] = []
    _walk(content, 132, start, found, explicit=True, order="<")
    if deflated:
        slot = next(slot for slot in found if slot.tag == TRANSFER_SYNTAX)
        content = with_syntax(content, slot, start, DeflatedExplicitVRLittleEndian)
        start = 144 + struct.unpack_from("<I", content, 140)[0]
        found.clear()
        _walk(content, 132, start, found, explicit=True, order="<")
    explicit = syntax != ImplicitVRLittleEndian
    _walk(content, start, len(content), found, explicit=explicit, order=">" if syntax == ExplicitVRBigEndian else "<")
    texts = {str(needle) for plant in draft.plants if plant.kind is Kind.TEXT for needle in plant.needles}
    texts = {uid[:-SERIAL_DIGITS] if text == uid else text for text in texts}
    dates = {str(needle) for plant in draft.plants if plant.kind is Kind.DATE for needle in plant.needles}
    return Seed(
        draft.name, content, syntax, start, tuple(found), uid.encode(), tuple(sorted(texts)), tuple(sorted(dates))
    )


def with_syntax(content: bytes, slot: Slot, start: int, syntax: str) -> bytes:
    """The file whose meta information names this transfer syntax where `slot` lies; all else as it was.

    Args:
        content: A file, perhaps damaged.
        slot: That of the transfer syntax.
        start: Where the data set begins.
        syntax: The new one.
    """
    value = syntax.encode("latin-1")
    value += bytes(len(value) % 2)
    element = content[slot.at : slot.length_at] + struct.pack("<H", len(value)) + value
    meta = content[144 : slot.at] + element + content[slot.end : start]
    return content[:140] + struct.pack("<I", len(meta)) + meta + content[start:]


def _walk(content: bytes, position: int, end: int, found: list[Slot], *, explicit: bool, order: str) -> int:
    """The elements of a well-formed data set or item, at all depths; returns the position behind its delimiter."""
    while position < end:
        group, number = struct.unpack_from(f"{order}HH", content, position)
        tag = group << 16 | number
        if group == 0xFFFE:
            return position + 8
        slot = _slot(content, position, tag, explicit=explicit, order=order)
        found.append(slot)
        position = slot.value_at
        if slot.vr == "SQ":
            position = _items(content, slot, found, explicit=explicit, order=order)
        elif slot.length == UNDEFINED:
            position = content.index(struct.pack(f"{order}HH", 0xFFFE, 0xE0DD), position) + 8
        else:
            position = slot.end
    return position


def _slot(content: bytes, at: int, tag: int, *, explicit: bool, order: str) -> Slot:
    if not explicit:
        vr = dictionary_VR(tag) if dictionary_has_tag(tag) else "UN"
        return Slot(tag, vr, at, -1, at + 4, 4, at + 8, struct.unpack_from(f"{order}I", content, at + 4)[0])
    vr = content[at + 4 : at + 6].decode("ascii")
    if vr in _LONG:
        return Slot(tag, vr, at, at + 4, at + 8, 4, at + 12, struct.unpack_from(f"{order}I", content, at + 8)[0])
    return Slot(tag, vr, at, at + 4, at + 6, 2, at + 8, struct.unpack_from(f"{order}H", content, at + 6)[0])


def _items(content: bytes, slot: Slot, found: list[Slot], *, explicit: bool, order: str) -> int:
    position, stop = slot.value_at, len(content) if slot.length == UNDEFINED else slot.end
    while position < stop:
        group, number, length = struct.unpack_from(f"{order}HHI", content, position)
        position += 8
        if (group, number) == (0xFFFE, 0xE0DD):
            return position
        item_end = len(content) if length == UNDEFINED else position + length
        position = _walk(content, position, item_end, found, explicit=explicit, order=order)
    return position
