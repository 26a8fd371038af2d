"""Exact 16-bit forms of float images: integers and one factor whose product is every voxel, bit for bit.

A converted float image holds rescaled integers. Where zero is one of the values the grid may have, the factor is found
again from the values alone; where none reproduces every voxel exactly, none is given.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

SAMPLES: Final = 32
"""Values that every candidate is tried on first; 32 random ones pass by chance once in 10^44."""
RATIO_TOLERANCE: Final = 1.3e-7
"""Relative: each of two float32 values was rounded by 2^-24 of itself at most."""
UNSIGNED_MAX: Final = 2**16 - 1
SIGNED_MAX: Final = 2**15 - 1
DECIMAL_STRING_LENGTH: Final = 16
"""Characters of a DS value (PS3.5 6.2)."""


@dataclass(frozen=True)
class StoredFrame:
    """One frame as DICOM stores it.

    Attributes:
        pixels: (rows, columns), int16 or uint16.
        slope: Decimal string; float32(pixels * slope) is the frame. None where the pixels are the values.
    """

    pixels: NDArray[np.integer]
    slope: str | None


def stored_frames(frames: list[NDArray[np.generic]]) -> tuple[StoredFrame, ...] | None:
    """The frames as 16-bit integers, exactly, all signed or all unsigned; None where there is no such form.

    One factor for all frames where there is one, else one a frame.

    Args:
        frames: (rows, columns) each, integers or finite float32.
    """
    signed = any(frame.min(initial=0) < 0 for frame in frames)
    if frames[0].dtype.kind in "iu":
        return _integers(frames, signed=signed)
    found = [np.unique(frame).astype(np.float64) for frame in frames]
    common = factor_of(np.unique(np.concatenate(found)), signed=signed)
    slopes = [common or factor_of(values, signed=signed) for values in found]
    if None in slopes:
        return None
    return tuple(_scaled(frame, slope, signed) for frame, slope in zip(frames, slopes, strict=True) if slope)


def _integers(frames: list[NDArray[np.generic]], *, signed: bool) -> tuple[StoredFrame, ...] | None:
    low = min(int(frame.min(initial=0)) for frame in frames)
    high = max(int(frame.max(initial=0)) for frame in frames)
    if low < -SIGNED_MAX - 1 or high > (SIGNED_MAX if signed else UNSIGNED_MAX):
        return None
    return tuple(StoredFrame(frame.astype(np.int16 if signed else np.uint16), None) for frame in frames)


def _scaled(frame: NDArray[np.generic], slope: str, signed: bool) -> StoredFrame:  # noqa: FBT001
    steps = np.rint(frame.astype(np.float64) / float(slope))
    return StoredFrame(steps.astype(np.int16 if signed else np.uint16), slope)


def factor_of(values: NDArray[np.float64], *, signed: bool) -> str | None:
    """The shortest decimal string of which every value is a 16-bit multiple, exactly after rounding to float32.

    Args:
        values: Different float32 values, as float64.
        signed: Whether multiples must fit int16 rather than uint16.
    """
    sizes = np.unique(np.abs(values[values != 0]))
    if not sizes.size:
        return "1"
    most = SIGNED_MAX if signed else UNSIGNED_MAX
    steps_of_smallest = np.arange(1, int((most + 0.5) * sizes[0] / sizes[-1]) + 1)
    sample = sizes[np.linspace(0, sizes.size - 1, SAMPLES).astype(int)] / sizes[0]
    candidates = steps_of_smallest[_are_whole(sample[None, :] * steps_of_smallest[:, None])]
    for count in candidates:
        steps = sizes / sizes[0] * count
        text = _decimal_between(*_bounds(sizes, np.rint(steps))) if _are_whole(steps[None, :])[0] else None
        if text:
            return text
    return None


def _are_whole(steps: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Whether all numbers of a row are whole, as far as ratios of float32 values tell."""
    return np.asarray((np.abs(steps - np.rint(steps)) <= RATIO_TOLERANCE * steps).all(axis=1))


def _bounds(sizes: NDArray[np.float64], steps: NDArray[np.float64]) -> tuple[float, float]:
    """Every factor between the two gives every size after rounding: the halves of the neighbouring float32 gaps, by step."""
    singles = sizes.astype(np.float32)
    above = (sizes + np.nextafter(singles, np.float32(np.inf)).astype(np.float64)) / 2
    below = (sizes + np.nextafter(singles, np.float32(0)).astype(np.float64)) / 2
    return float((below / steps).max()), float((above / steps).min())


def _decimal_between(low: float, high: float) -> str | None:
    for digits in range(1, 17):
        text = f"{(low + high) / 2:.{digits}g}"
        if low < float(text) < high:
            return text if len(text) <= DECIMAL_STRING_LENGTH else None
    return None
