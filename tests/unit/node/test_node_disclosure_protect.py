"""Publications: nothing small is told, nothing small can be worked out, and a change of one subject is not seen."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import myofed_node.disclosure.protect
from myofed_node.disclosure.audit import AuditFigures, audit
from myofed_node.disclosure.base_table import Subject, axes_of, rows_of
from myofed_node.disclosure.problem import Witness
from myofed_node.disclosure.protect import NOTHING, protect
from myofed_node.disclosure.rounding import Rounding
from myofed_node.disclosure.versions import Release, Said, Task, changes, problem_of
from myofed_schemas.cube import DimensionName
from myofed_schemas.cube_vocabulary import VALUES

RULE = Rounding(5, 10, 5)
DIMENSIONS: tuple[DimensionName, ...] = ("genetic", "sequence", "sex")


def _subject(sex: str, genetic: str, *sequences: str) -> Subject:
    return {"sex": (sex,), "genetic": (genetic,), "sequence": sequences}


SUBJECTS = st.builds(
    lambda sex, genetic, mese: _subject(sex, genetic, *(["MESE"] if mese else [])),
    st.sampled_from(["female", "male"]),
    st.sampled_from(["confirmed", "unknown"]),
    st.booleans(),
)
COHORTS = st.lists(SUBJECTS, min_size=0, max_size=30).map(tuple)
TWELVE = (
    *[_subject("female", "confirmed", "MESE")] * 7,
    *[_subject("male", "confirmed")] * 4,
    _subject("male", "unknown"),
)


def _cells(subject: Subject) -> Iterator[Said]:
    said = sorted((name, value) for name, values in subject.items() for value in values)
    return (cell for size in range(4) for cell in combinations(said, size))


def _counts(subjects: tuple[Subject, ...]) -> dict[Said, int]:
    counts: dict[Said, int] = {}
    for subject in subjects:
        for cell in _cells(subject):
            counts[cell] = counts.get(cell, 0) + 1
    return counts


def test_fewer_than_k_subjects_tell_nothing() -> None:
    """Not even that there are some."""
    assert protect(Task(TWELVE[:4], DIMENSIONS, RULE)) == NOTHING


def test_what_cannot_be_proven_in_time_is_not_told() -> None:
    """Without steps no cell but the total is proven, and not even that is told beside unproven cells."""
    assert protect(Task(TWELVE, DIMENSIONS, RULE), steps=0).told == {}


@settings(max_examples=25, deadline=None)
@given(cohort=COHORTS)
def test_every_told_number_is_the_rounded_count_and_none_is_small(cohort: tuple[Subject, ...]) -> None:
    """Told numbers are multiples of 5 from 5 on, so that all their differences are multiples of 5."""
    told, counts = protect(Task(cohort, DIMENSIONS, RULE)).told, _counts(cohort)
    assert all(number == RULE.told(counts[cell]) for cell, number in told.items())
    assert all(number >= 5 and number % 5 == 0 for number in told.values())
    assert not told or () in told


@settings(max_examples=8, deadline=None)
@given(cohort=COHORTS, more=SUBJECTS)
def test_one_subject_more_is_not_seen_in_a_second_version(cohort: tuple[Subject, ...], more: Subject) -> None:
    """An early version may tell less, never another number than the rounding of the new count."""
    first = protect(Task(cohort, DIMENSIONS, RULE))
    if first.told:
        after = (*cohort, more)
        task = Task(after, DIMENSIONS, RULE, Release(cohort, first.told, RULE), early=True)
        second, counts = protect(task).told, _counts(after)
        assert set(second) <= set(first.told)
        assert all(number == first.told[cell] == RULE.told(counts[cell]) for cell, number in second.items() if cell)


def test_same_subjects_in_another_order_tell_the_same() -> None:
    """The publication is a function of the table, not of who stands first or of when it is made."""
    assert protect(Task(TWELVE, DIMENSIONS, RULE)) == protect(Task(TWELVE[::-1], DIMENSIONS, RULE))


def test_dimension_that_the_site_leaves_out_is_in_no_cell() -> None:
    """The policy's list is what is counted by."""
    told = protect(Task(TWELVE, ("sex",), RULE)).told
    assert {name for cell in told for name, _ in cell} == {"sex"}


def test_new_version_is_proven_beside_the_old_one() -> None:
    """Eight subjects were added: both versions stand, and the second tells their total."""
    first = protect(Task(TWELVE, DIMENSIONS, RULE))
    added = (*TWELVE, *[_subject("female", "unknown", "MESE")] * 8)
    second = protect(Task(added, DIMENSIONS, RULE, Release(TWELVE, first.told, RULE)))
    assert (first.told[()], second.told[()]) == (10, 20)
    assert changes(TWELVE, added, DIMENSIONS) == 8


def test_changed_subject_counts_as_added_and_removed() -> None:
    """A fact that was corrected is two changes; order is none."""
    after = (*TWELVE[:-1], _subject("male", "confirmed"))
    assert changes(TWELVE, after, DIMENSIONS) == 2
    assert changes(TWELVE, TWELVE[::-1], DIMENSIONS) == 0


def test_truth_alone_proves_nothing() -> None:
    """In the truth the cells are what they are: every sensitive cell stays open."""
    problem = problem_of(Task(TWELVE, DIMENSIONS, RULE), filters=3)
    told = np.stack([world.told for world in problem.worlds])
    figures = audit(problem, told, [Witness(problem.rows, problem.presence)])
    assert figures.open == figures.cells > 0


def test_table_with_another_publication_is_no_witness() -> None:
    """An empty cell in it proves nothing."""
    problem = problem_of(Task(TWELVE, DIMENSIONS, RULE), filters=3)
    told = np.stack([world.told for world in problem.worlds])
    other = Witness(np.zeros_like(problem.rows), problem.presence)
    assert audit(problem, told, [other]).open == audit(problem, told, []).open


def test_unproven_publication_is_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """When the audit finds a cell open after all, cells of fewer conditions are tried, at last none."""
    monkeypatch.setattr(myofed_node.disclosure.protect, "audit", lambda *_: AuditFigures(cells=1, open=1, witnesses=0))
    assert protect(Task(TWELVE, DIMENSIONS, RULE)) == NOTHING


def test_early_version_tells_no_other_total() -> None:
    """From 12 subjects to 9 within fewer than k changes: 5 after 10 would say that somebody of the ten females left."""
    rows = (*[_subject("female", "confirmed")] * 10, *[_subject("male", "confirmed")] * 2)
    first = protect(Task(rows, ("sex",), RULE))
    assert first.told == {(): 10, (("sex", "female"),): 10}
    assert protect(Task(rows[3:], ("sex",), RULE, Release(rows, first.told, RULE), early=True)) == NOTHING


def test_raised_k_does_not_lock_the_site_out() -> None:
    """Seven females and five others were told from 5 on; from 12 on nothing about them is, and the total still is."""
    first = protect(Task(TWELVE, DIMENSIONS, RULE))
    assert first.told[("sex", "female"),] == 5
    raised = Rounding(12, 12, 5)
    more = (*TWELVE, *[_subject("male", "unknown", "MESE")] * 18)
    second = protect(Task(more, DIMENSIONS, raised, Release(TWELVE, first.told, RULE)))
    assert second.told[()] == 30
    assert all(number >= 12 for number in second.told.values())


def test_raised_card_k_leaves_what_everybody_holds_in_the_proof() -> None:
    """Everybody saw numbers from 10 on; that they see new ones from 20 on takes none of those back."""
    first = protect(Task(TWELVE, DIMENSIONS, RULE))
    task = Task(TWELVE, DIMENSIONS, Rounding(5, 20, 5), Release(TWELVE, first.told, RULE))
    assert task.smallest == (5, 10)
    assert [case.before is None for case in task.cases] == [False, True]
    problem = problem_of(task, filters=3)
    seen = myofed_node.disclosure.protect._seen_by_all(problem, np.stack([world.told for world in problem.worlds]))
    assert {problem.space.said(int(p)) for p in np.flatnonzero(seen[0] & problem.space.canonical)} == {
        said for said, number in first.told.items() if number >= 10
    }


def test_lowered_k_is_proven_once() -> None:
    """What is told from 5 on now and from 12 on before is small below 5 in both."""
    task = Task(TWELVE, DIMENSIONS, RULE, Release(TWELVE, {(): 10}, Rounding(12, 12, 5)))
    assert task.smallest == (5, 10)
    assert task.cases == (task,)


def test_no_dimension_tells_the_total_alone() -> None:
    """`cube_dimensions: []`, and also where nobody has a value of any."""
    assert protect(Task(TWELVE, (), RULE)).told == {(): 10}
    assert protect(Task(TWELVE[7:] * 3, ("sequence",), RULE)).told == {(): 15}


def test_value_beyond_a_used_up_vocabulary_is_no_excuse() -> None:
    """Who reads the vocabulary knows that a subject is one of these: no witness may place it elsewhere."""
    every: tuple[Subject, ...] = tuple({"genetic": (value,)} for value in VALUES["genetic"])
    assert [axis.values for axis in axes_of(every, ("genetic",))] == [tuple(sorted(VALUES["genetic"]))]
    assert axes_of(every[1:], ("genetic",))[0].values[-1] == "else"


def test_subject_without_a_value_is_refused() -> None:
    """A row of the base table is whole: `unknown` is a value, too."""
    with pytest.raises(ValueError, match="exactly one value"):
        rows_of([{"sex": ()}], axes_of(TWELVE, ("sex",)))
