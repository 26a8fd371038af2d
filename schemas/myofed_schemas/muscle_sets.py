"""Several muscles under one value: groups and compartments, computed from `muscles.tsv`, and what a coarser tool draws.

`muscle_groups.tsv` gives them numbers and codes; which muscles belong to a group or compartment stands in `muscles.tsv` alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import cache

from myofed_schemas.anatomy import NOT_AVAILABLE, Muscle, Region, Side, muscles, table_rows


class Level(StrEnum):
    """How coarse a value is."""

    GROUP = "group"
    """Follow-up group."""
    COMPARTMENT = "compartment"
    """Compartment of one region."""
    UNION = "union"
    """Muscles that a tool draws as one and that are neither of the two."""


@dataclass(frozen=True)
class MuscleSet:
    """One row of `muscle_groups.tsv`: a value that stands for several muscles and can never be split into them.

    Attributes:
        name: Lower case; unique among sets.
        level: How coarse.
        region: Part of the body.
        value: Canonical integer of the LEFT set, 21,000 to 28,999; right is one more.
        members: Ids of its muscles, in the order of `muscles.tsv`.
        uberon: UBERON identifier or `n/a`.
        fma: FMA identifier or `n/a`.
        sct: SNOMED CT code or `n/a`.
        mdc: ISO 11073 code in partition 7, as text, or `n/a`.
    """

    name: str
    level: Level
    region: Region
    value: int
    members: tuple[str, ...]
    uberon: str
    fma: str
    sct: str
    mdc: str

    @property
    def id(self) -> str:
        """Its name; ids of muscles are in capitals."""
        return self.name

    def label_value(self, side: Side) -> int:
        """The canonical integer in a label map: last digit 1 left, 2 right."""
        return self.value + (side.value - Side.LEFT.value)


Structure = Muscle | MuscleSet


@cache
def muscle_sets() -> tuple[MuscleSet, ...]:
    """All sets, in the order of `muscle_groups.tsv`."""
    return tuple(_muscle_set(row) for row in table_rows("muscle_groups.tsv"))


def _muscle_set(row: dict[str, str]) -> MuscleSet:
    level, region = Level(row["level"]), Region(row["region"])
    return MuscleSet(
        name=row["name"],
        level=level,
        region=region,
        value=int(row["value"]),
        members=_members(row["name"], level, row["members"]),
        uberon=row["uberon"],
        fma=row["fma"],
        sct=row["sct"],
        mdc=row["mdc"],
    )


def _members(name: str, level: Level, listed: str) -> tuple[str, ...]:
    if level is Level.UNION:
        return tuple(m.id for m in muscles() if m.id in listed.split(","))
    return tuple(m.id for m in muscles() if name == (m.group if level is Level.GROUP else compartment_name(m)))


def compartment_name(muscle: Muscle) -> str:
    """Name of the muscle's compartment among sets, e.g. `thigh anterior compartment`."""
    place = muscle.compartment if muscle.region in muscle.compartment else f"{muscle.region} {muscle.compartment}"
    return f"{place} compartment"


@cache
def structures() -> dict[str, Structure]:
    """Muscles by their ids, then sets by their names."""
    all_structures: tuple[Structure, ...] = (*muscles(), *muscle_sets())
    return {structure.id: structure for structure in all_structures}


@cache
def _by_label_value() -> dict[int, tuple[Structure, Side]]:
    return {s.label_value(side): (s, side) for s in structures().values() for side in Side}


def structure_of_label_value(value: int) -> tuple[Structure, Side]:
    """The muscle or set, and the side, that a canonical value stands for.

    Raises:
        KeyError: No structure has this value.
    """
    return _by_label_value()[value]


def label_name(value: int) -> str:
    """`left vastus lateralis`, `right quadriceps group`: the name of a canonical value, empty for another."""
    if value not in _by_label_value():
        return ""
    structure, side = structure_of_label_value(value)
    return f"{side.word} {structure_name(structure)}"


def structure_name(structure: Structure) -> str:
    """Name without side; a group says that it is one, because some have the name of their only muscle."""
    is_group = isinstance(structure, MuscleSet) and structure.level is Level.GROUP
    return f"{structure.name} group" if is_group else structure.name


def is_single_muscle(value: int) -> bool:
    """Whether this canonical value stands for one muscle alone.

    Raises:
        KeyError: No structure has this value.
    """
    return isinstance(structure_of_label_value(value)[0], Muscle)


@cache
def aggregation(level: Level) -> dict[int, int]:
    """Canonical value -> value of the one set of this level that holds all its muscles; others are left out.

    Args:
        level: Group or compartment; a union holds no further structure.
    """
    sets = [s for s in muscle_sets() if s.level is level and level is not Level.UNION]
    return {
        structure.label_value(side): target.label_value(side)
        for structure in structures().values()
        for target in sets
        if set(structure.members) <= set(target.members)
        for side in Side
    }


def exact_codes(structure: Structure) -> dict[str, str]:
    """Coding scheme designator (PS3.16 Table 8-1) -> code, where no other muscle or set has the same code.

    Order: UBERON, FMA, MDC, SCT. MDC is the code without side, `7:840`.
    """
    codes = _codes(structure)
    return {scheme: code for scheme, code in codes.items() if _code_owners()[scheme, code] == (structure.id,)}


def _codes(structure: Structure) -> dict[str, str]:
    mdc = structure.mdc if structure.mdc == NOT_AVAILABLE else f"7:{structure.mdc}"
    codes = {"UBERON": structure.uberon, "FMA": structure.fma, "MDC": mdc, "SCT": structure.sct}
    return {scheme: code for scheme, code in codes.items() if code != NOT_AVAILABLE}


@cache
def _code_owners() -> dict[tuple[str, str], tuple[str, ...]]:
    """(scheme, code) -> the set that has it, or the muscles that share it where no set has it."""
    owners: dict[tuple[str, str], tuple[str, ...]] = {}
    for structure in muscles():
        for item in _codes(structure).items():
            owners[item] = (*owners.get(item, ()), structure.id)
    return owners | {item: (s.id,) for s in muscle_sets() for item in _codes(s).items()}


def structure_of_code(scheme: str, code: str) -> Structure:
    """The one muscle or set with this code.

    Raises:
        KeyError: No row has the code, or several do.
    """
    owners = _code_owners()[scheme, code]
    if len(owners) > 1:
        raise KeyError(code)
    return structures()[owners[0]]
