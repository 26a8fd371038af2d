"""Frames in space: slices ordered along their normal, evenly spaced, every echo at every position exactly once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from myofed_node.mids.dicom_input.frames import Frame, Plane
from myofed_node.mids.refusal import SeriesRefusedError

ECHO_DECIMALS = 3
"""Echo times that agree to 1 us are one echo: vendors write four significant digits."""
POSITION_TOLERANCE_MM = 0.02
"""Positions are written with five or more digits; a lost slice moves its neighbours by a whole spacing."""
DIRECTION_TOLERANCE = 1e-3
"""Greatest deviation of direction cosines from unit length and right angles (PS3.3 C.7.6.2.1.1 asks for both)."""
LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])

Affine = NDArray[np.float64]


@dataclass(frozen=True)
class Stack:
    """Frames in the order of the written array.

    Attributes:
        frames: frames[k][e]: slice k along the normal, echo e in order of EchoTime.
        echo_times_ms: One an echo; empty where the headers tell none.
        affine_ras: (4, 4), voxel (column index, row index, slice) -> mm, RAS.
    """

    frames: tuple[tuple[Frame, ...], ...]
    echo_times_ms: tuple[float, ...]
    affine_ras: Affine


def echo_times(frames: Sequence[Frame]) -> tuple[float, ...]:
    """The different echo times in milliseconds, increasing."""
    return tuple(sorted({round(f.echo_time_ms, ECHO_DECIMALS) for f in frames if f.echo_time_ms is not None}))


def orientations(frames: Sequence[Frame]) -> list[NDArray[np.float64]]:
    """One (2, 3) array of direction cosines for each orientation that differs from those before."""
    found: list[NDArray[np.float64]] = []
    for orientation in sorted({frame.plane.orientation_lps for frame in frames}):
        cosines = np.asarray(orientation, dtype=np.float64).reshape(2, 3)
        if not any(np.allclose(cosines, other, atol=DIRECTION_TOLERANCE) for other in found):
            found.append(cosines)
    return found


def stack(frames: Sequence[Frame], *, spacing_between_slices_mm: float | None) -> Stack:
    """The frames as one volume (or one a echo); order of the input does not matter.

    Args:
        frames: All of one part of one series.
        spacing_between_slices_mm: Used for the third axis only where there is a single slice.

    Raises:
        SeriesRefusedError: ORIENTATION_INVALID, SEVERAL_ORIENTATIONS, SEVERAL_GRIDS, ECHO_TIME_MISSING,
            REPEATED_POSITIONS, POSITION_ECHO_INCOMPLETE, SLICES_UNEVEN, SLICES_SHEARED.
    """
    cosines = _one_orientation(frames)
    normal = np.cross(cosines[0], cosines[1])
    slices = _by_position(frames, normal)
    times = echo_times(frames)
    ordered = tuple(_echoes_of(group, times) for group in slices)
    step = _slice_step(ordered, normal, spacing_between_slices_mm)
    return Stack(ordered, times, _affine_ras(ordered[0][0].plane, cosines, step))


def _one_orientation(frames: Sequence[Frame]) -> NDArray[np.float64]:
    found = orientations(frames)
    if len(found) > 1:
        raise SeriesRefusedError("SEVERAL_ORIENTATIONS", f"ImageOrientationPatient={len(found)} different")
    if not np.allclose(found[0] @ found[0].T, np.eye(2), atol=DIRECTION_TOLERANCE):
        raise SeriesRefusedError("ORIENTATION_INVALID", "ImageOrientationPatient=not two orthogonal unit vectors")
    if len({(frame.plane.shape, frame.plane.pixel_spacing_mm) for frame in frames}) > 1:
        raise SeriesRefusedError("SEVERAL_GRIDS", "Rows, Columns or PixelSpacing=differ within the series")
    return found[0]


def _by_position(frames: Sequence[Frame], normal: NDArray[np.float64]) -> list[list[Frame]]:
    ordered = sorted(frames, key=lambda f: _along(f, normal))
    slices = [[ordered[0]]]
    for frame in ordered[1:]:
        if _along(frame, normal) - _along(slices[-1][0], normal) > POSITION_TOLERANCE_MM:
            slices.append([])
        slices[-1].append(frame)
    return slices


def _along(frame: Frame, normal: NDArray[np.float64]) -> float:
    return float(np.dot(frame.plane.position_lps, normal))


def _echoes_of(group: Sequence[Frame], times: tuple[float, ...]) -> tuple[Frame, ...]:
    """One frame an echo at this position, in order of echo time."""
    if len(times) > 1 and any(frame.echo_time_ms is None for frame in group):
        raise SeriesRefusedError("ECHO_TIME_MISSING", "EchoTime=absent in some frames")
    counts = Counter(0.0 if f.echo_time_ms is None else round(f.echo_time_ms, ECHO_DECIMALS) for f in group)
    if max(counts.values()) > 1:
        raise SeriesRefusedError(
            "REPEATED_POSITIONS",
            f"EchoTime={len(times)} different",
            f"frames at one position and echo={max(counts.values())}",
        )
    if len(counts) != max(len(times), 1):
        raise SeriesRefusedError(
            "POSITION_ECHO_INCOMPLETE", f"EchoTime={len(times)} different", f"echoes at one position={len(counts)}"
        )
    return tuple(sorted(group, key=lambda f: f.echo_time_ms or 0.0))


def _slice_step(
    ordered: tuple[tuple[Frame, ...], ...], normal: NDArray[np.float64], spacing_between_slices_mm: float | None
) -> NDArray[np.float64]:
    """Vector from one slice to the next, LPS mm, where all slices agree with it."""
    positions = np.asarray([frame.plane.position_lps for group in ordered for frame in group], dtype=np.float64)
    index = np.repeat(np.arange(len(ordered)), len(ordered[0]))
    if len(ordered) == 1:
        distance = spacing_between_slices_mm or ordered[0][0].plane.slice_thickness_mm
        if not distance:
            raise SeriesRefusedError("GEOMETRY_MISSING", "SpacingBetweenSlices and SliceThickness=absent, slices=1")
        return normal * abs(distance)  # its sign is the order of acquisition, not a place
    first, last = positions[0], positions[-1]
    step: NDArray[np.float64] = (last - first) / (len(ordered) - 1)
    deviation = positions - (first + index[:, None] * step)
    if np.abs(deviation @ normal).max() > POSITION_TOLERANCE_MM:
        gaps = np.diff(np.unique(np.round(positions @ normal, 2)))
        raise SeriesRefusedError(
            "SLICES_UNEVEN", f"slices={len(ordered)}", f"spacing mm={gaps.min():.2f}..{gaps.max():.2f}"
        )
    across = step - normal * np.dot(step, normal)
    if max(np.abs(deviation).max(), float(np.linalg.norm(across))) > POSITION_TOLERANCE_MM:
        raise SeriesRefusedError("SLICES_SHEARED", "ImagePositionPatient=does not follow the slice normal")
    return step


def _affine_ras(plane: Plane, cosines: NDArray[np.float64], step: NDArray[np.float64]) -> Affine:
    """PS3.3 C.7.6.2.1.1, equation C.7.6.2.1-1, with the third axis added and LPS turned to RAS."""
    affine_lps = np.eye(4)
    affine_lps[:3, 0] = cosines[0] * plane.pixel_spacing_mm[1]
    affine_lps[:3, 1] = cosines[1] * plane.pixel_spacing_mm[0]
    affine_lps[:3, 2] = step
    affine_lps[:3, 3] = plane.position_lps
    return np.asarray(LPS_TO_RAS @ affine_lps, dtype=np.float64)
