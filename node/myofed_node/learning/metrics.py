"""Dice per muscle as sufficient statistics: sums over subjects, no value of one of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from myofed_schemas.federation import MuscleScore


def dice_per_class(
    predicted: npt.NDArray[np.integer], truth: npt.NDArray[np.integer], *, classes: int
) -> npt.NDArray[np.float64]:
    """Dice (1945) of classes 1..classes over all pixels given; NaN where the truth lacks the class.

    A class that the truth has and the prediction lacks scores 0: never dropped (Maier-Hein 2024).

    Args:
        predicted: Class per pixel, any shape.
        truth: The same shape.
        classes: Number of muscles.

    Returns:
        (classes,) float64.
    """
    pairs = np.bincount(
        (truth.ravel().astype(np.int64) * (classes + 1) + predicted.ravel()), minlength=(classes + 1) ** 2
    )
    table = pairs.reshape(classes + 1, classes + 1).astype(np.float64)
    truth_size, predicted_size = table.sum(axis=1)[1:], table.sum(axis=0)[1:]
    dice = 2 * np.diag(table)[1:] / np.maximum(truth_size + predicted_size, 1)
    return np.where(truth_size > 0, dice, np.nan)


def muscle_scores(per_subject: Iterable[npt.NDArray[np.float64]], *, muscles: Sequence[str]) -> tuple[MuscleScore, ...]:
    """Sum of Dice and number of subjects for each muscle, in the manifest's order; empty where there is no subject.

    Args:
        per_subject: `dice_per_class` of each subject, both thighs together.
        muscles: Muscle ids of the manifest.
    """
    rows = list(per_subject)
    if not rows:
        return ()
    table = np.stack(rows)
    return tuple(
        MuscleScore(muscle=name, dice_sum=float(np.nansum(table[:, i])), subjects=int(np.isfinite(table[:, i]).sum()))
        for i, name in enumerate(muscles)
    )
