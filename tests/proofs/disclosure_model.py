"""What an attacker reckons with: every combination of values, every cell of them, and the counts that are told.

Written against docs/disclosure.md alone; nothing of the node's code is used. The unknowns are the numbers of subjects of
every combination of values, also of values that nobody has, in every set of versions that a subject may have been in.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, hstack

from myofed_schemas.cube_vocabulary import VALUES

VOCABULARY: Mapping[str, tuple[str, ...]] = {str(name): values for name, values in VALUES.items()}
Condition = tuple[str, str]
Cell = tuple[Condition, ...]
"""Sorted (dimension, value) conditions; a value that begins with `!` says that a sequence is absent."""
OTHER = "(other)"
FLAG = "sequence"
MOST_UNKNOWNS = 40_000
MOST_CONDITIONS = 3
NO_BOUND = 1 << 20
"""Above every count of subjects."""

Table = NDArray[np.int64]
"""(groups, combinations): numbers of subjects."""
Counts = NDArray[np.int64]
"""(worlds, cells)."""


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
class Model:
    """The attacker's unknowns and what is told of them.

    Attributes:
        versions: The publications.
        groups: For each kind of subject the versions it is in, e.g. ("01", "1").
        values: The vocabulary by dimension; values that nobody has are one more, where there are any.
        worlds: What cells are counted over: a version's number, `+01` who was added from version 0 to 1, `-01` removed.
    """

    versions: tuple[Version, ...]
    groups: tuple[str, ...]
    values: Mapping[str, Sequence[str]]
    worlds: tuple[str, ...]

    def __post_init__(self) -> None:
        """Refuses what is too large to be solved.

        Raises:
            ValueError: Too many unknowns.
        """
        if np.prod([len(axis) for axis in self.axes]) * len(self.groups) > MOST_UNKNOWNS:
            msg = "too many combinations for this attack"
            raise ValueError(msg)

    @cached_property
    def axes(self) -> list[list[Condition]]:
        """Conditions that exclude each other, and one of which holds."""
        axes = [
            [(name, value) for value in _possible(name, known)] for name, known in self.values.items() if name != FLAG
        ]
        return axes + [[(FLAG, flag), (FLAG, f"!{flag}")] for flag in self.values.get(FLAG, ())]

    @cached_property
    def combinations(self) -> list[frozenset[Condition]]:
        """What a subject can be."""
        return [frozenset(each) for each in itertools.product(*self.axes)]

    @cached_property
    def cells(self) -> list[Cell]:
        """The total, then all cells of one to three conditions."""
        some = (axes for size in range(MOST_CONDITIONS + 1) for axes in itertools.combinations(self.axes, size))
        return [tuple(sorted(cell)) for axes in some for cell in itertools.product(*axes)]

    @cached_property
    def number(self) -> dict[Cell, int]:
        """Number of each cell."""
        return {cell: number for number, cell in enumerate(self.cells)}

    @cached_property
    def inside(self) -> NDArray[np.int64]:
        """(combinations, n): the cells that each combination lies in."""
        return np.array(
            [
                [
                    self.number[tuple(sorted(some))]
                    for size in range(MOST_CONDITIONS + 1)
                    for some in itertools.combinations(each, size)
                ]
                for each in itertools.product(*self.axes)
            ]
        )

    @cached_property
    def members(self) -> csr_array:
        """(combinations, cells): 1 where the combination lies in the cell."""
        rows, width = self.inside.shape
        return csr_array(
            (np.ones(rows * width, np.int64), self.inside.ravel(), np.arange(rows + 1) * width),
            shape=(rows, len(self.cells)),
        )

    @cached_property
    def _columns(self) -> csr_array:
        return csr_array(self.members.T)

    @cached_property
    def counted(self) -> NDArray[np.int64]:
        """(worlds, groups): 1 where the group counts in the world."""
        return np.array([[int(_in(group, world)) for group in self.groups] for world in self.worlds])

    @cached_property
    def told(self) -> list[tuple[int, int]]:
        """(world, cell) of every told number."""
        return [
            (self.worlds.index(str(n)), self.number[c]) for n, version in enumerate(self.versions) for c in version.told
        ]

    @cached_property
    def bounds(self) -> tuple[Counts, Counts]:
        """Smallest and largest count of each cell in each world that the told numbers allow for themselves."""
        low = np.zeros((len(self.worlds), len(self.cells)), np.int64)
        high = np.full_like(low, NO_BOUND)
        for number, version in enumerate(self.versions):
            for cell, told in version.told.items():
                at = self.worlds.index(str(number)), self.number[cell]
                low[at], high[at] = version.meant(told)
        return low, high

    def count(self, table: Table) -> Counts:
        """Subjects in each cell of each world."""
        return self.counted @ np.asarray(self._columns @ table.T).T

    def fits(self, counts: Counts) -> bool:
        """Whether all told numbers are as they are told."""
        low, high = self.bounds
        return bool(((counts >= low) & (counts <= high)).all())

    def row(self, world: int, cell: int) -> csr_array:
        """(1, unknowns): 1 for each unknown that counts in this cell of this world."""
        one = self._columns[[cell]]
        return csr_array(hstack([one * int(yes) for yes in self.counted[world]]))

    def tally(self, members: Mapping[str, Iterable[frozenset[Condition]]]) -> Table:
        """The subjects of each group as a table."""
        place = {each: number for number, each in enumerate(self.combinations)}
        table = np.zeros((len(self.groups), len(place)), np.int64)
        for group, subjects in members.items():
            for each in subjects:
                table[self.groups.index(group), place[each]] += 1
        return table


def worlds_of(groups: Sequence[str], versions: int) -> tuple[str, ...]:
    """All versions, and between any two of them who was added and, where anybody can have been, removed."""
    pairs = [f"{old}{new}" for old, new in itertools.combinations(range(versions), 2)]
    differences = [f"{sign}{pair}" for pair in pairs for sign in "+-"]
    return (*map(str, range(versions)), *(d for d in differences if any(_in(group, d) for group in groups)))


def groups_of(versions: int, removals: Iterable[int]) -> tuple[str, ...]:
    """The sets of versions a subject may have been in, for somebody who knows at which steps any were removed.

    Args:
        versions: How many.
        removals: Steps (0 for the one from version 0 to 1) at which subjects were removed.
    """
    steps = set(removals)
    return tuple(sorted(filter(None, map("".join, _paths(versions, steps))), key=lambda group: (-len(group), group)))


def _paths(versions: int, removals: set[int]) -> Iterator[list[str]]:
    for there in itertools.product((True, False), repeat=versions):
        if all(step in removals or there[step + 1] or not there[step] for step in range(versions - 1)):
            yield [str(number) for number, yes in enumerate(there) if yes]


def _in(group: str, world: str) -> bool:
    if world[0] in "+-":
        old, new = world[1:] if world[0] == "+" else reversed(world[1:])
        return new in group and old not in group
    return world in group


def _possible(name: str, known: Sequence[str]) -> tuple[str, ...]:
    """Where all values of the vocabulary occur there is no other."""
    used_up = set(known) >= set(VOCABULARY.get(name, (OTHER,)))
    return tuple(known) if used_up else (*known, OTHER)
