"""Dice per muscle as sufficient statistics: sums over subjects, no value of one of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from myofed_schemas.federation import GroupScore, MuscleScore

Region = tuple[tuple[int, ...], tuple[int, ...]]
"""Targets of the truth and classes of the network that are the same piece of anatomy."""


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
    table = pixels_in_both(predicted, truth, classes=classes, targets=classes)
    return np.array([dice_of_region(table, ((k,), (k,))) for k in range(1, classes + 1)], dtype=np.float64)


def pixels_in_both(
    predicted: npt.NDArray[np.integer], truth: npt.NDArray[np.integer], *, classes: int, targets: int
) -> npt.NDArray[np.float64]:
    """How many pixels are target t in the truth and class c in the prediction.

    Args:
        predicted: Class per pixel, 0..classes, any shape.
        truth: Target per pixel, 0..targets, the same shape.
        classes: Highest class.
        targets: Highest target.

    Returns:
        (targets + 1, classes + 1) float64.
    """
    pairs = np.bincount(
        truth.ravel().astype(np.int64) * (classes + 1) + predicted.ravel(), minlength=(targets + 1) * (classes + 1)
    )
    return pairs.reshape(targets + 1, classes + 1).astype(np.float64)


def dice_of_region(table: npt.NDArray[np.float64], region: Region | None) -> float:
    """Dice of a region out of `pixels_in_both`; NaN where the truth lacks it, or cannot say (None)."""
    if region is None:
        return float("nan")
    targets, classes = (list(part) for part in region)
    truth_size, predicted_size = table[targets].sum(), table[:, classes].sum()
    both = table[np.ix_(targets, classes)].sum()
    return float(2 * both / (truth_size + predicted_size)) if truth_size > 0 else float("nan")


def muscle_scores(per_subject: Iterable[npt.NDArray[np.float64]], *, muscles: Sequence[str]) -> tuple[MuscleScore, ...]:
    """Sum of Dice and number of subjects for each muscle, in the manifest's order; empty where there is no subject.

    Args:
        per_subject: `dice_per_class` of each subject, both thighs together.
        muscles: Muscle ids of the manifest.
    """
    sums = _sums(per_subject, names=muscles)
    return tuple(MuscleScore(muscle=name, dice_sum=total, subjects=n) for name, (total, n) in sums.items())


def group_scores(per_subject: Iterable[npt.NDArray[np.float64]], *, sets: Sequence[str]) -> tuple[GroupScore, ...]:
    """The same for sets of muscles taken as one."""
    sums = _sums(per_subject, names=sets)
    return tuple(GroupScore(structure=name, dice_sum=total, subjects=n) for name, (total, n) in sums.items())


def _sums(rows: Iterable[npt.NDArray[np.float64]], *, names: Sequence[str]) -> Mapping[str, tuple[float, int]]:
    found = list(rows)
    if not found:
        return {}
    table = np.stack(found)
    return {name: (float(np.nansum(table[:, i])), int(np.isfinite(table[:, i]).sum())) for i, name in enumerate(names)}
