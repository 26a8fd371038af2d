"""Where walking finds no table: the programme is asked, then asked for less, and a walk that finds nothing ends."""

from __future__ import annotations

from collections import Counter
from itertools import combinations

import numpy as np
import pytest

import myofed_node.disclosure.walk
from myofed_node.disclosure.base_table import Subject
from myofed_node.disclosure.problem import Problem, Witness
from myofed_node.disclosure.programme import Bound, find
from myofed_node.disclosure.protect import NOTHING, protect
from myofed_node.disclosure.rounding import Rounding
from myofed_node.disclosure.search import Search
from myofed_node.disclosure.versions import Task, problem_of
from myofed_node.disclosure.walk import MOST_UNSOLVED, Walk

RULE = Rounding(5, 10, 5)
COHORT: tuple[Subject, ...] = tuple(
    {"sex": (sex,), "genetic": (genetic,), "sequence": ("MESE",) * has}
    for sex, genetic, has, count in (
        ("female", "confirmed", 1, 9),
        ("male", "confirmed", 0, 8),
        ("male", "unknown", 1, 6),
        ("female", "unknown", 0, 2),
    )
    for _ in range(count)
)
TASK = Task(COHORT, ("genetic", "sequence", "sex"), RULE)


class Asked:
    """Stands for the programme and counts what it is asked."""

    def __init__(self, *, priced: bool, unpriced: bool) -> None:
        self._answers = {True: priced, False: unpriced}
        self.asked: Counter[str] = Counter()

    def __call__(self, problem: Problem, bounds: list[Bound], *, rng: np.random.Generator) -> Witness | None:
        """The real answer, where this kind is answered at all."""
        priced = any(each.price is not None for each in bounds)
        self.asked["priced" if priced else "unpriced"] += 1
        return find(problem, bounds, rng=rng) if self._answers[priced] else None


@pytest.fixture(autouse=True)
def only_the_programme_finds(monkeypatch: pytest.MonkeyPatch) -> None:
    """No step is bought and no table is walked to."""
    for name, value in {"WORTH_BUYING": np.inf, "IDLE_STEPS": 0, "REPAIR_STEPS": 0, "MOST_REPAIR_STEPS": 0}.items():
        monkeypatch.setattr(myofed_node.disclosure.walk, name, value)


def _true_counts() -> Counter[tuple[tuple[str, str], ...]]:
    counts: Counter[tuple[tuple[str, str], ...]] = Counter()
    for subject in COHORT:
        said = sorted((name, value) for name, values in subject.items() for value in values)
        counts.update(cell for size in range(4) for cell in combinations(said, size))
    return counts


@pytest.mark.parametrize("priced", [True, False])
def test_programme_protects_what_walking_does_not(monkeypatch: pytest.MonkeyPatch, *, priced: bool) -> None:
    """Also where it ends without a table at a price and is asked only for what cannot be withheld."""
    asked = Asked(priced=priced, unpriced=True)
    monkeypatch.setattr(myofed_node.disclosure.walk, "find", asked)
    found, counts = protect(TASK), _true_counts()
    assert asked.asked["priced"] >= 1
    assert (asked.asked["unpriced"] > 0) is not priced
    assert found.filters == 3
    assert found.told[()] == 25
    assert all(number == RULE.told(counts[cell]) for cell, number in found.told.items())


def test_walk_ends_after_a_few_cells_that_cannot_be_solved(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each costs up to a minute; nothing is told of what is not proven."""
    asked = Asked(priced=False, unpriced=False)
    monkeypatch.setattr(myofed_node.disclosure.walk, "find", asked)
    search = Search(problem_of(TASK, filters=3), seed=1)
    walk = Walk(search, seed=1, steps=60_000)
    assert not walk.run()
    assert search.left > 0
    assert walk.left > 0
    assert asked.asked == {"priced": 2 * MOST_UNSOLVED, "unpriced": 2 * MOST_UNSOLVED}
    assert protect(TASK) == NOTHING


def test_table_that_contradicts_what_cannot_be_withheld_is_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no number may be withheld, a table that gives other ones is no witness."""
    problem = problem_of(TASK, filters=3)
    wrong = Witness(problem.rows.copy(), problem.presence.copy())
    wrong.rows[:, 0] = wrong.rows[0, 0]
    monkeypatch.setattr(myofed_node.disclosure.walk, "find", lambda *_, **__: wrong)
    search = Search(problem, seed=1)
    search.price[:] = np.maximum(search.price, 400)
    assert not Walk(search, seed=1, steps=60_000).run()
    assert not any((each.rows == wrong.rows).all() for each in search.witnesses)
