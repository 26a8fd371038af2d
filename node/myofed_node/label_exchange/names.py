"""What a label's name means: structure and side."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

from myofed_schemas.anatomy import muscles
from myofed_schemas.label_schemes import LabelScheme, LabelSide, NotMuscle, scheme_rows
from myofed_schemas.muscle_sets import muscle_sets, structure_name, structures

SIDES = {"left": LabelSide.LEFT, "l": LabelSide.LEFT, "right": LabelSide.RIGHT, "r": LabelSide.RIGHT}
_NUMBER = re.compile(r"\d+\s+")
_BETWEEN = re.compile(r"[^a-z0-9]+")


@dataclass(frozen=True)
class Target:
    """What one label of a tool stands for.

    Attributes:
        structure: Id of a muscle, name of a set, or a word of NotMuscle.
        side: Which side; BOTH where the tool does not tell them apart.
    """

    structure: str
    side: LabelSide

    @property
    def is_muscle(self) -> bool:
        """Whether a label map of ours can hold it."""
        return self.structure in structures()


def plain(name: str) -> tuple[str, LabelSide | None]:
    """A name in lower-case words without number and side, and the side that it tells as its first or last word."""
    words = _BETWEEN.sub(" ", _NUMBER.sub("", name.lower().replace("&", " and ").strip(), count=1)).split()
    for place in (-1, 0):
        if len(words) > 1 and words[place] in SIDES:
            side = SIDES[words[place]]
            return " ".join(words[:-1] if place else words[1:]), side
    return " ".join(words), None


def resolve(name: str, scheme: LabelScheme | None = None) -> Target | None:
    """The structure and side of a label's name, None where the name is unknown or means different things.

    Args:
        name: As the table writes it.
        scheme: The tool whose names these are; without one, our own names and ids count first, then names that
            all tools use for one and the same structure.
    """
    base, side = plain(name)
    known = _names_of(scheme) if scheme else _common_names()
    if base not in known:
        return None
    structure = known[base]
    return Target(structure, side or (LabelSide.MIDLINE if structure in set(NotMuscle) else LabelSide.BOTH))


@cache
def _names_of(scheme: LabelScheme) -> dict[str, str]:
    return {plain(row.name)[0]: row.structure for row in scheme_rows(scheme)}


@cache
def _common_names() -> dict[str, str]:
    ours = _unambiguous((plain(own)[0], m.id) for m in muscles() for own in (m.id, m.name))
    own_sets = _unambiguous((plain(own)[0], s.id) for s in muscle_sets() for own in (s.name, structure_name(s)))
    theirs = _unambiguous(
        (base, structure)
        for scheme in LabelScheme
        for base, structure in _names_of(scheme).items()
        if "compartment" not in base.split()  # of which region, only the tool's own table tells
    )
    return theirs | own_sets | ours


def _unambiguous(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    found: dict[str, set[str]] = {}
    for name, structure in pairs:
        found.setdefault(name, set()).add(structure)
    return {name: next(iter(meant)) for name, meant in found.items() if len(meant) == 1}
