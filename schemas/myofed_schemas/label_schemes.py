"""How other tools number and name what they draw (`label_schemes/*.tsv`: value, name, structure, side)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import cache

from myofed_schemas.anatomy import table_rows
from myofed_schemas.muscle_sets import MuscleSet, structures


class LabelScheme(StrEnum):
    """A tool's table; docs/label-maps.md says where each comes from."""

    MUSCLEMAP = "musclemap"
    MUSCLEMAP_99 = "musclemap-99"
    MUSCLEMAP_THIGH = "musclemap-thigh"
    MUSCLEMAP_LEG = "musclemap-leg"
    DAFNE_THIGH = "dafne-thigh"
    DAFNE_THIGH_SPLIT = "dafne-thigh-split"
    DAFNE_LEG = "dafne-leg"
    DAFNE_LEG_SPLIT = "dafne-leg-split"
    QMRITOOLS_LEG = "qmritools-leg"
    QMRITOOLS_BODY = "qmritools-body"
    TOTALSEGMENTATOR_MR = "totalsegmentator-mr"
    TOTALSEGMENTATOR_THIGH_SHOULDER = "totalsegmentator-thigh-shoulder"
    THIGH_11 = "thigh-11"


class LabelSide(StrEnum):
    """Which side a tool's value is drawn on."""

    LEFT = "left"
    RIGHT = "right"
    BOTH = "both"
    """The same value on both sides."""
    MIDLINE = "midline"


class NotMuscle(StrEnum):
    """What a tool draws that no label map of ours holds."""

    BONE = "bone"
    TISSUE = "tissue"
    OTHER = "other"


@dataclass(frozen=True)
class SchemeRow:
    """One label of a tool.

    Attributes:
        value: Integer in the tool's label maps, from 1.
        name: As the tool writes it.
        structure: Id of a muscle, name of a set, or a word of NotMuscle.
        side: Which side.
    """

    value: int
    name: str
    structure: str
    side: LabelSide

    @property
    def lossy(self) -> bool:
        """Whether the tool draws several muscles as one."""
        return isinstance(structures().get(self.structure), MuscleSet)


@cache
def scheme_rows(scheme: LabelScheme) -> tuple[SchemeRow, ...]:
    """All labels of the tool, in the order of its table."""
    return tuple(
        SchemeRow(int(row["value"]), row["name"], row["structure"], LabelSide(row["side"]))
        for row in table_rows(f"label_schemes/{scheme}.tsv")
    )
