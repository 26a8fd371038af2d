"""From subjects to a problem: one version alone, or a new one beside the one that stands published."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, replace

import numpy as np

from myofed_node.disclosure.base_table import Row, Subject, axes_of, rows_of
from myofed_node.disclosure.cells import CellSpace, Mask
from myofed_node.disclosure.problem import Problem, World
from myofed_node.disclosure.rounding import Rounding
from myofed_schemas.cube import MAX_FILTERS, DimensionName
from myofed_schemas.cube_vocabulary import DIMENSIONS

Said = tuple[tuple[str, str], ...]
"""The sorted (dimension, value) conditions of a cell; none for the total."""
Told = dict[Said, int]
BOTH, ADDED, REMOVED = (0, 1), (1, 2), (0, 3)
"""The worlds in which a subject counts: 0 the old version, 1 the new one, 2 who was added, 3 who was removed."""


@dataclass(frozen=True)
class Release:
    """A version that left the hospital.

    Attributes:
        subjects: Its exact rows; they never leave.
        told: Cell -> number; with the total where anything was told.
        rounding: With which it was.
    """

    subjects: tuple[Subject, ...]
    told: Told
    rounding: Rounding


@dataclass(frozen=True)
class Task:
    """What is to be protected.

    Attributes:
        subjects: The exact rows.
        dimensions: By which cells are told.
        rounding: The site's rule.
        before: What stands published.
        early: Only what was told before may be told.
    """

    subjects: tuple[Subject, ...]
    dimensions: tuple[DimensionName, ...]
    rounding: Rounding
    before: Release | None = None
    early: bool = False

    @property
    def total(self) -> int | None:
        """The number told of all subjects; None where none may be, and then nothing is told.

        An early version keeps the one that stands: another would say that fewer than k came or went.
        """
        number = self.rounding.told(len(self.subjects))
        return None if self.early and self.before is not None and self.before.told.get(()) != number else number

    @property
    def new(self) -> int:
        """The world of the new version."""
        return 0 if self.before is None else 1

    @property
    def smallest(self) -> tuple[int, int]:
        """Below these counts are small, for who is signed in and for everybody, where both versions are held together.

        What the standing version told from a lower k on cannot be taken back: its own promise is what still can be kept.
        """
        rules = [self.rounding] if self.before is None else [self.rounding, self.before.rounding]
        return min(rule.k for rule in rules), min(rule.public_k for rule in rules)

    @property
    def cases(self) -> tuple[Task, ...]:
        """What is to be proven: beside the standing version, and alone as well where the site's k has been raised since."""
        raised = self.smallest != (self.rounding.k, self.rounding.public_k)
        return (self, replace(self, before=None, early=False)) if raised else (self,)


def changes(old: tuple[Subject, ...], new: tuple[Subject, ...], dimensions: tuple[DimensionName, ...]) -> int:
    """How many subjects were added or removed; one whose values changed is both."""
    axes = axes_of((*old, *new), dimensions)
    before, after = Counter(rows_of(old, axes)), Counter(rows_of(new, axes))
    return ((before - after) + (after - before)).total()


def problem_of(task: Task, *, filters: int) -> Problem:
    """The problem in which all cells of at most so many conditions are told, as far as none is below k."""
    if task.before is None:
        axes = axes_of(task.subjects, task.dimensions)
        return _with_told(task, CellSpace(axes), {(0,): list(rows_of(task.subjects, axes))}, filters=filters)
    earlier = {name for said in task.before.told for name, _ in said}
    known = [dimension for dimension in DIMENSIONS if dimension in earlier or dimension in task.dimensions]
    axes = axes_of((*task.before.subjects, *task.subjects), known)
    old, new = Counter(rows_of(task.before.subjects, axes)), Counter(rows_of(task.subjects, axes))
    sets = {BOTH: old & new, ADDED: new - old, REMOVED: old - new}
    rows = {state: sorted(counted.elements()) for state, counted in sets.items()}
    return _with_told(task, CellSpace(axes), {state: of for state, of in rows.items() if of}, filters=filters)


def _with_told(task: Task, space: CellSpace, rows: dict[tuple[int, ...], list[Row]], *, filters: int) -> Problem:
    states = tuple(rows)
    presence = np.repeat(np.arange(len(states)), [len(rows[state]) for state in states])
    table = np.array([row for state in states for row in rows[state]], np.int64).reshape(len(presence), len(space.axes))
    nothing = World(np.zeros(space.places, bool), task.rounding, zeros=False, difference=True)
    worlds = [World(nothing.told, task.rounding, zeros=not task.rounding.zeros_told)]
    if task.before is not None:
        standing = World(
            places_of(space, task.before.told),
            task.before.rounding,
            fixed=True,
            zeros=not task.before.rounding.zeros_told,
        )
        worlds = [standing, *worlds, nothing, nothing]
    problem = Problem(space, table, presence, states, tuple(worlds), task.smallest[0])
    told = _tellable(task, problem, filters=filters)
    worlds[task.new] = replace(worlds[task.new], told=told)
    return replace(problem, worlds=tuple(worlds))


def _tellable(task: Task, problem: Problem, *, filters: int) -> Mask:
    space, counts = problem.space, problem.counts(problem.rows, problem.presence)
    lowest, _ = problem.bounds(counts)
    told = space.tellable & (lowest[task.new] >= 0) & (space.order <= filters)
    told &= (counts[task.new] > 0) | (space.order < MAX_FILTERS)  # empty cells of three conditions are told by nobody
    told &= space.among([axis.dimension in task.dimensions for axis in space.axes])
    if task.early and task.before is not None:
        same = [
            place for place in np.flatnonzero(told & space.canonical) if _unchanged(task, problem, counts, int(place))
        ]
        told &= space.everywhere(np.array(same, np.int64)) | (space.order == 0)
    return np.asarray(told)


def _unchanged(
    task: Task, problem: Problem, counts: np.ndarray[tuple[int, ...], np.dtype[np.int32]], place: int
) -> bool:
    before = task.before.told.get(problem.space.said(place)) if task.before else None
    return before is not None and before == task.rounding.told(int(counts[task.new, place]))


def places_of(space: CellSpace, told: Collection[Said]) -> Mask:
    """All places of these cells."""
    found = [place for place in np.flatnonzero(space.tellable & space.canonical) if space.said(int(place)) in told]
    return space.everywhere(np.array(found, np.int64))


def whole_dimension_sets(problem: Problem, told: Mask) -> Mask:
    """What may stay of an early version: dimension sets of which everything that was told before still is.

    Args:
        problem: Of an early version.
        told: (places,) of the new version.
    """
    space, standing = problem.space, problem.worlds[0].told
    lost: set[tuple[str, ...]] = {
        _dimensions(space, int(place)) for place in np.flatnonzero(standing & ~told & space.canonical)
    }
    stays = [
        p
        for p in np.flatnonzero(told & space.canonical)
        if _dimensions(space, int(p)) not in lost or not space.order[p]
    ]
    return space.everywhere(np.array(stays, np.int64))


def _dimensions(space: CellSpace, place: int) -> tuple[str, ...]:
    return tuple(dimension for dimension, _ in space.said(place))
