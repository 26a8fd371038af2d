"""What is planted: made-up identifying values, each with its place and the needles by which it is found again."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

Place = tuple[int, ...]
"""Tags and item numbers from the top, in turn, ending with the element's tag; empty outside a data set."""


class Category(StrEnum):
    """Where an identifying value hides; one row of the table each."""

    STANDARD = "standard attribute"
    NESTED = "nested in a sequence"
    FUNCTIONAL_GROUP = "functional group"
    PRIVATE = "private element"
    CSA = "Siemens CSA and protocol text"
    TEXT_KNOWN = "own name or ID in free text"
    TEXT_UNKNOWN = "others' names, places, numbers in free text"
    UID = "UID"
    UID_NESTED = "UID in a sequence"
    UID_TEXT = "UID inside a text"
    META = "preamble, file meta, padding"
    OVERLAY = "overlay"
    CURVE = "curve"
    ICON = "icon image"
    SIGNATURE = "digital signature"
    FILE_NAME = "file or folder name"
    REPORT = "structured report"
    PDF = "encapsulated PDF"
    CAPTURE = "secondary capture, screen save"
    PRESENTATION = "presentation state"
    STREAM = "text beside the pixels"
    BURNED_IN = "text in the pixels"
    DIRECTORY = "DICOMDIR"


class Fate(StrEnum):
    """What must become of a file: its image is clean; nobody may have it; or a tool may clean it or withhold it."""

    RELEASED = "released"
    WITHHELD = "withheld"
    EITHER = "either"


class Kind(StrEnum):
    """How a plant is found: as text or bytes anywhere, as a date, as the same value in its place, as an image."""

    TEXT = "text"
    BYTES = "bytes"
    DATE = "date"
    SAME = "same"
    PIXELS = "pixels"


@dataclass(frozen=True, slots=True)
class Plant:
    """One planted value; `needles` are any of the texts or bytes that give it away (a date as YYYYMMDD)."""

    category: Category
    kind: Kind
    file: str
    place: Place
    needles: tuple[str | bytes, ...]


@dataclass(frozen=True, slots=True)
class SafeNumber:
    """A private number that quantitative MRI needs: where its block stands, group, creator and low byte."""

    file: str
    items: Place
    group: int
    creator: str
    byte: int


@dataclass(frozen=True, slots=True)
class PlantedFile:
    """One input: its path below the corpus folder, whose it is, and what must become of it."""

    name: str
    patient: str
    fate: Fate


@dataclass(frozen=True, slots=True)
class Corpus:
    """The folder of inputs and everything that is known of them."""

    folder: Path
    files: tuple[PlantedFile, ...]
    plants: tuple[Plant, ...]
    safe_numbers: tuple[SafeNumber, ...]

    def planted(self) -> Counter[Category]:
        """How many values were planted, by category."""
        return Counter(plant.category for plant in self.plants)
