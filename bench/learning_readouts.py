"""One fat fraction of a muscle's pixels, in the ways in use, and how far a second reader would be off: what `bench learning` reports.

Every way is applied to the prediction and to the truth alike; the error is the difference of the two. Units: percentage points.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt
from scipy.ndimage import binary_erosion, gaussian_filter, map_coordinates

Row = npt.NDArray[np.float64]
Percent = npt.NDArray[np.float32]
Inside = npt.NDArray[np.bool_]
Statistic = Callable[[Row], np.floating]

IN_SLICE = np.array([[[0, 1, 0], [1, 1, 1], [0, 1, 0]]], dtype=bool)
WANDER_PX = 0.5
"""By how much the second reader's border is off: standard deviation along each axis; Dice with the first is about 0.93."""
WANDER_OVER_PX = 4.0
"""Over which length of border it wanders."""


def whole(inside: Inside) -> Inside:
    """Nothing eroded."""
    return inside


def eroded(inside: Inside) -> Inside:
    """Without the outermost pixel of each slice (four neighbours): the usual guard against partial volume at fasciae.

    Args:
        inside: (n, h, w); slices are not neighbours of each other.
    """
    return np.asarray(binary_erosion(inside, IN_SLICE))


READ_OUTS: Mapping[str, tuple[Callable[[Inside], Inside], Statistic]] = {
    "mean": (whole, np.mean),
    "mean_eroded": (eroded, np.mean),
    "median": (whole, np.median),
    "median_eroded": (eroded, np.median),
}


def fat_fraction(fat_percent: Percent, inside: Inside, *, read_out: str) -> float:
    """The region's fat fraction, percent; NaN where nothing is left of it.

    Args:
        fat_percent: (n, h, w), NaN where there is no tissue.
        inside: The same shape; the region before any erosion.
        read_out: Key of READ_OUTS.
    """
    region, statistic = READ_OUTS[read_out]
    values = fat_percent[region(inside)].astype(np.float64)
    values = values[np.isfinite(values)]
    return float(statistic(values)) if values.size else float("nan")


def errors(
    fat_percent: Percent,
    drawn: npt.NDArray[np.integer],
    truth: npt.NDArray[np.integer],
    *,
    regions: Sequence[Sequence[int]],
) -> dict[str, Row]:
    """By read-out: fat fraction of what is drawn less that of the truth, points, one value a region.

    Args:
        fat_percent: (n, h, w), NaN where there is no tissue.
        drawn: The same shape; class per pixel, of a network or a reader.
        truth: The same shape.
        regions: Classes of each region; several for a group of muscles.
    """
    pairs = [(np.isin(drawn, classes), np.isin(truth, classes)) for classes in regions]
    return {
        name: np.array(
            [
                fat_fraction(fat_percent, a, read_out=name) - fat_fraction(fat_percent, b, read_out=name)
                for a, b in pairs
            ]
        )
        for name in READ_OUTS
    }


def second_reader(truth: npt.NDArray[np.integer], rng: np.random.Generator) -> npt.NDArray[np.integer]:
    """The truth as somebody with an unsteady hand draws it: every border wanders smoothly by WANDER_PX, to no side in particular.

    Args:
        truth: (n, h, w) class per pixel.
        rng: Draws the hand.
    """
    at = np.indices(truth.shape[1:]).astype(np.float64)
    return np.stack([map_coordinates(one, at + _wander(one.shape, rng), order=0, mode="nearest") for one in truth])


def _wander(shape: tuple[int, ...], rng: np.random.Generator) -> Row:
    """(2, h, w): displacement along rows and columns, pixels."""
    smooth = [gaussian_filter(rng.standard_normal(shape), WANDER_OVER_PX) for _ in range(2)]
    return np.stack([WANDER_PX * s / s.std() for s in smooth])
