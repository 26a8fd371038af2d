"""A file in the making: a data set, what was planted in it, and how it is written."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path

import numpy as np
from pydicom import config, dcmwrite
from pydicom.datadict import dictionary_has_tag, dictionary_VR
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.tag import Tag
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    RLELossless,
)

from planted.made_up import UID_ROOT, MadeUp, Value
from planted.plants import Category, Fate, Kind, Place, Plant, SafeNumber

SYNTAXES = (
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    ExplicitVRBigEndian,
    RLELossless,
    DeflatedExplicitVRLittleEndian,
)


@dataclass(slots=True)
class Draft:
    """One file to be: `fate` says what a tool must do with it; `preamble` and `tail` lie around the data set."""

    made: MadeUp
    dataset: Dataset
    name: str
    patient: str
    year: int
    fate: Fate = Fate.RELEASED
    syntax: str = ""
    """Given by the corpus where the recipe leaves it empty."""
    charset: str = ""
    preamble: bytes = bytes(128)
    tail: bytes = b""
    meta: dict[str, object] = field(default_factory=dict)
    plants: list[Plant] = field(default_factory=list)
    safe: list[SafeNumber] = field(default_factory=list)

    def plant(
        self,
        attribute: str | int,
        category: Category,
        *,
        into: Dataset | None = None,
        at: Place = (),
        value: Value | None = None,
        vr: str = "",
    ) -> None:
        """The attribute holds a made-up value (or the one given) that must not come out.

        Args:
            attribute: Keyword or tag.
            category: Where it hides.
            into: The item that gets it; the data set itself if None.
            at: Path of that item.
            value: Made up by VR if None.
            vr: That of the dictionary if empty.
        """
        tag = Tag(attribute)
        vr = vr or (dictionary_VR(tag) if dictionary_has_tag(tag) else "LO").split(" or ")[0]
        planted = value or self.made.value(vr, year=self.year, charset=self.charset)
        (self.dataset if into is None else into).add_new(tag, vr, planted.written)
        self.note(category, planted, place=(*at, int(tag)))

    def note(self, category: Category, value: Value, *, place: Place = ()) -> None:
        """The value counts as planted there; whoever calls has written it."""
        self.plants.append(Plant(category, value.kind, self.name, place, value.needles))

    def item(self, attribute: str | int, *, into: Dataset | None = None, at: Place = ()) -> tuple[Dataset, Place]:
        """A new item at the end of this sequence, and its path."""
        owner = self.dataset if into is None else into
        tag = Tag(attribute)
        if tag not in owner:
            owner.add_new(tag, "SQ", Sequence([]))
        new = Dataset()
        owner[tag].value.append(new)
        return new, (*at, int(tag), len(owner[tag].value) - 1)

    def safe_number(
        self, tag: int, vr: str, value: object, *, creator: str, into: Dataset | None = None, at: Place = ()
    ) -> None:
        """A private element of the safe list, in the first block of its group that is this creator's."""
        owner = self.dataset if into is None else into
        block = owner.private_block(tag >> 16, creator, create=True)
        block.add_new(tag & 0xFF, vr, value)
        self.safe.append(SafeNumber(self.name, at, tag >> 16, creator, tag & 0xFF))

    def write(self, folder: Path) -> None:
        """The file lies below `folder`; every UID of ours in it counts as planted."""
        path = folder / self.name
        path.parent.mkdir(parents=True, exist_ok=True)
        with config.disable_value_validation():
            path.write_bytes(self._bytes() + self.tail)
        self._note_uids(self.dataset, ())

    def _note_uids(self, dataset: Dataset, path: Place) -> None:
        known = {needle for plant in self.plants for needle in plant.needles}
        for element in dataset:
            if element.VR == "SQ":
                for number, item in enumerate(element.value):
                    self._note_uids(item, (*path, int(element.tag), number))
            elif element.VR == "UI" and str(element.value).startswith(UID_ROOT) and str(element.value) not in known:
                uid = str(element.value)
                category = Category.UID_NESTED if path else Category.UID
                self.note(category, Value(uid, Kind.TEXT, (uid,)), place=(*path, int(element.tag)))

    def _bytes(self) -> bytes:
        dataset = self.dataset
        meta = FileMetaDataset()
        meta.MediaStorageSOPClassUID = dataset.get("SOPClassUID", self.meta.get("MediaStorageSOPClassUID"))
        meta.MediaStorageSOPInstanceUID = dataset.get("SOPInstanceUID", self.meta.get("MediaStorageSOPInstanceUID"))
        packed = self.syntax == RLELossless and not dataset["PixelData"].is_undefined_length
        meta.TransferSyntaxUID = ExplicitVRLittleEndian if packed else self.syntax
        meta.ImplementationClassUID = "1.2.276.0.7230010.3.0.3.6.7"
        for keyword, value in self.meta.items():
            setattr(meta, keyword, value)
        dataset.file_meta = meta
        dataset.preamble = self.preamble
        if self.syntax == ExplicitVRBigEndian and dataset.get("BitsAllocated") == 16:
            dataset.PixelData = np.frombuffer(dataset.PixelData, "<u2").astype(">u2").tobytes()
        if packed:
            uid = dataset.get("SOPInstanceUID")
            dataset.compress(RLELossless, generate_instance_uid=False)
            dataset.SOPInstanceUID = uid
        stream = BytesIO()
        dcmwrite(stream, dataset, enforce_file_format=True)
        return stream.getvalue()


def trailing_padding(noise: bytes) -> bytes:
    """(FFFC,FFFC) as it lies behind a data set in explicit VR little endian (PS3.10 7.2)."""
    return struct.pack("<HH2sHI", 0xFFFC, 0xFFFC, b"OB", 0, len(noise)) + noise
