"""What a search for witnesses starts from: the true table, what is told of it, and what nobody may conclude."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from myofed_node.disclosure.cells import CellSpace, Mask, Rows
from myofed_node.disclosure.rounding import Rounding

Presence = NDArray[np.int64]
"""(subjects,): index of the state a subject is in."""


@dataclass(frozen=True)
class World:
    """One set of subjects that cells are counted over: a version, or those who were added or removed since.

    Attributes:
        told: Cells that are published of it; flat, all places of a cell alike.
        rounding: With which they are.
        fixed: They left the hospital before: nothing of them can be withheld any more.
        small: Whether its cells of 1..k-1 subjects are to be protected.
        zeros: Whether its cells without subjects are.
        difference: It is who was added or removed, not a version.
    """

    told: Mask
    rounding: Rounding
    fixed: bool = False
    small: bool = True
    zeros: bool = True
    difference: bool = False


@dataclass(frozen=True)
class Problem:
    """A truth, its publication and the attacker's question.

    Attributes:
        space: Conditions and cells.
        rows: (subjects, axes): the truth.
        presence: State of each.
        states: For each state the worlds it counts in; only these occur in a witness.
        worlds: What is told of each world.
        k: Below it a count is small.
    """

    space: CellSpace
    rows: Rows
    presence: Presence
    states: tuple[tuple[int, ...], ...]
    worlds: tuple[World, ...]
    k: int

    def members(self, presence: Presence, world: int) -> NDArray[np.float32]:
        """(subjects,): 1 for those who count in this world."""
        counted = np.array([world in state for state in self.states], np.float32)
        return counted[presence]

    def counts(self, rows: Rows, presence: Presence) -> NDArray[np.int32]:
        """(worlds, places): subjects in each cell of each world."""
        every = [self.space.count(rows, self.members(presence, world)) for world in range(len(self.worlds))]
        return np.stack(every)

    def sensitive(self, counts: NDArray[np.int32]) -> tuple[Mask, Mask]:
        """(worlds, places) twice: cells of 1..k-1 subjects, and empty cells, of which nobody may conclude that.

        The total of a version is not among them: where it is not told, nothing is.
        """
        small, zeros = (np.array([[flag] for flag in flags]) for flags in zip(*self._protected(), strict=True))
        cells = self.space.valid & ((self.space.order > 0) | np.array([[w.difference] for w in self.worlds]))
        return cells & small & (counts > 0) & (counts < self.k), cells & zeros & (counts == 0)

    def _protected(self) -> list[tuple[bool, bool]]:
        return [(world.small, world.zeros) for world in self.worlds]

    def bounds(self, counts: NDArray[np.int32]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """(worlds, places) twice: smallest and largest count that is told alike, were these counts told."""
        limits = [
            world.rounding.bounds(int(each.max(initial=0))) for world, each in zip(self.worlds, counts, strict=True)
        ]
        pairs = [(low[each], high[each]) for (low, high), each in zip(limits, counts, strict=True)]
        return np.stack([low for low, _ in pairs]), np.stack([high for _, high in pairs])


@dataclass(frozen=True)
class Witness:
    """Another table with the same publication.

    Attributes:
        rows: As in the problem.
        presence: As in the problem.
    """

    rows: Rows
    presence: Presence
