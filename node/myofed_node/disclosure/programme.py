"""A witness for one cell by integer programming, where walking finds none: numbers of subjects of each kind of row.

Solved with HiGHS (scipy.optimize.milp). Only rows near the observed ones are tried; any table that fits is a witness.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import csr_array, hstack, identity

from myofed_node.disclosure.cells import CellSpace, Rows
from myofed_node.disclosure.problem import Problem, Witness

MOST_ROWS = 4000
"""Kinds of rows; more are drawn from."""
TIME_LIMIT_S = 20.0
"""Of one solve, so that it ends; what it finds by then is used, and what it does not is withheld."""

Float = NDArray[np.float64]


@dataclass(frozen=True)
class Bound:
    """What the programme has to keep.

    Attributes:
        world: Of the cell.
        place: Of the cell, canonical.
        low: Smallest count.
        high: Largest count.
        price: Of one subject more or less; None where it may not be off.
    """

    world: int
    place: int
    low: float
    high: float
    price: float | None


def find(problem: Problem, bounds: list[Bound], *, rng: np.random.Generator) -> Witness | None:
    """A table as large as the truth that keeps the bounds, at the least price that was found; None where none was.

    Args:
        problem: The truth.
        bounds: All that is told, and what is demanded of the cell in question.
        rng: Draws the rows where there are too many.
    """
    rows = _rows(problem, rng)
    kinds = _Kinds(problem, rows)
    table = np.stack([kinds.members(bound.world, bound.place) for bound in bounds])
    hard = np.array([bound.price is None for bound in bounds])
    low, high = np.array([bound.low for bound in bounds]), np.array([bound.high for bound in bounds])
    prices = np.array([bound.price or 0.0 for bound in bounds])[~hard]
    count, soft = table.shape[1], int((~hard).sum())
    slack, none = identity(soft), csr_array((int(hard.sum()), soft))
    constraints = [
        LinearConstraint(hstack([csr_array(table[hard]), none]), low[hard], high[hard]),
        LinearConstraint(hstack([csr_array(table[~hard]), slack]), low[~hard], np.inf),
        LinearConstraint(hstack([csr_array(table[~hard]), -slack]), -np.inf, high[~hard]),
        LinearConstraint(csr_array(np.r_[np.ones(count), np.zeros(soft)][None]), len(problem.rows), len(problem.rows)),
    ]
    answer = milp(
        np.r_[np.zeros(count), prices],
        constraints=constraints,
        integrality=np.r_[np.ones(count), np.zeros(soft)],
        bounds=Bounds(0, np.inf),
        options={"time_limit": TIME_LIMIT_S, "mip_rel_gap": 0.2},
    )
    return None if answer.x is None else kinds.witness(np.rint(answer.x[:count]).astype(np.int64))


class _Kinds:
    """The unknowns: a row in a state."""

    def __init__(self, problem: Problem, rows: Rows) -> None:
        self._rows, self._states, self._space = rows, problem.states, problem.space
        self._holds = np.zeros((len(rows), problem.space.conditions), bool)
        self._holds[:, 0] = True
        np.put_along_axis(self._holds, problem.space.of(rows), values=True, axis=1)

    def members(self, world: int, place: int) -> Float:
        """For each unknown 1 where it counts in the cell."""
        inside = self._holds[:, list(self._space.three(place))].all(axis=1).astype(np.float64)
        return np.concatenate([inside * float(world in state) for state in self._states])

    def witness(self, numbers: NDArray[np.int64]) -> Witness:
        """The table with so many subjects of each kind."""
        kinds = np.repeat(np.arange(len(numbers)), numbers)
        return Witness(self._rows[kinds % len(self._rows)], kinds // len(self._rows))


def _rows(problem: Problem, rng: np.random.Generator) -> Rows:
    """All rows there can be, or the observed ones and those that differ from one of them in one value."""
    observed, space = np.unique(problem.rows, axis=0), problem.space
    if float(np.prod(space.sizes.astype(np.float64))) <= MOST_ROWS:
        return np.stack(np.meshgrid(*(np.arange(size) for size in space.sizes), indexing="ij"), axis=-1).reshape(
            -1, len(space.sizes)
        )
    near = np.unique(np.concatenate([_changed(observed, space, axis) for axis in range(len(space.sizes))]), axis=0)
    drawn = near if len(near) <= MOST_ROWS else near[rng.choice(len(near), MOST_ROWS, replace=False)]
    return np.unique(np.concatenate([observed, drawn]), axis=0)


def _changed(rows: Rows, space: CellSpace, axis: int) -> Rows:
    every = np.repeat(rows, space.sizes[axis], axis=0)
    every[:, axis] = np.tile(np.arange(space.sizes[axis]), len(rows))
    return every
