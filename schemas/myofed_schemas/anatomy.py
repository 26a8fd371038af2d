"""Muscles, their groups and compartments, and the integer that stands for one in a label map (`muscles.tsv`)."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from enum import Enum
from functools import cache
from importlib.resources import files

NOT_AVAILABLE = "n/a"


class Side(Enum):
    """Side of the body; the value is what is added to a muscle's even code in a label map (MuscleMap: left 1, right 2)."""

    LEFT = 1
    RIGHT = 2

    @property
    def word(self) -> str:
        """`left` or `right`."""
        return self.name.lower()


@dataclass(frozen=True)
class Muscle:
    """One row of `muscles.tsv`.

    Attributes:
        id: Our short name, e.g. `VL`.
        name: Latin name in lower case.
        group: Follow-up group; groups are always computed from muscles, never kept as a second list.
        compartment: anterior, medial or posterior.
        region: thigh (more regions come with the anatomy issue).
        uberon: UBERON identifier or `n/a`; the two heads of biceps femoris share the whole muscle's.
        fma: FMA identifier or `n/a`.
        mdc: ISO 11073 code in partition 7 (DICOM CID 3031), as text.
        musclemap: MuscleMap whole-body code of the LEFT muscle; right is one more.
        challenge: Value 1..11 in the 11-muscle public label maps, or `n/a`.
    """

    id: str
    name: str
    group: str
    compartment: str
    region: str
    uberon: str
    fma: str
    mdc: str
    musclemap: int
    challenge: str

    def label_value(self, side: Side) -> int:
        """The canonical integer of this muscle in a label map: MuscleMap's code, last digit 1 left, 2 right."""
        return self.musclemap + (side.value - Side.LEFT.value)


@cache
def muscles() -> tuple[Muscle, ...]:
    """All muscles, in the order of `muscles.tsv`."""
    text = files("myofed_schemas").joinpath("muscles.tsv").read_text(encoding="utf-8")
    rows = csv.DictReader(text.splitlines(), delimiter="\t")
    return tuple(Muscle(**{**row, "musclemap": int(row["musclemap"])}) for row in rows)  # type: ignore[arg-type]


@cache
def muscle(muscle_id: str) -> Muscle:
    """The muscle with this id.

    Raises:
        KeyError: No such row.
    """
    return {m.id: m for m in muscles()}[muscle_id]


@cache
def muscle_of_label_value(value: int) -> tuple[Muscle, Side]:
    """The muscle and side that a canonical label value stands for.

    Raises:
        KeyError: No muscle has this value.
    """
    return {m.label_value(side): (m, side) for m in muscles() for side in Side}[value]


@cache
def groups() -> dict[str, tuple[str, ...]]:
    """Group name -> muscle ids: the follow-up level as an aggregation of the individual one."""
    found: dict[str, list[str]] = {}
    for m in muscles():
        found.setdefault(m.group, []).append(m.id)
    return {name: tuple(ids) for name, ids in found.items()}


THIGH_11 = ("SA", "RF", "VL", "VI", "VM", "AM", "GR", "BFL", "ST", "SM", "BFS")
"""The 11 thigh muscles of the first studies, in the order of the public 11-muscle label maps."""
