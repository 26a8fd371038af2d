"""Two thighs as proton densities of water and fat, and the muscle at each voxel, on a scanner's grid.

Every slice is drawn three times finer than the grid and averaged, so that thin septa and borders have partial volume as in a
scan; a voxel's label is the structure at its centre.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from myofed_demo.anatomy_geometry import Float32, femur_distance, outline_radius, section, structure_at
from myofed_demo.deformation import ThighShape
from myofed_demo.texture import smooth_noise
from myofed_schemas.anatomy import THIGH_11, Side, muscle

Int16 = NDArray[np.int16]

FINER = 3
MUSCLE_DENSITY, FAT_DENSITY, FASCIA_DENSITY, CORTEX_DENSITY = 0.85, 0.95, 0.40, 0.05
SAT_FAT_FRACTION, SEPTUM_FAT_FRACTION, MARROW_FAT_FRACTION, VESSEL_FAT_FRACTION = 0.93, 0.85, 0.92, 0.80
FASCIA_MM, SEPTUM_HALF_MM = 0.9, 0.55
CORTEX_INNER = 0.62
"""The marrow's radius as a share of the femur's."""


@dataclass(frozen=True)
class Grid:
    """Voxel grid of an axial scan in patient coordinates (LPS, mm).

    Attributes:
        shape: (i, j, k): columns towards left, rows towards posterior, slices towards head.
        spacing_mm: Distance of voxel centres along i, j, k.
        origin_mm: Centre of voxel (0, 0, 0), LPS.
    """

    shape: tuple[int, int, int]
    spacing_mm: tuple[float, float, float]
    origin_mm: tuple[float, float, float]

    def affine_lps(self) -> NDArray[np.float64]:
        """(4, 4): voxel index (i, j, k, 1) -> mm LPS."""
        affine = np.diag([*self.spacing_mm, 1.0])
        affine[:3, 3] = self.origin_mm
        return affine


@dataclass(frozen=True, eq=False)
class Leg:
    """One thigh of the person in the scanner.

    Attributes:
        side: Of the patient.
        shape: How it differs from the mean thigh.
        centre_mm: x and y (LPS) of the muscle's centroid at mid-thigh.
        fat_fraction: Muscle id (and `AL`) -> 0..1.
    """

    side: Side
    shape: ThighShape
    centre_mm: tuple[float, float]
    fat_fraction: dict[str, float]


@dataclass(frozen=True, eq=False)
class Body:
    """Proton densities on the grid; arrays are (i, j, k).

    Attributes:
        labels: Canonical label values, 0 outside the 11 muscles.
        water: Proton density of water, 0..1.
        fat: Proton density of fat, 0..1.
    """

    labels: Int16
    water: Float32
    fat: Float32


def draw_body(grid: Grid, legs: tuple[Leg, Leg], levels_percent: tuple[float, ...], rng: np.random.Generator) -> Body:
    """Both thighs on the grid, one section of the table per slice.

    Args:
        grid: Where to draw; `shape[2]` slices.
        legs: Right and left; each is clipped at the midline between the two.
        levels_percent: Height of each slice in the thigh.
        rng: Draws the infiltration's texture.
    """
    body = Body(
        labels=np.zeros(grid.shape, np.int16),
        water=np.zeros(grid.shape, np.float32),
        fat=np.zeros(grid.shape, np.float32),
    )
    fine_shape = (grid.shape[0] * FINER, grid.shape[1] * FINER)
    fine_mm = (grid.spacing_mm[0] / FINER, grid.spacing_mm[1] / FINER)
    midline_mm = (legs[0].centre_mm[0] + legs[1].centre_mm[0]) / 2
    for k, level_percent in enumerate(levels_percent):
        texture = smooth_noise(fine_shape, cell=(7.0 / fine_mm[0], 7.0 / fine_mm[1]), rng=rng)
        texture += smooth_noise(fine_shape, cell=(2.5 / fine_mm[0], 2.5 / fine_mm[1]), rng=rng)
        canvas = _Canvas(
            x_mm=(grid.origin_mm[0] + fine_mm[0] * (np.arange(fine_shape[0]) - 1)).astype(np.float32),
            y_mm=(grid.origin_mm[1] + fine_mm[1] * (np.arange(fine_shape[1]) - 1)).astype(np.float32),
            z_mm=grid.spacing_mm[2] * k,
            midline_mm=midline_mm,
            texture=texture,
            labels=np.zeros(fine_shape, np.int16),
            water=np.zeros(fine_shape, np.float32),
            fat=np.zeros(fine_shape, np.float32),
        )
        for leg in legs:
            _draw_leg(canvas, leg, level_percent)
        body.labels[:, :, k] = canvas.labels[1::FINER, 1::FINER]
        body.water[:, :, k] = _mean_of_blocks(canvas.water)
        body.fat[:, :, k] = _mean_of_blocks(canvas.fat)
    return body


@dataclass(frozen=True, eq=False)
class _Canvas:
    """One slice, three times finer than the grid; coordinates of its columns and rows, LPS mm."""

    x_mm: Float32
    y_mm: Float32
    z_mm: float
    midline_mm: float
    texture: Float32
    labels: Int16
    water: Float32
    fat: Float32


def _mean_of_blocks(fine: Float32) -> Float32:
    blocks = fine.reshape(fine.shape[0] // FINER, FINER, fine.shape[1] // FINER, FINER)
    return np.asarray(blocks.mean(axis=(1, 3)))


def _draw_leg(canvas: _Canvas, leg: Leg, level_percent: float) -> None:
    """The leg's part of the canvas is filled; the rest is unchanged."""
    shape = leg.shape
    radius_mm = shape.radius_mm * (1.0 + shape.taper_per_percent * (level_percent - 50.0))
    lateral = -1.0 if leg.side is Side.RIGHT else 1.0
    reach_mm = 1.45 * radius_mm * shape.aspect + 1.4 * shape.fat_mm[0]
    near = np.hypot(canvas.x_mm[:, None] - leg.centre_mm[0], canvas.y_mm[None, :] - leg.centre_mm[1]) < reach_mm
    near &= (lateral * (canvas.x_mm - canvas.midline_mm) > 0.5)[:, None]
    where = np.nonzero(near)
    across = lateral * (canvas.x_mm[where[0]] - leg.centre_mm[0])
    up = -(canvas.y_mm[where[1]] - leg.centre_mm[1])
    moved = shape.elastic.displacement_mm(across, up, canvas.z_mm)
    across, up = across + moved[0], up + moved[1]
    cosine, sine = np.cos(shape.rotation_rad), np.sin(shape.rotation_rad)
    x = (cosine * across - sine * up) / np.float32(radius_mm * shape.aspect)
    y = (sine * across + cosine * up) / np.float32(radius_mm / shape.aspect)
    painted = _paint(leg, level_percent, radius_mm, x, y, canvas.texture[where])
    inside = painted.density > 0
    where = (where[0][inside], where[1][inside])
    canvas.labels[where] = painted.labels[inside]
    canvas.water[where] = (painted.density * (1.0 - painted.fat_fraction))[inside]
    canvas.fat[where] = (painted.density * painted.fat_fraction)[inside]


@dataclass(frozen=True, eq=False)
class _Paint:
    """Values at the points of one leg, (n,) each."""

    labels: Int16
    density: Float32
    fat_fraction: Float32


def _paint(leg: Leg, level_percent: float, radius_mm: float, x: Float32, y: Float32, texture: Float32) -> _Paint:
    level = section(level_percent)
    owner, border = structure_at(level, x, y, reach_change=leg.shape.reach_change)
    angle = np.arctan2(y, x)
    beyond_mm = (np.hypot(x, y) - outline_radius(level, angle)) * np.float32(radius_mm)
    skin_mm = leg.shape.fat_mm[0] + leg.shape.fat_mm[1] * np.cos(angle) + leg.shape.fat_mm[2] * np.sin(angle)
    bone = femur_distance(level, x, y)
    values = np.array(
        [muscle(name).label_value(leg.side) if name in THIGH_11 else 0 for name in level.structures], np.int16
    )
    own = np.array([leg.fat_fraction.get(name, VESSEL_FAT_FRACTION) for name in level.structures], np.float32)[owner]
    infiltrated = np.clip(own + texture * (0.015 + 0.45 * own * (1.0 - own)), 0.0, 0.97)
    septum = border * np.float32(radius_mm) < SEPTUM_HALF_MM
    compartment = [beyond_mm > skin_mm, beyond_mm > FASCIA_MM, beyond_mm > 0, bone < CORTEX_INNER, bone < 1, septum]
    fat_fraction = np.select(
        compartment, [0.0, SAT_FAT_FRACTION, 0.2, MARROW_FAT_FRACTION, 0.0, SEPTUM_FAT_FRACTION], infiltrated
    )
    muscle_density = MUSCLE_DENSITY + (FAT_DENSITY - MUSCLE_DENSITY) * infiltrated
    density = np.select(
        compartment, [0.0, FAT_DENSITY, FASCIA_DENSITY, FAT_DENSITY, CORTEX_DENSITY, FAT_DENSITY], muscle_density
    )
    labelled = (beyond_mm <= 0) & (bone >= 1)
    return _Paint(
        labels=np.where(labelled, values[owner], 0).astype(np.int16),
        density=density.astype(np.float32),
        fat_fraction=fat_fraction.astype(np.float32),
    )
