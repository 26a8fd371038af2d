"""Percentile intervals of mean Dice by resampling subjects (Efron 1979), where there are enough of them to say anything."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

FEWEST_SUBJECTS = 5
"""Of fewer, resampling gives an interval that is far too narrow."""
RESAMPLES = 2000
LEVELS_PERCENT = (2.5, 97.5)
Interval = tuple[float, float]


def intervals(dice: npt.NDArray[np.float64], *, seed: int) -> tuple[list[Interval | None], Interval | None]:
    """The 95 % interval of each muscle's mean, and that of the mean over muscles; None where fewer than FEWEST_SUBJECTS count.

    Whole subjects are drawn with replacement, so that what one subject's muscles have in common stays together. A draw in which
    no subject has a muscle has no mean of it. The same numbers and seed give the same intervals.

    Args:
        dice: (n, m) float64: Dice of subject and muscle, NaN where the subject does not have it.
        seed: Of the draws.
    """
    subjects = len(dice)
    if subjects < FEWEST_SUBJECTS:
        return [None] * dice.shape[1], None
    drawn = np.random.default_rng(seed).integers(subjects, size=(RESAMPLES, subjects))
    present = ~np.isnan(dice)
    counts = np.stack([present[rows].sum(axis=0) for rows in drawn])
    sums = np.stack([np.where(present, dice, 0.0)[rows].sum(axis=0) for rows in drawn])
    means = np.divide(sums, counts, out=np.full(sums.shape, np.nan), where=counts > 0)
    enough = present.sum(axis=0) >= FEWEST_SUBJECTS
    of_muscles = [_interval(means[:, k]) if enough[k] else None for k in range(dice.shape[1])]
    scored = present.any(axis=0)
    whole = [float(row[~np.isnan(row)].mean()) for row in means[:, scored] if not np.isnan(row).all()]
    return of_muscles, _interval(np.array(whole)) if scored.any() else None


def _interval(means: Sequence[float] | npt.NDArray[np.float64]) -> Interval:
    low, high = np.nanpercentile(np.asarray(means), LEVELS_PERCENT)
    return round(float(low), 6), round(float(high), 6)
