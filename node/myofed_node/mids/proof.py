"""Proof that a written file shows what the source stored: geometry and every voxel, by another way than the converter's.

The converter orders frames and builds an affine; here each source frame is looked up on its own: three of its corners are
placed in space by ImagePositionPatient and sent through the affine in the file's header, and the plane found there is compared
with the frame's bytes. The file is read from disk, inflated and decoded by other code than that which wrote it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from isal import igzip_lib, isal_zlib
from numpy.typing import NDArray

from myofed_node.mids.dicom_input.frames import Frame
from myofed_node.mids.nifti import AFFINE_TOLERANCE_MM, GZIP
from myofed_node.mids.phase_scale import LinearMap
from myofed_node.mids.refusal import SeriesRefusedError
from myofed_node.mids.validation.nifti_header import HEADER_BYTES, DamagedNiftiError, NiftiHeader, decode_header
from myofed_schemas.mids import Part

RELATIVE_TOLERANCE = 1e-6
"""float32 has 24 bits; values are computed once in float64."""
PHASE_CUT_RADIANS = 2e-3
CORNER_TOLERANCE_MM = 20 * AFFINE_TOLERANCE_MM


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


def prove(path: Path, sources: Sequence[SourceFrame], *, part: Part) -> int:
    """The file at `path` holds every source frame at its place with its values, and no other plane.

    Returns:
        Number of voxels compared.

    Raises:
        SeriesRefusedError: WRITTEN_GEOMETRY_DIFFERS, WRITTEN_VALUES_DIFFER.
    """
    if not sources:
        raise SeriesRefusedError("WRITTEN_GEOMETRY_DIFFERS", "planes with a source=0")
    header, values = _written(path)
    slices = _slices_of([source.frame for source in sources], header)
    seen: set[tuple[int, int]] = set()
    for source, k in zip(sources, slices, strict=True):
        _compare(values[:, :, k, source.echo], source, part=part)
        seen.add((k, source.echo))
    if len(seen) != values.shape[2] * values.shape[3]:
        raise SeriesRefusedError("WRITTEN_GEOMETRY_DIFFERS", f"planes with a source={len(seen)} of {values.shape[2:]}")
    return int(values.size)


def _written(path: Path) -> tuple[NiftiHeader, NDArray[np.generic]]:
    """Header and voxels, (i, j, k, echo), of the file on disk."""
    try:
        stored = path.read_bytes()
        # the last four bytes of a gzip stream are its length before compression (RFC 1952); a buffer that is filled grows
        content = isal_zlib.decompress(stored, GZIP, int.from_bytes(stored[-4:], "little") + 1)
        header = decode_header(content[:HEADER_BYTES])
        shape = (*header.shape, 1)[:4] if header.ndim == 3 else header.shape
        values = np.frombuffer(content, header.dtype, header.voxels, header.voxel_offset).reshape(shape, order="F")
    except (DamagedNiftiError, ValueError, igzip_lib.IsalError):  # type: ignore[misc]  # its stub says otherwise
        raise SeriesRefusedError("WRITTEN_VALUES_DIFFER", "file=not readable as it was written") from None
    if len(shape) != 4 or (header.slope, header.inter) != (1.0, 0.0) or header.sform_ras is None:
        raise SeriesRefusedError("WRITTEN_GEOMETRY_DIFFERS", f"dimensions={header.ndim}, sform or scaling=not ours")
    return header, values


def _slices_of(frames: Sequence[Frame], header: NiftiHeader) -> list[int]:
    """Index of the slice at which each frame's corners lie, each at its own corner voxel."""
    affine = header.sform_ras
    assert affine is not None, "seen when the file was read"
    try:
        to_voxel = np.linalg.inv(affine)
    except np.linalg.LinAlgError:
        raise SeriesRefusedError("WRITTEN_GEOMETRY_DIFFERS", "sform=not to be inverted") from None
    origin = np.asarray([frame.plane.position_lps for frame in frames])
    cosines = np.asarray([frame.plane.orientation_lps for frame in frames])
    spacing = np.asarray([frame.plane.pixel_spacing_mm for frame in frames])
    shape = np.asarray([frame.plane.shape for frame in frames])
    end_of_row = origin + cosines[:, :3] * (spacing[:, 1] * (shape[:, 1] - 1))[:, None]
    end_of_column = origin + cosines[:, 3:] * (spacing[:, 0] * (shape[:, 0] - 1))[:, None]
    corners_ras = np.stack([origin, end_of_row, end_of_column], axis=1) * np.asarray([-1.0, -1.0, 1.0])
    found = corners_ras @ to_voxel[:3, :3].T + to_voxel[:3, 3]
    k = np.round(found[:, 0, 2])
    expected = np.zeros_like(found)
    expected[:, :, 2] = k[:, None]
    expected[:, 1, 0], expected[:, 2, 1] = shape[:, 1] - 1, shape[:, 0] - 1
    offset_mm = np.abs((found - expected) @ affine[:3, :3].T).max()
    columns, rows, slices = header.shape[:3]
    inside = bool(((k >= 0) & (k < slices)).all() and (shape == (rows, columns)).all())
    if not inside or not offset_mm <= CORNER_TOLERANCE_MM:
        raise SeriesRefusedError("WRITTEN_GEOMETRY_DIFFERS", f"offset mm={offset_mm:.4f}")
    return [int(index) for index in k]


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
