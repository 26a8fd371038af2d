"""The proof before anything leaves: every witness gives the same publication, and every small cell has its witness.

Counts are taken anew from the tables; nothing of the search's own bookkeeping is believed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from myofed_node.disclosure.cells import Mask
from myofed_node.disclosure.problem import Problem, Witness

SPREAD = 48
"""Witnesses that are looked at before those that are needed for a single cell."""


@dataclass(frozen=True)
class AuditFigures:
    """What the audit found.

    Attributes:
        cells: Cells that nobody may conclude anything about.
        open: Those of them without a witness.
        witnesses: Tables that were counted.
    """

    cells: int
    open: int
    witnesses: int


def audit(problem: Problem, told: Mask, witnesses: Sequence[Witness]) -> AuditFigures:
    """How many of the sensitive cells have a witness.

    Args:
        problem: The truth, and what is sensitive of it; what it says is told does not count here.
        told: (worlds, places): what is published of each world.
        witnesses: Other tables; one that does not give the same publication is no witness.
    """
    truth = problem.counts(problem.rows, problem.presence)
    lowest, highest = problem.bounds(truth)
    low, high = lowest[told], highest[told]
    small, zeros = (each & problem.space.canonical for each in problem.sensitive(truth))
    cells, used = int(small.sum() + zeros.sum()), 0
    for witness in _spread(witnesses):
        if not (small.any() or zeros.any()):
            break
        counts = problem.counts(witness.rows, witness.presence)
        used += 1
        if _same(counts, told, low=low, high=high):
            small &= (counts > 0) & (counts < problem.k)
            zeros &= counts == 0
    return AuditFigures(cells, int(small.sum() + zeros.sum()), used)


def _same(counts: NDArray[np.int32], told: Mask, *, low: NDArray[np.int32], high: NDArray[np.int32]) -> bool:
    found = counts[told]
    return bool(((found >= low) & (found <= high)).all())


def _spread(witnesses: Sequence[Witness]) -> Iterator[Witness]:
    """Some from all over the walk, which serve most cells, then all others, the last first."""
    stride = max(1, len(witnesses) // SPREAD)
    yield from witnesses[::stride]
    yield from (witness for number, witness in reversed(list(enumerate(witnesses))) if number % stride)
