"""One row a subject: the exact table that never leaves, by the axes that the cube counts by."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from myofed_schemas.cube import MANY_VALUED, DimensionName
from myofed_schemas.cube_vocabulary import VALUES

ELSE = "else"
"""The value that stands for every value which no subject of the table has: nobody is told that there are none.

Where subjects have all values of the vocabulary there is no such value, and whoever reads the vocabulary knows it.
"""
NO = "no"
YES = "yes"


@dataclass(frozen=True)
class Axis:
    """What a subject has exactly one value of: a dimension, or whether it has one value of a many-valued dimension.

    Attributes:
        dimension: Of the cube.
        values: All values, sorted; of a many-valued dimension `no` and `yes`.
        flag: The value of a many-valued dimension that `yes` stands for; empty for the others.
    """

    dimension: DimensionName
    values: tuple[str, ...]
    flag: str = ""

    @property
    def told(self) -> tuple[str, ...]:
        """For each value how a published condition says it; empty for what is never published."""
        if self.flag:
            return ("", self.flag)
        return tuple("" if value == ELSE else value for value in self.values)


Subject = Mapping[DimensionName, tuple[str, ...]]
"""A subject's values: exactly one of each dimension, any number of a many-valued one."""
Row = tuple[int, ...]
"""For each axis the index of the subject's value."""


def axes_of(subjects: Iterable[Subject], dimensions: Iterable[DimensionName]) -> tuple[Axis, ...]:
    """The axes on which these subjects have a place.

    Args:
        subjects: All that will be placed.
        dimensions: To count by; the others are left out.
    """
    axes: list[Axis] = []
    every = tuple(subjects)
    for dimension in sorted(dimensions):
        found = sorted({value for subject in every for value in subject.get(dimension, ())})
        if dimension in MANY_VALUED:
            axes += [Axis(dimension, (NO, YES), flag) for flag in found]
        else:
            known = [value for value in found if value != ELSE]
            axes.append(Axis(dimension, (*known, *([] if known == sorted(VALUES.get(dimension, ())) else [ELSE]))))
    return tuple(axes)


def rows_of(subjects: Iterable[Subject], axes: tuple[Axis, ...]) -> tuple[Row, ...]:
    """One row a subject, in an order that says nothing of who is who.

    Raises:
        ValueError: A subject has none or several values of a dimension that takes one.
    """
    return tuple(sorted(tuple(_index(subject, axis) for axis in axes) for subject in subjects))


def _index(subject: Subject, axis: Axis) -> int:
    has = subject.get(axis.dimension, ())
    if axis.flag:
        return int(axis.flag in has)
    if len(has) != 1 or has[0] not in axis.values:
        msg = "a subject has exactly one value of this dimension"
        raise ValueError(msg)
    return axis.values.index(has[0])
