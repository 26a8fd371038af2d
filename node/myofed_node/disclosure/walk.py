"""How the walk goes: steps that cost nothing, steps that protect much for little, and else one cell at a time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from myofed_node.disclosure.cells import Indices
from myofed_node.disclosure.problem import Witness
from myofed_node.disclosure.programme import Bound, find
from myofed_node.disclosure.search import FIXED, IMPOSSIBLE, SAMPLE, SCALE, Search

IDLE_STEPS = 3
"""Steps without gain before one is bought."""
WORTH_BUYING = 3.0
"""Cells that a step must protect for each unit of price (measured: docs/disclosure.md)."""
REST = (3, 12)
"""Steps for which a value that was changed stays."""
REPAIR_STEPS = 25
STATE_SAMPLE = 6
"""Subjects among whom it is asked whether one should be in another version."""
MOST_REPAIR_STEPS = 200
"""A cell for which no table was found gets twice the steps the next time, up to these."""
SOLVE_STEPS = 1000
"""What solving for one cell counts as."""
MOST_UNSOLVED = 3
"""Cells without a table, by walking and by solving, after which the walk ends: each costs up to a minute, and more are likely."""
EARLIER_STARTS = 1
"""Witnesses from which one cell is tried, beside the truth."""

Int64 = NDArray[np.int64]
Float = NDArray[np.float64]


@dataclass(frozen=True)
class _Choice:
    """Steps from where the walk stands.

    Attributes:
        subjects: (n,) who may change.
        price: (n, conditions and states) of what each step contradicts.
        gain: Alike, cells it protects or comes nearer to.
        usable: Alike, bool.
        rested: Alike, bool: the value was not changed a moment ago.
        noise: Alike, 0 to 1.
    """

    subjects: Indices
    price: Int64
    gain: Int64
    usable: NDArray[np.bool_]
    rested: NDArray[np.bool_]
    noise: Float


class Walk:
    """A walk of a search until every cell is protected or its steps are used up; deterministic for a seed."""

    def __init__(self, search: Search, *, seed: int, steps: int) -> None:
        self.search, self.rng, self.left = search, np.random.default_rng([seed, 1]), steps
        self.number = 0
        self.repair_steps, self.unsolved = REPAIR_STEPS, 0
        self.resting = np.zeros((len(search.rows), search.rows.shape[1] + 1), np.int64)

    def run(self) -> bool:
        """Cells are protected until none is open, the steps are used up or too many cells cannot be solved.

        Returns:
            Whether none is open.
        """
        idle = 0
        while self.search.left and self.left > 0 and self.unsolved < MOST_UNSOLVED:
            choice = self._choose()
            best, gain = _best(np.where(choice.usable & choice.rested & (choice.price <= 0), choice.gain, -1), choice)
            if gain >= 1:
                idle = 0
            elif gain >= 0 and idle < IDLE_STEPS:
                idle += 1
            else:
                idle = 0
                payable = choice.usable & (choice.price < FIXED)
                worth = np.where(payable, choice.gain / (np.maximum(choice.price, 0) + 1), -1)
                best, gain = _best(worth, choice)
                if gain < WORTH_BUYING:
                    cells = self.search.open
                    world, place = (int(each) for each in cells[self.rng.integers(len(cells))])
                    self._target(world, place)
                    continue
            self._take(choice, best)
            self.search.settle()
        return not self.search.left

    def _target(self, world: int, place: int) -> None:
        """This cell is protected at the lowest price found; the walk goes on from there.

        Where no table is found that leaves alone what cannot be withheld, nothing is withheld, and the walk stands at the
        truth.
        """
        best, least = None, FIXED
        for start in self._starts():
            self.search.jump(start)
            if self.search.open_zeros[world, place]:
                self._place_subject(world, place)
            demand = self.search.demand(world, place, full=self._fuller(world, place))
            found, price = self._repair()
            self.search.release(demand)
            if price < least:
                best, least = found, price
            if price == 0:
                break
        if best is None and self.repair_steps == MOST_REPAIR_STEPS:
            best = self._solve(world, place)
            self.unsolved += best is None
        longer = min(2 * self.repair_steps, MOST_REPAIR_STEPS)
        self.repair_steps = longer if best is None else REPAIR_STEPS
        self.search.jump(best or self.search.truth)
        self.search.settle_everywhere()

    def _solve(self, world: int, place: int) -> Witness | None:
        """A table for this cell by integer programming, which has to leave alone what cannot be withheld.

        Where the programme ends without one, it is asked for any table with what cannot be withheld, which is far easier,
        and a walk from there makes it cheaper.
        """
        for full in (False, True):
            self.left -= SOLVE_STEPS
            demand = self.search.demand(world, place, full=full)
            found = self._found(self.search.bounds())
            if found is None and (found := self._found([each for each in self.search.bounds() if each.price is None])):
                self.search.jump(found)
                found, _ = self._repair()
            self.search.release(demand)
            if found is not None:
                return found
        return None

    def _found(self, bounds: list[Bound]) -> Witness | None:
        found = find(self.search.problem, bounds, rng=self.rng)
        if found is None or len(found.rows) != len(self.search.rows):
            return None
        self.search.jump(found)
        return None if self.search.breaks_fixed() else found

    def _fuller(self, world: int, place: int) -> bool:
        """Whether a cell of a few subjects should be filled up rather than emptied: the nearer end is likelier."""
        return bool(self.rng.random() * self.search.problem.k < self.search.counts[world, place])

    def _starts(self) -> list[Witness]:
        known = self.search.witnesses
        drawn = [known[int(self.rng.integers(len(known)))] for _ in range(EARLIER_STARTS if known else 0)]
        return [self.search.truth, *drawn]

    def _place_subject(self, world: int, place: int) -> None:
        """The subject that needs the fewest changes is in the cell."""
        space, rows = self.search.space, self.search.rows
        wanted = [condition for condition in space.three(place) if condition]
        members = np.flatnonzero(self.search.problem.members(self.search.presence, world))
        fitting = np.isin(space.of(rows[members]), wanted).sum(axis=1)
        subject = int(members[np.argmax(fitting + self.rng.random(len(members)))])
        for condition in wanted:
            if condition not in space.of(rows[subject]):
                self.search.give(subject, condition)

    def _repair(self) -> tuple[Witness, int]:
        """The table of the lowest price that a short walk from here meets, and that price."""
        price = least = self.search.contradiction()
        best, self.resting[:] = self.search.here(), 0
        for _ in range(self.repair_steps):
            if price == 0:
                break
            choice = self._choose()
            step, _ = _best(np.where(choice.usable & choice.rested, -choice.price, -np.inf), choice)
            price += int(choice.price[step])
            self._take(choice, step)
            if price < least:
                best, least = self.search.here(), price
        return best, least

    def _choose(self) -> _Choice:
        self.number += 1
        self.left -= 1
        every = len(self.search.rows)
        subjects = self.rng.permutation(every)[:SAMPLE]
        states = np.full((len(subjects), len(self.search.problem.states)), IMPOSSIBLE)
        states[:STATE_SAMPLE] = self.search.state_scores(subjects[:STATE_SAMPLE])
        scores = np.concatenate([self.search.value_scores(subjects), states], axis=1)
        price = (scores + SCALE // 2) // SCALE
        widths = [*self.search.space.sizes, len(self.search.problem.states)]
        resting = np.repeat(self.resting[subjects] > self.number, widths, axis=1)
        return _Choice(
            subjects, price, price * SCALE - scores, scores < IMPOSSIBLE, ~resting, self.rng.random(scores.shape)
        )

    def _take(self, choice: _Choice, step: tuple[int, int]) -> None:
        subject, condition = int(choice.subjects[step[0]]), step[1] + 1
        if condition < self.search.space.conditions:
            self.search.give(subject, condition)
            self.resting[subject, self.search.space.axis_of[condition]] = self.number + self.rng.integers(*REST)
        else:
            self.search.bring(subject, condition - self.search.space.conditions)
            self.resting[subject, -1] = self.number + self.rng.integers(*REST)


def _best(worth: Float | Int64, choice: _Choice) -> tuple[tuple[int, int], float]:
    """The step of the greatest worth, ties by chance, and that worth."""
    row, column = np.unravel_index(int((worth + 0.5 * choice.noise).argmax()), worth.shape)
    return (int(row), int(column)), float(worth[row, column])
