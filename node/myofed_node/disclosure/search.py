"""The walk through witness tables: every table it visits gives the same publication, less what it had to withhold.

A step changes one value of one subject, or whether it is there. Steps that leave all told numbers as they are cost
nothing; where none of them protects a further cell, the step that protects most for what it would withhold is taken, and
what it contradicts is withheld. A cell is protected by a table that gives the same publication and in which it is zero
(or at least k); a cell without subjects by one in which it has some. Withholding more never takes such a proof back.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from myofed_node.disclosure.cells import Indices
from myofed_node.disclosure.moves import Templates
from myofed_node.disclosure.problem import Problem, Witness
from myofed_node.disclosure.programme import Bound
from myofed_node.disclosure.rounding import UNBOUNDED

PRICES = (400, 20, 4, 1)
"""What withholding a number costs, by its number of conditions; the total and what left before are never withheld."""
FIXED = PRICES[0]
SCALE = 8192
"""One unit of price in a score; the gains of one step stay below it."""
SAMPLE = 24
"""Subjects among whom a step is chosen."""
IMPOSSIBLE = np.int64(1) << 40

Int32 = NDArray[np.int32]
Int64 = NDArray[np.int64]


@dataclass(frozen=True)
class Demand:
    """What a cell was bounded by before something was demanded of it."""

    world: int
    at: Indices
    lowest: Int32
    highest: Int32
    price: Int32


class Search:
    """The state of one walk; deterministic for a problem and a seed."""

    def __init__(self, problem: Problem, *, seed: int) -> None:
        self.problem, self.space = problem, problem.space
        self.templates = Templates(problem.space)
        self.rng = np.random.default_rng(seed)
        self.truth = Witness(problem.rows, problem.presence)
        self.rows, self.presence = problem.rows.copy(), problem.presence.copy()
        self.counts = problem.counts(self.rows, self.presence)
        self.told = np.stack([world.told for world in problem.worlds])
        lowest, highest = problem.bounds(self.counts)
        self.lowest = np.where(self.told, lowest, -UNBOUNDED).astype(np.int32)
        self.highest = np.where(self.told, highest, UNBOUNDED).astype(np.int32)
        by_order = np.array(PRICES, np.int32)[self.space.order]
        self.price = np.stack([np.full_like(by_order, FIXED) if w.fixed else by_order for w in problem.worlds])
        self.open_small, self.open_zeros = problem.sensitive(self.counts)
        self.left = len(self.open)
        """Cells that are not yet protected."""
        self.witnesses: list[Witness] = []
        self._touched: list[tuple[int, Indices]] = []
        self.up, self.down = np.zeros_like(self.counts), np.zeros_like(self.counts)
        self.ups = np.zeros((len(problem.states), self.space.places), np.int32)
        self.downs = np.zeros_like(self.ups)
        everywhere = np.arange(self.space.places)
        for world in range(len(problem.worlds)):
            self._score(world, everywhere)

    @property
    def open(self) -> Int64:
        """(n, 2): world and place of each cell that is not yet protected."""
        return np.argwhere((self.open_small | self.open_zeros) & self.space.canonical)

    def jump(self, witness: Witness) -> None:
        """The walk stands at this table."""
        self.rows, self.presence = witness.rows.copy(), witness.presence.copy()
        self.counts = self.problem.counts(self.rows, self.presence)
        everywhere = np.arange(self.space.places)
        for world in range(len(self.problem.worlds)):
            self._score(world, everywhere)
        self._touched.clear()

    def here(self) -> Witness:
        """The table at which the walk stands."""
        return Witness(self.rows.copy(), self.presence.copy())

    def _score(self, world: int, at: Indices) -> None:
        """What one subject more or less at these places costs and gains."""
        count, low, high = self.counts[world, at], self.lowest[world, at], self.highest[world, at]
        small, zero = self.open_small[world, at], self.open_zeros[world, at]
        price = SCALE * self.price[world, at]
        more = (count >= high).astype(np.int32) - (count < low)
        fewer = (count <= low).astype(np.int32) - (count > high)
        near = self.problem.k - 1
        self.up[world, at] = more * price - (2 * (zero & (count == 0)) + (small & (count == near)))
        self.down[world, at] = fewer * price - (3 * (small & (count == 1)) + (small & (count > 1) & (count <= 3)))
        for number, state in enumerate(self.problem.states):
            if state == (world,):
                self.ups[number, at], self.downs[number, at] = self.up[world, at], self.down[world, at]
            elif world in state:
                self.ups[number, at] = self.up[list(state)][:, at].sum(axis=0)
                self.downs[number, at] = self.down[list(state)][:, at].sum(axis=0)

    def conditions(self, subjects: Indices) -> Int64:
        """(subjects, axes + 1): their conditions."""
        holds = self.space.of(self.rows[subjects])
        return np.concatenate([np.zeros((len(holds), 1), np.int64), holds], axis=1)

    def value_scores(self, subjects: Indices) -> Int64:
        """(subjects, conditions - 1): what it costs and gains to give a subject that condition."""
        conditions, width = self.conditions(subjects), len(self.space.pairs[0])
        base = self.presence[subjects] * self.space.places
        ups, downs = self.ups.ravel(), self.downs.ravel()
        scores = []
        for axis, beside in enumerate(self.templates.beside):
            pairs = self.space.pair[conditions[:, beside[:, 0]], conditions[:, beside[:, 1]]] + base[:, None]
            values = self.space.first[axis] + np.arange(self.space.sizes[axis])
            gained = ups[values[:, None, None] * width + pairs].sum(axis=2, dtype=np.int64)
            lost = downs[conditions[:, axis + 1][:, None] * width + pairs].sum(axis=1, dtype=np.int64)
            score = (gained + lost).T
            score[np.arange(len(subjects)), self.rows[subjects, axis]] = IMPOSSIBLE
            scores.append(score)
        return np.concatenate(scores, axis=1)

    def state_scores(self, subjects: Indices) -> Int64:
        """(subjects, states): what it costs and gains to bring a subject into that state."""
        scores = np.full((len(subjects), len(self.problem.states)), IMPOSSIBLE, np.int64)
        if len(self.problem.states) == 1:
            return scores
        at = self.templates.places(self.conditions(subjects), self.templates.once)
        up = self.up[:, at].sum(axis=2, dtype=np.int64)
        down = self.down[:, at].sum(axis=2, dtype=np.int64)
        for number, state in enumerate(self.problem.states):
            for before, now in enumerate(self.problem.states):
                who = np.flatnonzero(self.presence[subjects] == before)
                if before != number and len(who):
                    left = down[[world for world in now if world not in state]][:, who].sum(axis=0)
                    scores[who, number] = left + up[[world for world in state if world not in now]][:, who].sum(axis=0)
        return scores

    def give(self, subject: int, condition: int) -> None:
        """The subject has this condition."""
        axis = int(self.space.axis_of[condition])
        worlds = self.problem.states[self.presence[subject]]
        for change in (-1, 1):
            if change > 0:
                self.rows[subject, axis] = condition - self.space.first[axis]
            at = self.templates.places(self.conditions(np.array([subject]))[0], self.templates.touched[axis])
            self._shift(worlds, at, change)

    def bring(self, subject: int, state: int) -> None:
        """The subject is in this state."""
        now, then = self.problem.states[self.presence[subject]], self.problem.states[state]
        at = self.templates.places(self.conditions(np.array([subject]))[0], self.templates.everywhere)
        self.presence[subject] = state
        self._shift(tuple(world for world in now if world not in then), at, -1)
        self._shift(tuple(world for world in then if world not in now), at, 1)

    def _shift(self, worlds: tuple[int, ...], at: Indices, change: int) -> None:
        for world in worlds:
            self.counts[world, at] += change
            self._score(world, at)
        self._touched.extend((world, at) for world in worlds)

    def settle_everywhere(self) -> int:
        """As `settle`, for a table that was jumped to."""
        everywhere = np.flatnonzero(self.space.valid)
        self._touched = [(world, everywhere) for world in range(len(self.problem.worlds))]
        return self.settle()

    def settle(self) -> int:
        """What the table here contradicts is withheld, and what it protects is protected.

        Returns:
            Cells it protects that were not protected before.
        """
        protected = 0
        for world, at in self._touched:
            count = self.counts[world, at]
            wrong = at[(count < self.lowest[world, at]) | (count > self.highest[world, at])]
            self._withhold(world, wrong)
            hit = self.open_small[world, at] & ((count == 0) | (count >= self.problem.k))
            hit |= self.open_zeros[world, at] & (count > 0)
            done = at[hit]
            self.open_small[world, done] = self.open_zeros[world, done] = False
            protected += int(self.space.canonical[done].sum())
            self._score(world, np.concatenate([wrong, done]))
        self._touched.clear()
        self.left -= protected
        if protected:
            self.witnesses.append(self.here())
        return protected

    def contradiction(self) -> int:
        """Price of what the table here contradicts, each number by how far it is off."""
        off = np.maximum(self.lowest - self.counts, 0) + np.maximum(self.counts - self.highest, 0)
        return int((off * self.price)[:, self.space.canonical].sum())

    def breaks_fixed(self) -> bool:
        """Whether the table here contradicts what cannot be withheld, or is demanded."""
        off = (self.counts < self.lowest) | (self.counts > self.highest)
        return bool((off & (self.price >= FIXED))[:, self.space.canonical].any())

    def demand(self, world: int, place: int, *, full: bool) -> Demand:
        """Until `release` the walk pays for every table in which this cell is as it is in the truth.

        An open cell of a few subjects has to be empty, or with `full` to have at least k; one without has to have one.
        """
        a, b, c = self.space.three(place)
        at = np.unique(self.space.place(np.array([a, b, c]), np.array([b, a, a]), np.array([c, c, b])))
        before = Demand(world, at, *(each[world, at].copy() for each in (self.lowest, self.highest, self.price)))
        if self.open_small[world, place] and full:
            self.lowest[world, at] = self.problem.k
        elif self.open_small[world, place]:
            self.highest[world, at] = 0
        else:
            self.lowest[world, at] = 1
        self.price[world, at] = FIXED
        self._score(world, at)
        return before

    def bounds(self) -> list[Bound]:
        """What is told now, and demanded, with its prices."""
        found = np.argwhere((self.told | (self.lowest > 0) | (self.highest < UNBOUNDED)) & self.space.canonical)
        prices = [float(self.price[world, place]) for world, place in found]
        return [
            Bound(
                int(world),
                int(place),
                float(self.lowest[world, place]) if self.lowest[world, place] > -UNBOUNDED else 0.0,
                float(self.highest[world, place]) if self.highest[world, place] < UNBOUNDED else np.inf,
                None if price >= FIXED else price,
            )
            for (world, place), price in zip(found, prices, strict=True)
        ]

    def release(self, demand: Demand) -> None:
        """The cell costs what it cost before."""
        world, at = demand.world, demand.at
        self.lowest[world, at], self.highest[world, at] = demand.lowest, demand.highest
        self.price[world, at] = demand.price
        self._score(world, at)

    def _withhold(self, world: int, at: Indices) -> None:
        if len(at) and (self.problem.worlds[world].fixed or (self.space.order[at] == 0).any()):
            msg = "a number that cannot be withheld was contradicted"
            raise RuntimeError(msg)
        self.told[world, at] = False
        self.lowest[world, at], self.highest[world, at] = -UNBOUNDED, UNBOUNDED
