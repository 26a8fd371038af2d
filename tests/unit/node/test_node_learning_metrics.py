"""Dice as sufficient statistics."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from myofed_node.learning.metrics import dice_of_region, dice_per_class, group_scores, muscle_scores, pixels_in_both


def test_muscle_that_the_truth_lacks_counts_for_nobody() -> None:
    """NaN, and neither sum nor number of subjects grows."""
    dice = dice_per_class(np.array([0, 1, 2]), np.array([0, 1, 1]), classes=2)
    assert np.isnan(dice[1])
    scores = muscle_scores([dice], muscles=("VL", "GR"))
    assert [(s.muscle, s.subjects) for s in scores] == [("VL", 1), ("GR", 0)]
    assert scores[1].dice_sum == 0


def test_muscle_that_the_prediction_lacks_scores_zero() -> None:
    """A miss is the worst value, never left out."""
    assert dice_per_class(np.zeros(4, int), np.ones(4, int), classes=1).tolist() == [0.0]


def test_no_subject_gives_no_score() -> None:
    """Nothing is made up where there is nothing to count."""
    assert muscle_scores([], muscles=("VL",)) == ()


def test_dice_of_a_known_overlap() -> None:
    """2 * 1 / (2 + 1) by hand."""
    assert dice_per_class(np.array([1, 0, 0]), np.array([1, 1, 0]), classes=1)[0] == pytest.approx(2 / 3)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=60))
def test_dice_equals_its_definition(pixels: list[tuple[int, int]]) -> None:
    """2 |A and B| / (|A| + |B|) with plain sets."""
    predicted, truth = (np.array(p) for p in zip(*pixels, strict=True))
    dice = dice_per_class(predicted, truth, classes=3)
    for k in (1, 2, 3):
        a, b = set(np.flatnonzero(predicted == k)), set(np.flatnonzero(truth == k))
        assert np.isnan(dice[k - 1]) if not b else dice[k - 1] == pytest.approx(2 * len(a & b) / (len(a) + len(b)))


def test_dice_of_a_set_counts_any_member_as_the_set() -> None:
    """Truth draws one target for classes 1 and 2; a prediction of either is right there: 2 * 2 / (3 + 2)."""
    table = pixels_in_both(np.array([1, 2, 0, 3]), np.array([1, 1, 1, 2]), classes=3, targets=2)
    assert table.shape == (3, 4)
    assert dice_of_region(table, ((1,), (1, 2))) == pytest.approx(4 / 5)
    assert dice_of_region(table, ((2,), (3,))) == 1.0


def test_region_of_which_the_truth_cannot_tell_has_no_dice() -> None:
    """Not drawn at all, or not in this subject: NaN, so that nobody is counted."""
    table = pixels_in_both(np.array([1, 0]), np.array([0, 0]), classes=1, targets=1)
    assert np.isnan(dice_of_region(table, None))
    assert np.isnan(dice_of_region(table, ((1,), (1,))))


def test_groups_are_summed_as_muscles_are() -> None:
    """Sum and number of subjects under the set's own name."""
    scores = group_scores([np.array([0.5, np.nan]), np.array([0.75, 1.0])], sets=("quadriceps", "hamstrings"))
    assert [(s.structure, s.dice_sum, s.subjects) for s in scores] == [("quadriceps", 1.25, 2), ("hamstrings", 1.0, 1)]
    assert group_scores([], sets=("quadriceps",)) == ()
