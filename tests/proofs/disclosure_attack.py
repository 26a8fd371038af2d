"""An attacker with an integer programme: everything that published counts imply, for every cell below k.

Written against docs/disclosure.md alone. It knows the told numbers and which counts each stands for, that conditions of
one dimension exclude each other and that a sequence is there or not; it does not know which cells were withheld for what
reason. Its unknowns are the numbers of subjects of every combination of values, also of values that nobody has.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import csr_array

from myofed_schemas.cube_vocabulary import VALUES

VOCABULARY: Mapping[str, tuple[str, ...]] = {str(name): values for name, values in VALUES.items()}
Cell = tuple[tuple[str, str], ...]
"""Sorted (dimension, value) conditions; a value that begins with `!` says that a sequence is absent."""
OTHER = "(other)"
FLAG = "sequence"
GUESSES = 12
"""Tables with random aims that are solved before single cells are."""
PATIENCE, WORTH = 3, 4
"""Aimed tables that may bring fewer cells than this before single cells are asked."""
TIME_LIMIT_S = 60.0
AIM_LIMIT_S = 1.0
MOST_COMBINATIONS = 40_000


@dataclass(frozen=True)
class Version:
    """One publication as it is read.

    Attributes:
        told: Cell -> number; the empty cell is the total.
        k: Smallest count told.
        public_k: Whose side a told number keeps.
        round_to: Multiples.
    """

    told: Mapping[Cell, int]
    k: int
    public_k: int
    round_to: int

    def meant(self, number: int) -> tuple[int, int]:
        """The smallest and the largest count that is told as this number, by trying all."""
        same = [count for count in range(number + 4 * self.round_to) if self._told(count) == number]
        return min(same), max(same)

    def _told(self, count: int) -> int | None:
        if count < self.k:
            return None
        choices = range(0, count + 2 * self.round_to, self.round_to)
        sides = [n for n in choices if n >= self.k and (n >= self.public_k) == (count >= self.public_k)]
        return min(sides, key=lambda n: (abs(n - count), -n), default=None)


@dataclass(frozen=True)
class Finding:
    """What the attacker concluded of one cell."""

    cell: Cell
    among: str
    true: int
    lowest: int
    highest: int


class Attack:
    """The integer programme over the publications of one site."""

    def __init__(
        self, versions: Sequence[Version], groups: Sequence[str], values: Mapping[str, Sequence[str]], *, seed: int
    ) -> None:
        """`groups` names for each kind of subject the versions it is in, e.g. ("01", "1"); `values` is the vocabulary."""
        self.groups, self._rng = tuple(groups), np.random.default_rng(seed)
        axes = [[(name, value) for value in _possible(name, known)] for name, known in values.items() if name != FLAG]
        axes += [[(FLAG, flag), (FLAG, f"!{flag}")] for flag in values.get(FLAG, ())]
        self.combinations = [frozenset(each) for each in itertools.product(*axes)]
        if len(self.combinations) * len(self.groups) > MOST_COMBINATIONS:
            msg = "too many combinations for this attack"
            raise ValueError(msg)
        self.conditions = [condition for axis in axes for condition in axis]
        self._holds = {
            condition: np.array([condition in each for each in self.combinations]) for condition in self.conditions
        }
        rows, low, high = [], [], []
        for number, version in enumerate(versions):
            for cell, told in version.told.items():
                lowest, highest = version.meant(told)
                rows.append(self._row(cell, str(number)))
                low.append(lowest)
                high.append(highest)
        self._told = LinearConstraint(csr_array(np.array(rows, np.float64)), np.array(low), np.array(high))
        self.tables: list[NDArray[np.int64]] = []

    def _row(self, cell: Cell, among: str) -> NDArray[np.float64]:
        inside = np.ones(len(self.combinations), bool)
        for condition in cell:
            inside &= self._holds[condition]
        return np.concatenate([inside * float(self._in(group, among)) for group in self.groups])

    @staticmethod
    def _in(group: str, among: str) -> bool:
        """`among` is a version's number, `+` for who was added, `-` for who was removed."""
        return {"+": group == "1", "-": group == "0"}.get(among, among in group)

    def cells(self) -> Iterator[Cell]:
        """All cells of one to three conditions."""
        for size in (1, 2, 3):
            for cell in itertools.combinations(self.conditions, size):
                if len({name if name != FLAG else (name, value.strip("!")) for name, value in cell}) == size:
                    yield tuple(sorted(cell))

    def count(self, table: Mapping[frozenset[tuple[str, str]], Sequence[int]]) -> NDArray[np.int64]:
        """The truth as a vector: combination -> numbers by group."""
        return np.array(
            [table.get(each, [0] * len(self.groups))[g] for g in range(len(self.groups)) for each in self.combinations]
        )

    def conclude(self, truth: NDArray[np.int64], among: str, *, k: int, zeros: bool) -> list[Finding]:
        """Every cell of which the attacker learns that it is small, how large it is, or that it is empty.

        Args:
            truth: From `count`.
            among: Version or difference.
            k: Below it a cell is small.
            zeros: Whether an empty cell is a finding, too.
        """
        cells = list(self.cells())
        rows = np.array([self._row(cell, among) for cell in cells])
        true = np.rint(rows @ truth).astype(np.int64)
        asked = ((true > 0) & (true < k)) | (zeros & (true == 0))
        question = _Question([cell for cell, yes in zip(cells, asked, strict=True) if yes], rows[asked], true[asked], k)
        for table in self.tables:
            question.look(table)
        self._aim(question)
        for number in np.flatnonzero(question.closed):
            if question.closed[number]:
                self._ask(question, int(number))
        return [
            Finding(
                question.cells[n],
                among,
                int(question.true[n]),
                self._extreme(question.rows[n], 1),
                self._extreme(question.rows[n], -1),
            )
            for n in np.flatnonzero(question.closed)
        ]

    def _aim(self, question: _Question) -> None:
        """Tables that move as many cells as possible at once, as long as that brings something."""
        weak = 0
        while question.closed.any() and weak < PATIENCE:
            before, wish = int(question.closed.sum()), np.where(question.true == 0, -1.0, 1.0) * question.closed
            weights = wish * self._rng.random(len(wish)) * (self._rng.random(len(wish)) < self._rng.random())
            if (table := self._milp(weights @ question.rows, [self._told], limit_s=AIM_LIMIT_S)) is not None:
                question.look(table)
            weak = weak + 1 if before - question.closed.sum() < WORTH else 0

    def _ask(self, question: _Question, number: int) -> None:
        """One cell: is there a table in which it is empty, or holds at least k (or one, where nobody is in it)?"""
        row, true = question.rows[number], question.true[number]
        ends = [(0.0, 0.0), (float(question.k), np.inf)] if true else [(1.0, np.inf)]
        for low, high in ends:
            table = self._milp(np.zeros(len(row)), [self._told, LinearConstraint(csr_array(row[None]), low, high)])
            if table is not None:
                question.look(table)
                return

    def guess(self) -> None:
        """Tables with random aims, for most cells are open in many."""
        size = len(self.combinations) * len(self.groups)
        for _ in range(GUESSES):
            aim = self._rng.choice([-1.0, 0.0, 0.0, 1.0], size=size) * self._rng.random(size)
            table = self._milp(aim, [self._told], limit_s=AIM_LIMIT_S)
            if table is not None:
                self.tables.append(table)

    def _extreme(self, row: NDArray[np.float64], sign: int) -> int:
        table = self._milp(sign * row, [self._told])
        return -1 if table is None else int(row @ table)

    def _milp(
        self, aim: NDArray[np.float64], constraints: list[LinearConstraint], *, limit_s: float = TIME_LIMIT_S
    ) -> NDArray[np.int64] | None:
        answer = milp(
            aim,
            constraints=constraints,
            integrality=np.ones(len(aim)),
            bounds=Bounds(0, np.inf),
            options={"time_limit": limit_s, "mip_rel_gap": 0.5},
        )
        if answer.x is None:
            return None
        table = np.rint(answer.x).astype(np.int64)
        told = self._told.A @ table
        fits = (told >= self._told.lb).all() and (told <= self._told.ub).all()
        return table if fits else None


def _possible(name: str, known: Sequence[str]) -> tuple[str, ...]:
    """Where all values of the vocabulary occur there is no other."""
    used_up = set(known) >= set(VOCABULARY.get(name, (OTHER,)))
    return tuple(known) if used_up else (*known, OTHER)


class _Question:
    """Cells of one kind, and which of them are still without a second possibility."""

    def __init__(self, cells: list[Cell], rows: NDArray[np.float64], true: NDArray[np.int64], k: int) -> None:
        self.cells, self.rows, self.true, self.k = cells, rows, true, k
        self.closed = np.ones(len(cells), bool)

    def look(self, table: NDArray[np.int64]) -> None:
        """Cells in which this table has another kind of count are open."""
        found = np.rint(self.rows @ table).astype(np.int64)
        self.closed &= ~np.where(self.true == 0, found > 0, (found == 0) | (found >= self.k))


def tally(
    groups: Sequence[str], members: Mapping[str, Iterable[frozenset[tuple[str, str]]]]
) -> dict[frozenset[tuple[str, str]], list[int]]:
    """Combination -> numbers by group."""
    table: dict[frozenset[tuple[str, str]], list[int]] = {}
    for number, group in enumerate(groups):
        for each in members.get(group, ()):
            table.setdefault(each, [0] * len(groups))[number] += 1
    return table
