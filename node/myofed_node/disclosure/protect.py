"""The publication of a table of subjects: what can be told of it, beside what was told before, with every cell proven.

Two audiences see it: people who are signed in see counts from k on, everybody those from public_k on. Both are proven.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from myofed_node.disclosure.audit import AuditFigures, audit
from myofed_node.disclosure.cells import Mask
from myofed_node.disclosure.problem import Problem, Witness
from myofed_node.disclosure.search import Search
from myofed_node.disclosure.versions import Said, Task, Told, places_of, problem_of, whole_dimension_sets
from myofed_node.disclosure.walk import Walk
from myofed_schemas.cube import MAX_CELLS, MAX_FILTERS

SEED = 20_261
STEPS = 60_000
"""Of one search: at most a few minutes of one core; most tables need a third."""
REUSED = 48
"""Witnesses of the first audience that are tried for the second."""


@dataclass(frozen=True)
class Protected:
    """What may leave, with the figures of its proof.

    Attributes:
        told: Cell -> number, with the total; empty where nothing may be told.
        cells: Cells that were proven, for both audiences.
        witnesses: Tables that prove them.
        filters: Most conditions of a told cell that could be proven in time.
    """

    told: Told
    cells: int
    witnesses: int
    filters: int


NOTHING = Protected({}, cells=0, witnesses=0, filters=0)


def protect(task: Task, *, steps: int = STEPS) -> Protected:
    """What may be told of these subjects.

    No told number is below k; for no cell of 1..k-1 subjects can anybody conclude that it is one, or how large it is, nor
    that a cell is empty; neither for the subjects who were added or removed since the standing version
    (docs/disclosure.md). Where that cannot be proven in time, cells of fewer conditions are told, at last none.

    Args:
        task: The subjects and what stands published.
        steps: Of each search.
    """
    if task.total is None:
        return NOTHING
    budgets = {MAX_FILTERS: steps}
    attempts = (
        _attempt(task, filters=filters, steps=budgets.get(filters, steps // 3))
        for filters in range(MAX_FILTERS, -1, -1)
    )
    return next((found for found in attempts if found is not None), NOTHING)


@dataclass(frozen=True)
class _Proven:
    """A publication that both audiences' witnesses agree on.

    Attributes:
        task: What was proven.
        problem: For people who are signed in.
        public: For everybody.
        told: (worlds, places).
        witnesses: For both.
    """

    task: Task
    problem: Problem
    public: Problem
    told: Mask
    witnesses: tuple[list[Witness], list[Witness]]

    @property
    def cells(self) -> set[Said]:
        """What is told of the new version."""
        space, told = self.problem.space, self.told[self.task.new]
        return {space.said(int(place)) for place in np.flatnonzero(told & space.canonical)}

    def less(self, cells: set[Said]) -> _Proven:
        """Only these are told: a witness of more is one of less."""
        told = self.told.copy()
        told[self.task.new] &= places_of(self.problem.space, cells)
        return replace(self, told=_kept(self.task, self.problem, told))

    def audits(self) -> tuple[AuditFigures, AuditFigures]:
        """For both audiences."""
        seen = self.told & _seen_by_all(self.problem, self.told)
        return audit(self.problem, self.told, self.witnesses[0]), audit(self.public, seen, self.witnesses[1])


def _attempt(task: Task, *, filters: int, steps: int) -> Protected | None:
    """None where not every cell could be proven with cells of so many conditions."""
    proven: list[_Proven] = []
    for case in task.cases:
        found = _proven(case, filters=filters, steps=steps, only=proven[-1].cells if proven else None)
        if found is None:
            return None
        proven.append(found)
    kept = proven[0].less(proven[-1].cells)
    audits = [figures for each in proven for figures in each.less(kept.cells).audits()]
    if any(figures.open for figures in audits):
        return None
    return Protected(
        _numbers(task, kept.problem, kept.told[task.new]),
        sum(figures.cells for figures in audits),
        sum(figures.witnesses for figures in audits),
        filters,
    )


def _proven(task: Task, *, filters: int, steps: int, only: set[Said] | None) -> _Proven | None:
    """None where not every cell could be proven, or where there are too many; `only` these are told."""
    problem, new = problem_of(task, filters=filters), task.new
    if only is not None:
        worlds = list(problem.worlds)
        worlds[new] = replace(worlds[new], told=worlds[new].told & places_of(problem.space, only))
        problem = replace(problem, worlds=tuple(worlds))
    if (problem.worlds[new].told & problem.space.canonical).sum() > MAX_CELLS:
        return None
    first = _prove(problem, steps=steps)
    if first is None:
        return None
    told = _kept(task, problem, first[0])
    public = _public(task, problem, told)
    second = _prove(public, steps=steps, reuse=first[1])
    if second is None:
        return None
    told = _kept(task, problem, told & (second[0] | ~_seen_by_all(problem, told)))
    return _Proven(task, problem, public, told, (first[1], second[1]))


def _prove(problem: Problem, *, steps: int, reuse: list[Witness] | None = None) -> tuple[Mask, list[Witness]] | None:
    """What stays told, and the witnesses."""
    search, known = Search(problem, seed=SEED), reuse or []
    for witness in known[:: max(1, len(known) // REUSED)]:
        search.jump(witness)
        search.settle_everywhere()
    search.jump(search.truth)
    return (search.told, search.witnesses) if Walk(search, seed=SEED, steps=steps).run() else None


def _kept(task: Task, problem: Problem, told: Mask) -> Mask:
    """In an early version a dimension set goes as a whole."""
    if task.early and task.before is not None:
        told = told.copy()
        told[task.new] = whole_dimension_sets(problem, told[task.new])
    return told


def _seen_by_all(problem: Problem, told: Mask) -> Mask:
    """Each version by the rule it is told with."""
    least = np.array([[world.rounding.public_k] for world in problem.worlds])
    return np.asarray(told & (problem.counts(problem.rows, problem.presence) >= least))


def _public(task: Task, problem: Problem, told: Mask) -> Problem:
    """The same truth as everybody sees it: only what is told from public_k on, and all below it small.

    Who was added or removed is small below k for everybody, and so proven with what people who are signed in see.
    """
    seen = _seen_by_all(problem, told)
    worlds = tuple(
        replace(world, told=seen[number], zeros=False, small=world.small and number <= task.new)
        for number, world in enumerate(problem.worlds)
    )
    return replace(problem, worlds=worlds, k=task.smallest[1])


def _numbers(task: Task, problem: Problem, told: Mask) -> Told:
    counts = problem.counts(problem.rows, problem.presence)[task.new]
    numbers = {}
    for place in np.flatnonzero(told & problem.space.canonical):
        number = task.rounding.told(int(counts[place]))
        if number is not None:
            numbers[problem.space.said(int(place))] = number
    return numbers
