"""The count cube: how many subjects a data set has by diagnosis, age, sequence and so on, protected at the hospital.

Cells have at most three dimensions. A cell that is not listed is withheld: it may be zero, smaller than k, or large and
withheld so that no smaller one can be worked out from it. Nothing in here names a subject, a date or a place.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from myofed_schemas.ids import SiteId
from myofed_schemas.wire import WireModel

MAX_FILTERS = 3
MAX_CELLS = 20_000

DimensionName = Literal[
    "diagnosis",
    "genetic",
    "sex",
    "age",
    "ambulation",
    "vendor",
    "field-strength",
    "sequence",
    "labels",
    "visits",
]
"""What subjects are counted by. `sequence` is the only one of which a subject may have several values."""

CellValue = Annotated[
    str,
    StringConstraints(
        pattern=r"^(ORPHA:\d{1,7}|[123]\+?|\d{1,2}-\d{1,2}|\d{2}\+|\d(\.\d{1,2})?T"
        r"|[A-Za-z][A-Za-z0-9]{0,11}(-[A-Za-z0-9]{1,9}){0,2})$"
    ),
]
"""A value from the vocabulary of its dimension (cube_vocabulary.py), e.g. `ORPHA:269`, `40-59`, `MESE`, `single-muscles`.

No pseudonym, UID, number of a patient or date has one of these shapes.
"""

MANY_VALUED: frozenset[DimensionName] = frozenset({"sequence"})


class CellFilter(WireModel):
    """One condition."""

    dimension: DimensionName
    value: CellValue


class CubeCell(WireModel):
    """A count that left the hospital.

    Attributes:
        at: One to three conditions, sorted by dimension, then value.
        count: Rounded; at least k, or 0 where the site's policy tells zero and "fewer than k" apart.
    """

    at: tuple[CellFilter, ...] = Field(min_length=1, max_length=MAX_FILTERS)
    count: int = Field(ge=0)

    @model_validator(mode="after")
    def _sorted(self) -> Self:
        keys = [(each.dimension, each.value) for each in self.at]
        if keys != sorted(set(keys)):
            msg = "conditions of a cell are sorted and each stands once"
            raise ValueError(msg)
        single = [dimension for dimension, _ in keys if dimension not in MANY_VALUED]
        if len(single) != len(set(single)):
            msg = "a subject has one value of this dimension, a cell names two"
            raise ValueError(msg)
        return self


class CubePolicy(WireModel):
    """How the site protected the cube; shown beside every count, and nobody but the site can change it.

    A told number lies on the same side of k and of public_k as the count it stands for: it is at least public_k exactly
    when the count is.

    Attributes:
        k: Smallest count that is told to people who are signed in.
        public_k: Smallest count that is told to everybody.
        round_to: Counts are multiples of this.
        zeros_told: Zero is told apart from "fewer than k".
        demo: Below the floors, for synthetic patients only.
    """

    k: int = Field(ge=1)
    public_k: int = Field(ge=1)
    round_to: int = Field(ge=1)
    zeros_told: bool = False
    demo: bool = False


class CountCube(WireModel):
    """The protected counts of one data set of one site; a later version replaces it whole."""

    schema_version: Literal["myofed-cube-1"] = "myofed-cube-1"
    site: SiteId
    dataset: str = Field(pattern=r"^[a-z][a-z0-9-]{1,47}$")
    version: int = Field(ge=1)
    policy: CubePolicy
    subjects: int | None = Field(ge=0)
    """All subjects, rounded; None where withheld, and then there are no cells."""
    cells: tuple[CubeCell, ...] = Field(max_length=MAX_CELLS)

    @model_validator(mode="after")
    def _protected(self) -> Self:
        keys = [tuple((f.dimension, f.value) for f in cell.at) for cell in self.cells]
        if keys != sorted(set(keys)):
            msg = "cells are sorted and each stands once"
            raise ValueError(msg)
        counts = [cell.count for cell in self.cells] + ([] if self.subjects is None else [self.subjects])
        if any(count % self.policy.round_to for count in counts):
            msg = "a count is not a multiple of round_to"
            raise ValueError(msg)
        if any(count < self.policy.k for count in counts if count or not self.policy.zeros_told):
            msg = "a count is below k"
            raise ValueError(msg)
        if self.subjects is None and self.cells:
            msg = "cells of a data set whose total is withheld"
            raise ValueError(msg)
        return self
