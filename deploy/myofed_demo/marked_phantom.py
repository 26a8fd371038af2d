"""A phantom that no mirroring, shift or exchange of axes leaves as it is: unlike in all directions, with bright blocks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from myofed_demo.anatomy_geometry import Float32
from myofed_demo.dicom_header import decimal

MARKER_LEVELS = (1.0, 0.9, 0.8)
"""Water of the markers, brighter than anything else."""
PLANES = {
    "transverse": ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0)),
    "coronal": ((1.0, 0.0, 0.0), (0.0, 0.0, -1.0)),
    "sagittal": ((0.0, 1.0, 0.0), (0.0, 0.0, -1.0)),
}
"""Unit vectors of growing column and row index, LPS, before the plane is tilted."""


@dataclass(frozen=True)
class Marker:
    """A bright block of voxels.

    Attributes:
        first: Its voxel of lowest (i, j, k).
        size: Voxels along i, j, k.
        level: Water in it.
    """

    first: tuple[int, int, int]
    size: tuple[int, int, int]
    level: float

    def centre_mm(self, affine_lps: NDArray[np.float64]) -> tuple[float, float, float]:
        """Mean of the centres of its voxels, LPS."""
        middle = [f + (s - 1) / 2 for f, s in zip(self.first, self.size, strict=True)]
        x, y, z = (float(v) for v in (affine_lps @ (*middle, 1.0))[:3])
        return x, y, z


@dataclass(frozen=True, eq=False)
class MarkedPhantom:
    """What the voxels hold. Arrays are (i, j, k) float32.

    Attributes:
        water: Proton density, 0..1.
        fat: Proton density, 0..1.
        off_resonance_hz: Off-resonance.
        t2_ms: Transverse relaxation time of water.
        markers: Bright blocks.
    """

    water: Float32
    fat: Float32
    off_resonance_hz: Float32
    t2_ms: Float32
    markers: tuple[Marker, ...]


def marked_phantom(shape: tuple[int, int, int], *, seed: int) -> MarkedPhantom:
    """Ramps along each axis with grain, so that almost every voxel is unlike every other, and three markers.

    Args:
        shape: (i, j, k), at least 16 x 16 x 1.
        seed: Of the grain.
    """
    rng = np.random.default_rng(seed)
    i, j, k = (
        np.linspace(0.0, 1.0, n).reshape([-1 if other == axis else 1 for other in range(3)])
        for axis, n in enumerate(shape)
    )
    water = 0.12 + 0.14 * i + 0.06 * j + 0.03 * k + rng.uniform(0.0, 0.05, shape)
    fat = 0.04 + 0.08 * j + 0.03 * k * i + rng.uniform(0.0, 0.03, shape)
    field_hz = -90.0 + 150.0 * i + 60.0 * j * k + rng.uniform(-8.0, 8.0, shape)
    t2_ms = 28.0 + 14.0 * j + 4.0 * i + rng.uniform(0.0, 2.0, shape)
    last = shape[2] - 1
    places = ((2, 3, 0), (shape[0] - 6, 5, last), (4, shape[1] - 5, last // 2))
    markers = tuple(Marker(p, (3, 2, 1), level) for p, level in zip(places, MARKER_LEVELS, strict=True))
    for marker in markers:
        block = tuple(slice(f, f + s) for f, s in zip(marker.first, marker.size, strict=True))
        water[block] = marker.level
        fat[block] = 0.02
    return MarkedPhantom(
        water=np.asarray(water, np.float32),
        fat=np.asarray(fat, np.float32),
        off_resonance_hz=np.asarray(field_hz, np.float32),
        t2_ms=np.asarray(t2_ms, np.float32),
        markers=markers,
    )


def oblique_affine(
    plane: str,
    *,
    shape: tuple[int, int, int],
    spacing_mm: tuple[float, float, float],
    tilt_degrees: tuple[float, float, float],
    centre_mm: tuple[float, float, float],
) -> NDArray[np.float64]:
    """(4, 4): voxel index (i, j, k, 1) -> mm LPS of a tilted plane, k along the normal (column x row direction).

    Args:
        plane: Key of `PLANES`.
        shape: (i, j, k).
        spacing_mm: Along i, j, k.
        tilt_degrees: Turns about the patient's x, then y, then z axis.
        centre_mm: Centre of the volume, LPS.
    """
    turn = np.eye(3)
    for axis, degrees in enumerate(tilt_degrees):
        turn = _turn(axis, np.deg2rad(degrees)) @ turn
    column, row = (turn @ np.array(direction) for direction in PLANES[plane])
    written = [np.array([float(decimal(float(v))) for v in axis]) for axis in (column, row, np.cross(column, row))]
    affine = np.eye(4)
    affine[:3, :3] = np.stack(written, axis=1) * np.array(spacing_mm)
    affine[:3, 3] = np.array(centre_mm) - affine[:3, :3] @ ((np.array(shape) - 1) / 2)
    return affine


def _turn(axis: int, angle: float) -> NDArray[np.float64]:
    """Rotation about one axis, right-handed."""
    first, second = (axis + 1) % 3, (axis + 2) % 3
    turn = np.eye(3)
    turn[first, first] = turn[second, second] = np.cos(angle)
    turn[second, first], turn[first, second] = np.sin(angle), -np.sin(angle)
    return turn
