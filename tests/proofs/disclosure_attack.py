"""An attacker with an integer programme: everything that published counts imply, for every cell below k.

Written against docs/disclosure.md alone. It knows the told numbers and which counts each stands for, that conditions of
one dimension exclude each other and that a sequence is there or not; it does not know which cells were withheld for what
reason. A cell is open where some table with the told numbers shows another kind of count in it. Most such tables are found
by small moves from the truth; every cell that is closed then is asked of HiGHS, both ways.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import csr_array, vstack

from proofs.disclosure_model import Cell, Model, Table
from proofs.disclosure_moves import Moves, Question

TIME_LIMIT_S = 60.0
"""Of one solve. What is not decided by then counts as concluded: the proof fails rather than keeps silent."""
UNKNOWN = -1


@dataclass(frozen=True)
class Finding:
    """What the attacker concluded of one cell.

    Attributes:
        cell: Its conditions.
        among: The world.
        true: Its count.
        lowest: Smallest count it can have; -1 where HiGHS found none in time.
        highest: Largest.
        decided: No other kind of count is possible; else it could not be decided in time.
    """

    cell: Cell
    among: str
    true: int
    lowest: int
    highest: int
    decided: bool


class Attack:
    """The publications of one site, attacked."""

    def __init__(self, model: Model, *, seed: int) -> None:
        self.model, self._seed = model, seed
        self.solved = 0
        """Integer programmes that were solved."""
        self.tables: list[Table] = []
        """Tables with the same told numbers."""
        self._told = csr_array(vstack([model.row(world, cell) for world, cell in model.told]))
        low, high = model.bounds
        self._low, self._high = (np.array([bound[at] for at in model.told], np.float64) for bound in (low, high))

    def conclude(self, truth: Table, *, k: int, zeros: Iterable[str], known: Sequence[Table] = ()) -> list[Finding]:
        """Every cell of which the attacker learns that it is small, how large it is, or that it is empty.

        Args:
            truth: From the model's `tally`.
            k: Below it a cell is small.
            zeros: Worlds in which an empty cell is a finding, too.
            known: Other tables that are tried first.

        Raises:
            ValueError: The truth does not fit what is told.
        """
        counts = self.model.count(truth)
        if not self.model.fits(counts):
            msg = "the truth is not among the tables that fit what is told"
            raise ValueError(msg)
        question = self.asked(truth, k=k, zeros=zeros)
        for table in known:
            self._look(question, table)
        moves = Moves(self.model, question, truth, seed=self._seed)
        moves.run()
        self.tables = [*known, *moves.tables]
        undecided = [
            at for at in map(tuple, question.closed) if not self._ask(question, int(at[0]), int(at[1]), counts)
        ]
        closed = set(map(tuple, question.closed))
        return [
            Finding(
                self.model.cells[cell],
                self.model.worlds[world],
                int(counts[world, cell]),
                self._extreme(world, cell, 1),
                self._extreme(world, cell, -1),
                (world, cell) not in undecided,
            )
            for world, cell in sorted(closed)
        ]

    def asked(self, truth: Table, *, k: int, zeros: Iterable[str]) -> Question:
        """The cells of which something is to be concluded. The total of a version is told or nothing is."""
        counts, worlds = self.model.count(truth), self.model.worlds
        total = np.array(
            [[number == 0 and world[0] not in "+-" for number in range(counts.shape[1])] for world in worlds]
        )
        empty = np.array([[world in set(zeros)] for world in worlds])
        return Question((counts > 0) & (counts < k) & ~total, (counts == 0) & empty & ~total, k)

    def _look(self, question: Question, table: Table) -> None:
        counts = self.model.count(table)
        if self.model.fits(counts):
            question.look(counts)

    def _ask(self, question: Question, world: int, cell: int, counts: NDArray[np.int64]) -> bool:
        """One cell: is there a table in which it is empty, or holds at least k (or one, where nobody is in it)?

        Returns:
            Whether that could be decided.
        """
        if not (question.small[world, cell] or question.empty[world, cell]):
            return True
        ends = [(0.0, 0.0), (float(question.k), np.inf)] if counts[world, cell] else [(1.0, np.inf)]
        decided = True
        for low, high in ends:
            table, sure = self._milp(None, self.model.row(world, cell), low, high)
            if table is not None:
                self._look(question, table)
                return True
            decided &= sure
        return decided

    def _extreme(self, world: int, cell: int, sign: int) -> int:
        row = self.model.row(world, cell)
        table, _ = self._milp(sign * row.toarray()[0].astype(np.float64), row, 0.0, np.inf)
        return UNKNOWN if table is None else int(self.model.count(table)[world, cell])

    def _milp(
        self, aim: NDArray[np.float64] | None, row: csr_array, low: float, high: float
    ) -> tuple[Table | None, bool]:
        """A table that fits with the row's sum in these bounds; None and True where there is none."""
        self.solved += 1
        size = self._told.shape[1]
        constraints = LinearConstraint(
            csr_array(vstack([self._told, row])), np.append(self._low, low), np.append(self._high, high)
        )
        answer = milp(
            np.zeros(size) if aim is None else aim,
            constraints=constraints,
            integrality=np.ones(size),
            bounds=Bounds(0, np.inf),
            options={"time_limit": TIME_LIMIT_S},
        )
        if answer.x is None:
            return None, answer.status == 2
        table = np.rint(answer.x).astype(np.int64).reshape(len(self.model.groups), -1)
        return (table, True) if self.model.fits(self.model.count(table)) else (None, False)
