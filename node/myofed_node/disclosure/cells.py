"""All conjunctions of at most three conditions on the axes of a table, numbered so that counts are flat arrays.

Condition 0 always holds, so that (0, 0, 0) is the total, (0, 0, a) one condition, (0, a, b) two and (a, b, c) three. A
cell is kept at each of its places (condition, pair of conditions): a move of one subject then touches rows of the array.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from myofed_node.disclosure.base_table import Axis

Indices = NDArray[np.int64]
Rows = NDArray[np.int64]
"""(subjects, axes): index of the value."""
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class CellSpace:
    """Conditions and cells of these axes."""

    axes: tuple[Axis, ...]

    @cached_property
    def sizes(self) -> Indices:
        """Values of each axis."""
        return np.array([len(axis.values) for axis in self.axes], np.int64)

    @cached_property
    def first(self) -> Indices:
        """The first condition of each axis."""
        return 1 + np.concatenate([[0], np.cumsum(self.sizes)[:-1]]).astype(np.int64)

    @cached_property
    def conditions(self) -> int:
        """All conditions, with the one that always holds."""
        return int(1 + self.sizes.sum())

    @cached_property
    def axis_of(self) -> Indices:
        """Axis of each condition; -1 for condition 0."""
        return np.concatenate([[-1], np.repeat(np.arange(len(self.axes)), self.sizes)]).astype(np.int64)

    @cached_property
    def pairs(self) -> tuple[Indices, Indices]:
        """The two conditions of each pair, the smaller first."""
        one, other = np.triu_indices(self.conditions)
        return one.astype(np.int64), other.astype(np.int64)

    @cached_property
    def pair(self) -> Indices:
        """(conditions, conditions): number of the pair."""
        one, other = self.pairs
        table = np.zeros((self.conditions, self.conditions), np.int64)
        table[one, other] = table[other, one] = np.arange(len(one))
        return table

    @property
    def places(self) -> int:
        """Length of a flat array of cells."""
        return self.conditions * len(self.pairs[0])

    def place(self, condition: Indices, one: Indices, other: Indices) -> Indices:
        """Flat places of the cells of three conditions each."""
        return condition * len(self.pairs[0]) + self.pair[one, other]

    @cached_property
    def _three(self) -> tuple[Indices, Indices, Indices]:
        one, other = self.pairs
        condition = np.repeat(np.arange(self.conditions), len(one))
        return condition, np.tile(one, self.conditions), np.tile(other, self.conditions)

    @cached_property
    def valid(self) -> Mask:
        """Places that are a cell: no two conditions of one axis."""
        axis, (a, b, c) = self.axis_of, self._three
        apart = np.ones(self.places, bool)
        for one, other in ((a, b), (a, c), (b, c)):
            apart &= (one == 0) | (other == 0) | (axis[one] != axis[other])
        return apart

    @cached_property
    def canonical(self) -> Mask:
        """One place of each cell: its conditions in ascending order."""
        a, b, _ = self._three
        return self.valid & (a <= b)

    @cached_property
    def order(self) -> Indices:
        """Number of conditions at each place, condition 0 not counted."""
        a, b, c = self._three
        return np.asarray((a > 0).astype(np.int64) + (b > 0) + (c > 0))

    @cached_property
    def tellable(self) -> Mask:
        """Cells whose conditions can all be said in a publication."""
        said = np.array([True, *(bool(value) for axis in self.axes for value in axis.told)])
        a, b, c = self._three
        return np.asarray(self.valid & said[a] & said[b] & said[c])

    def among(self, allowed: Sequence[bool]) -> Mask:
        """Places all of whose conditions are on an allowed axis."""
        fine = np.array([True, *np.repeat(np.array(allowed, bool), self.sizes)])
        a, b, c = self._three
        return np.asarray(self.valid & fine[a] & fine[b] & fine[c])

    def everywhere(self, canonical: Indices) -> Mask:
        """All places of the cells at these places."""
        a, b, c = (each[canonical] for each in self._three)
        marked = np.zeros(self.places, bool)
        for one, other, last in ((a, b, c), (b, a, c), (c, a, b)):
            marked[self.place(one, other, last)] = True
        return marked & self.valid

    def three(self, place: int) -> tuple[int, int, int]:
        """The conditions of the cell at this place."""
        a, b, c = (int(each[place]) for each in self._three)
        return a, b, c

    def said(self, place: int) -> tuple[tuple[str, str], ...]:
        """The (dimension, value) conditions of the cell at this place, sorted."""
        a, b, c = (int(each[place]) for each in self._three)
        return tuple(sorted(self._said(condition) for condition in (a, b, c) if condition))

    def _said(self, condition: int) -> tuple[str, str]:
        axis = int(self.axis_of[condition])
        return self.axes[axis].dimension, self.axes[axis].told[condition - int(self.first[axis])]

    def of(self, rows: Rows) -> Indices:
        """(subjects, axes): the conditions that hold for each subject."""
        return rows + self.first

    def count(self, rows: Rows, weight: NDArray[np.float32]) -> NDArray[np.int32]:
        """Subjects in each cell.

        Args:
            rows: The subjects.
            weight: 1 for each subject to count, 0 for the others.

        Returns:
            (places,) int32; places that are no cell hold what is of no use.
        """
        holds = np.zeros((len(rows), self.conditions), np.float32)
        holds[:, 0] = weight
        if len(rows):
            np.put_along_axis(holds, self.of(rows), weight[:, None], axis=1)
        one, other = self.pairs
        return (holds.T @ (holds[:, one] * holds[:, other])).astype(np.int32).ravel()
