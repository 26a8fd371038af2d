"""Which places of the cell arrays a subject counts in, and which of them a change of one of its values touches."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from myofed_node.disclosure.cells import CellSpace, Indices


@dataclass(frozen=True)
class Templates:
    """Positions in a subject's conditions: 0 is the condition that always holds, a + 1 the one on axis a."""

    space: CellSpace

    @cached_property
    def _triples(self) -> Indices:
        """(n, 3): every place at which a subject counts, as positions."""
        width = len(self.space.axes) + 1
        one, other = np.triu_indices(width)
        first = np.repeat(np.arange(width), len(one))
        triples = np.stack([first, np.tile(one, width), np.tile(other, width)], axis=1)
        x, y, z = triples.T
        apart = ((y != z) | (y == 0)) & ((x != y) | (x == 0)) & ((x != z) | (x == 0))
        return np.asarray(triples[apart], np.int64)

    @cached_property
    def everywhere(self) -> Indices:
        """(n, 3): every place at which a subject counts."""
        return self._triples

    @cached_property
    def once(self) -> Indices:
        """(n, 3): one place of every cell in which a subject counts."""
        x, y, _ = self._triples.T
        return np.asarray(self._triples[x <= y], np.int64)

    @cached_property
    def touched(self) -> tuple[Indices, ...]:
        """For each axis (n, 3): the places that its value decides."""
        return tuple(
            np.asarray(self._triples[(self._triples == axis + 1).any(axis=1)], np.int64)
            for axis in range(len(self.space.axes))
        )

    @cached_property
    def beside(self) -> tuple[Indices, ...]:
        """For each axis (n, 2): the pairs of the other positions; with a value of the axis they give its cells once each."""
        chosen = [self._triples[self._triples[:, 0] == axis + 1] for axis in range(len(self.space.axes))]
        return tuple(np.asarray(each[:, 1:], np.int64) for each in chosen)

    def places(self, conditions: Indices, template: Indices) -> Indices:
        """Flat places for subjects with these conditions.

        Args:
            conditions: (..., axes + 1), the first is 0.
            template: (n, 3) positions.

        Returns:
            (..., n).
        """
        at = conditions[..., template]
        return self.space.place(at[..., 0], at[..., 1], at[..., 2])
