"""Left from right where a tool draws both with one value: by the image's geometry, or not at all."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from myofed_node.label_exchange.refusal import LabelRefusedError

LEAST_GAP_MM = 5.0
"""Between the drawn muscles of both sides; 13.7 mm is the least of 18 real maps of both thighs (docs/label-maps.md)."""
MOST_UNLIKE = 4.0
"""Ratio of a muscle's volumes on both sides from which on a side counts as not drawn."""


def is_right(values: NDArray[np.int64], affine_ras: NDArray[np.float64], drawn: tuple[int, ...]) -> NDArray[np.bool_]:
    """Where a voxel lies to the patient's right of the gap between both sides.

    The gap is the widest layer across the patient's left-right axis without a voxel of these values; every value must lie on
    both sides of it.

    Args:
        values: (i, j, k) int64, the delivery's values.
        affine_ras: (4, 4), voxel index -> mm, RAS.
        drawn: Values that are drawn on both sides, at least one.

    Returns:
        (i, j, k) bool.

    Raises:
        LabelRefusedError: LABEL_MIDLINE where no such gap is found.
    """
    right_mm = _towards_right_mm(values.shape, affine_ras)
    chosen = np.isin(values, drawn)
    middle = _middle_of_gap(right_mm[chosen], step_mm=float(np.abs(affine_ras[0, :3]).max()))
    beyond = right_mm > middle
    where, side = np.searchsorted(sorted(drawn), values[chosen]), beyond[chosen]
    for number in range(len(drawn)):
        right = np.count_nonzero(side & (where == number))
        left = np.count_nonzero(where == number) - right
        if max(left, right) > MOST_UNLIKE * min(left, right):
            raise _inseparable("a muscle that is not drawn on both sides of it")
    return beyond


def _towards_right_mm(shape: tuple[int, ...], affine_ras: NDArray[np.float64]) -> NDArray[np.float64]:
    i, j, k = (np.arange(n, dtype=np.float64) for n in shape)
    row = affine_ras[0]
    grid: NDArray[np.float64] = (row[0] * i)[:, None, None] + (row[1] * j)[:, None] + row[2] * k + row[3]
    return grid


def _middle_of_gap(right_mm: NDArray[np.float64], *, step_mm: float) -> float:
    places = np.unique(right_mm)
    if places.size < 2:
        raise _inseparable("one place")
    gaps = np.diff(places)
    widest = int(gaps.argmax())
    if gaps[widest] - step_mm < LEAST_GAP_MM:
        raise _inseparable("none")
    return float(places[widest : widest + 2].mean())


def _inseparable(found: str) -> LabelRefusedError:
    return LabelRefusedError(
        "LABEL_MIDLINE",
        f"expected a gap of {LEAST_GAP_MM:g} mm or more between left and right muscles, found {found}",
        hint="give the sides different values in the tool that drew them",
    )
