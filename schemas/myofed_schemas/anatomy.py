"""Muscles, their groups and compartments, and the integer that stands for one in a label map (`muscles.tsv`).

docs/label-maps.md says where each column comes from.
"""

from __future__ import annotations

import csv
import hashlib
from dataclasses import dataclass
from enum import Enum, StrEnum
from functools import cache
from importlib.resources import files

NOT_AVAILABLE = "n/a"
MUSCLES_VERSION = "2"
"""Of `muscles.tsv` and `muscle_groups.tsv` together; 1 had the 13 muscles of the thigh. A value never changes its meaning."""
TABLES = ("muscles.tsv", "muscle_groups.tsv")


class Region(StrEnum):
    """Part of the body; the thousands of a label value follow MuscleMap's numbering of regions."""

    NECK = "neck"
    SHOULDER = "shoulder"
    ARM = "arm"
    TRUNK = "trunk"
    HIP = "hip"
    THIGH = "thigh"
    LEG = "leg"


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

    A code that two rows share names them together and finds neither of them.

    Attributes:
        id: Our short name, e.g. `VL`.
        name: Latin name in lower case.
        group: Follow-up group; groups are always computed from muscles, never kept as a second list.
        compartment: Compartment of its region, e.g. anterior.
        region: Part of the body.
        uberon: UBERON identifier or `n/a`; the two heads of biceps femoris share the whole muscle's.
        fma: FMA identifier or `n/a`.
        mdc: ISO 11073 code in partition 7 (DICOM CID 3031), as text, or `n/a`; left is one more, right two more.
        musclemap: Code of the LEFT muscle in MuscleMap 1.4's whole-body map, None where it draws no such muscle.
        challenge: Value 1..11 in the 11-muscle public label maps, or `n/a`.
        sct: SNOMED CT code or `n/a`.
        value: Canonical integer of the LEFT muscle: MuscleMap's code, or one of ours from 11,000 on; right is one more.
    """

    id: str
    name: str
    group: str
    compartment: str
    region: Region
    uberon: str
    fma: str
    mdc: str
    musclemap: int | None
    challenge: str
    sct: str
    value: int

    def label_value(self, side: Side) -> int:
        """The canonical integer of this muscle in a label map: last digit 1 left, 2 right."""
        return self.value + (side.value - Side.LEFT.value)

    @property
    def members(self) -> tuple[str, ...]:
        """Ids of the muscles that its value stands for: itself."""
        return (self.id,)


def table_rows(name: str) -> list[dict[str, str]]:
    """The rows of a table of this package, by column."""
    text = files("myofed_schemas").joinpath(name).read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines(), delimiter="\t"))


@cache
def muscles_digest() -> str:
    """SHA-256 over the bytes of both tables of this installation, in the order of TABLES."""
    package = files("myofed_schemas")
    return hashlib.sha256(b"".join(package.joinpath(name).read_bytes() for name in TABLES)).hexdigest()


@cache
def muscles() -> tuple[Muscle, ...]:
    """All muscles, in the order of `muscles.tsv`."""
    return tuple(_muscle(row) for row in table_rows("muscles.tsv"))


def _muscle(row: dict[str, str]) -> Muscle:
    return Muscle(
        id=row["id"],
        name=row["name"],
        group=row["group"],
        compartment=row["compartment"],
        region=Region(row["region"]),
        uberon=row["uberon"],
        fma=row["fma"],
        mdc=row["mdc"],
        musclemap=None if row["musclemap"] == NOT_AVAILABLE else int(row["musclemap"]),
        challenge=row["challenge"],
        sct=row["sct"],
        value=int(row["value"]),
    )


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
