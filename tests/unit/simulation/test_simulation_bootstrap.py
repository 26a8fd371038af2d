"""Intervals by resampling subjects: where they are enough, and as wide as theory says."""

from __future__ import annotations

import numpy as np
import pytest

from myofed_simulation.bootstrap import FEWEST_SUBJECTS, intervals
from myofed_simulation.scoring import Scored


def test_interval_is_that_of_the_mean() -> None:
    """Normal values of deviation 0.1 over 100 subjects: the mean plus and minus 1.96 times 0.01."""
    dice = 0.7 + 0.1 * np.random.default_rng(3).standard_normal((100, 1))
    (found,), whole = intervals(dice, seed=1)
    assert found is not None
    deviation = float(dice.std() / 10)
    expected = (float(dice.mean()) - 1.96 * deviation, float(dice.mean()) + 1.96 * deviation)
    assert found == pytest.approx(expected, abs=0.003)
    assert whole == found
    assert intervals(dice, seed=1) == ([found], whole)


def test_fewer_subjects_than_five_have_none() -> None:
    """Also of a single muscle that only some subjects have."""
    dice = np.full((FEWEST_SUBJECTS, 2), 0.5)
    dice[0, 1] = np.nan
    assert intervals(dice, seed=1) == ([(0.5, 0.5), None], (0.5, 0.5))
    assert intervals(dice[1:], seed=1) == ([None, None], None)


def test_muscle_that_nobody_has_counts_for_nothing() -> None:
    """And a table of nothing has no interval."""
    dice = np.full((FEWEST_SUBJECTS, 2), 0.5)
    dice[:, 1] = np.nan
    assert intervals(dice, seed=1) == ([(0.5, 0.5), None], (0.5, 0.5))
    assert intervals(np.full((FEWEST_SUBJECTS, 1), np.nan), seed=1) == ([None], None)


def test_sums_are_over_the_subjects_that_have_the_muscle() -> None:
    """What a node would tell."""
    dice = np.array([[0.5, np.nan], [0.25, 1.0]])
    scores = Scored(("VL", "RF"), dice, ()).scores
    assert [(s.muscle, s.dice_sum, s.subjects) for s in scores] == [("VL", 0.75, 2), ("RF", 1.0, 1)]
