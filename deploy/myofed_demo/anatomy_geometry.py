"""The measured cross-section of a thigh: which structure lies at (x, y) at a level, and how far its border is.

Coordinates are in units of R = sqrt(muscle area / pi), x towards lateral, y towards anterior, origin at the centroid of the
muscle. A structure owns the points that are nearer to its own points than to any other's (distance minus its reach): a
Voronoi diagram with additive weights, whose points and reaches (`thigh_geometry.tsv`) and whose outline were fitted to the
mean of 36 legs (18 public label maps of three cohorts, Hirriririir/Multimodal-Multiethnic-Thigh-Muscle-MRI-analysis
@02ffc7a, Apache-2.0), so that each muscle has its measured share of the area at 30, 50 and 70 % of the thigh. Only these
numbers are taken over, no image and no label map.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]

LEVELS_PERCENT = (30.0, 50.0, 70.0)
"""Height of the measured sections, percent of the thigh, 70 proximal."""

FEMUR_CENTRE = ((0.13, 0.24), (0.16, 0.24), (0.27, 0.24))
FEMUR_RADIUS = 0.23

OUTLINE_HARMONICS = (
    (1.160, -0.002, -0.010, -0.018, 0.109, 0.010, 0.040, -0.053, 0.031, 0.010, 0.021),
    (1.132, -0.008, 0.006, 0.017, 0.144, 0.004, -0.009, -0.027, 0.047, 0.027, 0.001),
    (1.148, -0.017, -0.005, 0.085, 0.137, 0.011, -0.017, 0.029, 0.037, -0.009, -0.018),
)
"""Radius of the muscle compartment per level: mean, then cosine and sine of one to five times the angle."""

UNLABELLED = ("AL", "NV")
"""Structures of the section that the 11-muscle maps do not label: adductor longus and brevis; vessels and nerve in fat."""


@dataclass(frozen=True, eq=False)
class Section:
    """A section through the thigh at one level.

    Attributes:
        structures: Names, in the order of the indices that `structure_at` returns.
        points: Per structure (n, 2), units of R.
        reach: (structures,), units of R.
        femur_centre: Units of R.
        outline: Harmonics of the compartment's radius, as in `OUTLINE_HARMONICS`.
    """

    structures: tuple[str, ...]
    points: tuple[Float32, ...]
    reach: Float32
    femur_centre: tuple[float, float]
    outline: Float32


@cache
def _measured() -> dict[str, NDArray[np.float64]]:
    """Structure -> (level, point, 3): x, y, reach of the table."""
    text = files("myofed_demo").joinpath("thigh_geometry.tsv").read_text(encoding="utf-8")
    found: dict[str, dict[float, list[tuple[float, float, float]]]] = {}
    for row in csv.DictReader(text.splitlines(), delimiter="\t"):
        levels = found.setdefault(row["structure"], {level: [] for level in LEVELS_PERCENT})
        levels[float(row["level_percent"])].append((float(row["x"]), float(row["y"]), float(row["reach"])))
    return {name: np.array([levels[level] for level in LEVELS_PERCENT]) for name, levels in found.items()}


def _at(level_percent: float, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Values (level, ...) interpolated linearly; beyond the measured levels the nearest one holds."""
    upper = int(np.clip(np.searchsorted(LEVELS_PERCENT, level_percent), 1, len(LEVELS_PERCENT) - 1))
    low, high = LEVELS_PERCENT[upper - 1], LEVELS_PERCENT[upper]
    share = float(np.clip((level_percent - low) / (high - low), 0.0, 1.0))
    return np.asarray((1.0 - share) * values[upper - 1] + share * values[upper])


def section(level_percent: float) -> Section:
    """The section at this level, interpolated between the measured ones."""
    tables = {name: _at(level_percent, table) for name, table in _measured().items()}
    centre = _at(level_percent, np.array(FEMUR_CENTRE))
    return Section(
        structures=tuple(tables),
        points=tuple(table[:, :2].astype(np.float32) for table in tables.values()),
        reach=np.array([table[0, 2] for table in tables.values()], dtype=np.float32),
        femur_centre=(float(centre[0]), float(centre[1])),
        outline=_at(level_percent, np.array(OUTLINE_HARMONICS)).astype(np.float32),
    )


def structure_at(level: Section, x: Float32, y: Float32, *, reach_change: Float32) -> tuple[NDArray[np.intp], Float32]:
    """Index of the structure at each point, and the distance to the border with its neighbour, units of R.

    Args:
        level: Section.
        x: (n,) towards lateral, units of R.
        y: (n,) towards anterior, units of R.
        reach_change: (structures,) what this person's muscles have more or less than the mean, units of R.
    """
    distance = np.empty((len(level.structures), x.size), dtype=np.float32)
    for index, points in enumerate(level.points):
        nearest = np.min([(x - px) ** 2 + (y - py) ** 2 for px, py in points], axis=0)
        distance[index] = np.sqrt(nearest) - level.reach[index] - reach_change[index]
    owner = np.argmin(distance, axis=0)
    columns = np.arange(x.size)
    first = distance[owner, columns]
    distance[owner, columns] = np.inf
    return owner, (distance.min(axis=0) - first) / 2


def outline_radius(level: Section, angle: Float32) -> Float32:
    """Radius of the muscle compartment in the direction `angle` (radians from lateral towards anterior), units of R."""
    harmonics = level.outline
    radius = np.full_like(angle, harmonics[0])
    for order in range(1, 6):
        radius += harmonics[2 * order - 1] * np.cos(order * angle) + harmonics[2 * order] * np.sin(order * angle)
    return radius


def femur_distance(level: Section, x: Float32, y: Float32) -> Float32:
    """Distance from the femur's centre in femoral radii: below 1 is bone."""
    return np.asarray(np.hypot(x - level.femur_centre[0], y - level.femur_centre[1]) / FEMUR_RADIUS, dtype=np.float32)
