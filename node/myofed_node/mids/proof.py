"""Proof that a written file shows what the source stored: geometry and every voxel, by another way than the converter's.

The converter orders frames and builds an affine; here each source frame is looked up on its own: three of its corners are
placed in space by ImagePositionPatient and sent through the written file's affine, and the plane found there is compared
with the frame's bytes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from myofed_node.mids.frames import Frame
from myofed_node.mids.nifti import AFFINE_TOLERANCE_MM, read_nifti
from myofed_node.mids.pixels import LinearMap
from myofed_node.mids.refusal import SeriesRefusedError
from myofed_schemas.mids import Part

RELATIVE_TOLERANCE = 1e-6
"""float32 has 24 bits; values are computed once in float64."""
PHASE_CUT_RADIANS = 2e-3


@dataclass(frozen=True)
class SourceFrame:
    """One source frame with its stored pixels as they are in the file.

    Attributes:
        pixels: (rows, columns), stored values.
        echo: Index along the fourth dimension it must be found at.
    """

    frame: Frame
    pixels: NDArray[np.generic]
    linear: LinearMap
    echo: int


def prove(path: Path, sources: Iterable[SourceFrame], *, part: Part) -> int:
    """The file at `path` holds every source frame at its place with its values, and no other plane.

    Returns:
        Number of voxels compared.

    Raises:
        SeriesRefusedError: WRITTEN_GEOMETRY_DIFFERS, WRITTEN_VALUES_DIFFER.
    """
    written = read_nifti(path)
    values = np.asanyarray(written.dataobj)
    values = values[..., None] if values.ndim == 3 else values
    to_voxel = np.linalg.inv(np.asarray(written.affine, dtype=np.float64))
    seen: set[tuple[int, int]] = set()
    for source in sources:
        k = _slice_of(source.frame, to_voxel, values.shape)
        _compare(values[:, :, k, source.echo], source, part=part)
        seen.add((k, source.echo))
    if len(seen) != values.shape[2] * values.shape[3]:
        raise SeriesRefusedError("WRITTEN_GEOMETRY_DIFFERS", f"planes with a source={len(seen)} of {values.shape[2:]}")
    return int(values.size)


def _slice_of(frame: Frame, to_voxel: NDArray[np.float64], shape: tuple[int, ...]) -> int:
    """Index of the slice at which the frame's corners lie, each at its own corner voxel."""
    rows, columns = frame.plane.shape
    origin = np.asarray(frame.plane.position_lps)
    along_columns = np.asarray(frame.plane.orientation_lps[:3]) * frame.plane.pixel_spacing_mm[1]
    along_rows = np.asarray(frame.plane.orientation_lps[3:]) * frame.plane.pixel_spacing_mm[0]
    corners_lps = np.stack([origin, origin + along_columns * (columns - 1), origin + along_rows * (rows - 1)])
    corners_ras = corners_lps * np.asarray([-1.0, -1.0, 1.0])
    found = corners_ras @ to_voxel[:3, :3].T + to_voxel[:3, 3]
    k = round(float(found[0, 2]))
    expected = np.asarray([[0, 0, k], [columns - 1, 0, k], [0, rows - 1, k]], dtype=np.float64)
    offset_mm = (found - expected) @ np.linalg.inv(to_voxel)[:3, :3].T
    if shape[:2] != (columns, rows) or not 0 <= k < shape[2] or np.abs(offset_mm).max() > 20 * AFFINE_TOLERANCE_MM:
        raise SeriesRefusedError("WRITTEN_GEOMETRY_DIFFERS", f"offset mm={np.abs(offset_mm).max():.4f}")
    return k


def _compare(plane: NDArray[np.generic], source: SourceFrame, *, part: Part) -> None:
    if source.linear.is_identity and plane.dtype.kind in "iu":
        same = np.array_equal(plane.T, source.pixels)
    else:
        expected = source.pixels.astype(np.float64) * source.linear.slope + source.linear.intercept
        tolerance = RELATIVE_TOLERANCE * float(np.abs(expected).max(initial=0.0))
        tolerance += PHASE_CUT_RADIANS if part is Part.PHASE else 0.0
        same = bool((np.abs(plane.T.astype(np.float64) - expected) <= tolerance).all())
    if not same:
        raise SeriesRefusedError("WRITTEN_VALUES_DIFFER", "voxels=not the stored values")
