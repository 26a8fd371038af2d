"""The attacker's cheap way to see that a cell tells nothing: other tables with the same told numbers, by small moves.

One subject is taken out and put where it fits best. What such a walk does not find is asked of the integer programme
(`disclosure_attack`): the walk can only spare it work, for every table is counted anew before it is believed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from proofs.disclosure_model import NO_BOUND, Counts, Model, Table

SCALE = 1 << 12
"""One told number that is off by one, in a price; what a move brings stays below it."""
IDLE = 60
"""Steps that bring nothing before a walk ends."""
TARGET_STEPS = 160
"""For one cell."""
AFTER = 8
"""Free steps from a table that was found for one cell."""
REST = (2, 9)
KEPT = 40
"""Tables that a walk for one cell may start from."""

Places = NDArray[np.bool_]


@dataclass
class Question:
    """Cells of which the attacker asks whether they are small (1..k-1), or empty, and which have no second possibility yet.

    Attributes:
        small: (worlds, cells): that are, and no other table shows otherwise.
        empty: Alike.
        k: Below it a count is small.
    """

    small: Places
    empty: Places
    k: int

    @property
    def closed(self) -> NDArray[np.int64]:
        """(n, 2): world and cell."""
        return np.argwhere(self.small | self.empty)

    def opened_by(self, counts: Counts) -> Places:
        """Cells that are of another kind in this table."""
        return (self.small & ((counts == 0) | (counts >= self.k))) | (self.empty & (counts > 0))

    def look(self, counts: Counts) -> int:
        """Cells of another kind in this table are open; returns how many it opened."""
        opened = self.opened_by(counts)
        self.small &= ~opened
        self.empty &= ~opened
        return int(opened.sum())


class Moves:
    """A walk through tables; deterministic for a model, a question and a seed."""

    def __init__(self, model: Model, question: Question, truth: Table, *, seed: int) -> None:
        self.model, self.question, self.truth = model, question, truth
        self.rng = np.random.default_rng([seed, 3])
        self.low, self.high = (each.copy() for each in model.bounds)
        self.weight = np.ones_like(self.low)
        self.tables: list[Table] = []
        self.worlds = [np.flatnonzero(column) for column in model.counted.T]
        self._jump(truth)

    def run(self) -> None:
        """Until nothing more comes for free, and then for each cell that is still closed."""
        self._stroll(IDLE)
        tried: set[tuple[int, int]] = set()
        while todo := [at for at in map(tuple, self.question.closed) if at not in tried]:
            world, cell = todo[int(self.rng.integers(len(todo)))]
            tried.add((world, cell))
            self._target(int(world), int(cell))

    def _jump(self, table: Table) -> None:
        group, combination = np.nonzero(table)
        times = table[group, combination]
        self.group, self.at = np.repeat(group, times), np.repeat(combination, times)
        self.counts = self.model.count(table)
        self.resting = np.zeros(len(self.at), np.int64)
        self.now = 0
        self.up, self.down, self.brings = (np.zeros_like(self.counts) for _ in range(3))
        self._price_all()

    def _price_all(self) -> None:
        self._price(np.arange(len(self.model.worlds)), np.arange(len(self.model.cells)))

    def _table(self) -> Table:
        table = np.zeros_like(self.truth)
        here = self.group >= 0
        np.add.at(table, (self.group[here], self.at[here]), 1)
        return table

    def _price(self, worlds: NDArray[np.int64], cells: NDArray[np.int64]) -> None:
        """What one subject more or less in these cells costs (numbers contradicted) and brings (cells opened)."""
        at = np.ix_(worlds, cells)
        count, low, high, q = self.counts[at], self.low[at], self.high[at], self.question
        price = self.weight[at] * SCALE
        more, fewer = (count >= high).astype(np.int64) - (count < low), (count <= low) * (low > 0) - 1 * (count > high)
        self.up[at] = more * price - 2 * (q.empty[at] & (count == 0)) - (q.small[at] & (count == q.k - 1))
        self.brings[at] = 3 * (q.small[at] & (count == 1)) + (q.small[at] & (count > 1))
        self.down[at] = fewer * price - self.brings[at]

    def _shift(self, group: int, combination: int, change: int) -> None:
        if group >= 0:
            worlds, cells = self.worlds[group], self.model.inside[combination]
            self.counts[np.ix_(worlds, cells)] += change
            self._price(worlds, cells)

    def _leave(self, price: Counts) -> NDArray[np.int64]:
        """(subjects,): the sum of these over the cells that each would leave."""
        by_group = self.model.counted.T @ price
        here = np.maximum(self.group, 0)
        found = by_group[here[:, None], self.model.inside[self.at]].sum(axis=1)
        return np.where(self.group >= 0, found, 0)

    def _enter(self) -> NDArray[np.int64]:
        """(groups, combinations): what it costs and brings to put a subject there."""
        return np.asarray(self.model.members @ (self.model.counted.T @ self.up).T).T

    def _step(self) -> None:
        """The subject that is best taken out is put where it fits best, but not back where it was."""
        self.now += 1
        leave = self._leave(self.down) + self.rng.random(len(self.at)) * 2
        leave[self.resting > self.now] = np.inf
        self._put(int(leave.argmin()))

    def _put(self, subject: int) -> None:
        before = int(self.group[subject]), int(self.at[subject])
        self._shift(*before, -1)
        enter = self._enter()
        worth = enter + self.rng.random(enter.shape) * 2
        absent = float(self.rng.random() * 2)
        if before[0] >= 0:
            worth[before] = np.inf
        else:
            absent = np.inf
        best = np.unravel_index(int(worth.argmin()), worth.shape)
        to = (int(best[0]), int(best[1])) if worth[best] <= absent else (-1, before[1])
        self.group[subject], self.at[subject] = to
        self.resting[subject] = self.now + self.rng.integers(*REST)
        self._shift(*to, 1)

    def _off(self) -> Counts:
        return np.maximum(self.low - self.counts, 0) + np.maximum(self.counts - self.high, 0)

    def _stroll(self, idle: int) -> None:
        """Steps that contradict nothing, until so many brought nothing."""
        left = idle
        while left and (self.question.small.any() or self.question.empty.any()):
            self.now += 1
            leave = self.rng.random(len(self.at)) * 6 - self._leave(self.brings)
            leave[self.resting > self.now] = np.inf
            subject = int(leave.argmin())
            before = int(self.group[subject]), int(self.at[subject])
            self._put(subject)
            if self._off().any():
                self._shift(int(self.group[subject]), int(self.at[subject]), -1)
                self.group[subject], self.at[subject] = before
                self._shift(*before, 1)
            left = idle if self._believe() else left - 1

    def _target(self, world: int, cell: int) -> None:
        """A table for this cell: empty or at least k, or at least one where there is nobody."""
        true = int(self.model.count(self.truth)[world, cell])
        ends = [(0, 0), (self.question.k, NO_BOUND)] if true else [(1, NO_BOUND)]
        if 2 * true > self.question.k:
            ends.reverse()
        for low, high in ends:
            for start in (self.truth, *self._earlier()):
                before = self.low[world, cell], self.high[world, cell]
                self.low[world, cell], self.high[world, cell] = max(low, before[0]), min(high, before[1])
                self._jump(start)
                found = self._repair()
                self.low[world, cell], self.high[world, cell] = before
                self.weight[:] = 1
                if found:
                    self._believe()
                    self._jump(self._table())
                    self._stroll(AFTER)
                    return

    def _earlier(self) -> list[Table]:
        return [self.tables[int(self.rng.integers(len(self.tables)))]] if self.tables else []

    def _repair(self) -> bool:
        least = NO_BOUND
        for _ in range(TARGET_STEPS):
            off = self._off()
            price = int(off.sum())
            if not price:
                return True
            if price >= least:
                worlds, cells = np.nonzero(off)
                self.weight[worlds, cells] += 1
                self._price(np.unique(worlds), np.unique(cells))
            least = min(least, price)
            self._step()
        return False

    def _believe(self) -> int:
        """What this table opens, counted anew."""
        if not self.question.opened_by(self.counts).any():
            return 0
        table = self._table()
        counts = self.model.count(table)
        if not self.model.fits(counts):
            return 0
        self.tables = [*self.tables[-KEPT + 1 :], table]
        opened = self.question.look(counts)
        self._price_all()
        return opened
