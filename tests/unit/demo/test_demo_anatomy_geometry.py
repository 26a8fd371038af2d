"""The section of the thigh."""

from __future__ import annotations

import numpy as np
import pytest

from myofed_demo.anatomy_geometry import FEMUR_RADIUS, femur_distance, outline_radius, section, structure_at
from myofed_schemas.anatomy import THIGH_11

MEASURED_50 = {
    "VL": 20, "VI": 17, "VM": 10, "RF": 4, "SA": 4.4, "GR": 4.6, "AM": 12, "BFL": 8.6, "ST": 6, "SM": 6, "BFS": 3,
}  # fmt: skip
"""Share of the muscle area at mid-thigh, percent, mean of 70 legs (muscle.md section 6)."""


def shares_percent(level_percent: float) -> dict[str, float]:
    """Share of each muscle in the area of the eleven, by counting points."""
    at = np.linspace(-1.5, 1.5, 241, dtype=np.float32)
    x, y = (axis.ravel() for axis in np.meshgrid(at, at))
    level = section(level_percent)
    owner, _ = structure_at(level, x, y, reach_change=np.zeros(len(level.structures), np.float32))
    inside = (np.hypot(x, y) < outline_radius(level, np.arctan2(y, x))) & (femur_distance(level, x, y) >= 1)
    counts = {name: np.sum(inside & (owner == i)) for i, name in enumerate(level.structures) if name in THIGH_11}
    return {name: 100 * float(count) / float(sum(counts.values())) for name, count in counts.items()}


def test_mid_thigh_areas_are_the_measured_ones() -> None:
    """Each muscle has its published share of the area; 2 points allow for the fit's other 36 legs."""
    assert shares_percent(50) == pytest.approx(MEASURED_50, abs=2.0)


@pytest.mark.parametrize(
    ("name", "distal", "proximal"), [("VM", 19, 6), ("AM", 4, 25), ("SM", 11, 2), ("BFS", 7, 0), ("RF", 3, 7)]
)
def test_areas_change_along_the_thigh_as_measured(name: str, distal: float, proximal: float) -> None:
    """From 30 to 70 % the shares follow the measured trend; few maps reach 70 %, hence 4.5 points there."""
    assert shares_percent(30)[name] == pytest.approx(distal, abs=2.0)
    assert shares_percent(70)[name] == pytest.approx(proximal, abs=4.5)


def test_vastus_intermedius_lies_round_the_femur() -> None:
    """In front of, beside and half behind the femur one meets vastus intermedius first (a C-shape)."""
    level = section(50)
    angle = np.deg2rad(np.array([0, 45, 90], np.float32))
    x = level.femur_centre[0] + 1.2 * FEMUR_RADIUS * np.cos(angle)
    y = level.femur_centre[1] + 1.2 * FEMUR_RADIUS * np.sin(angle)
    owner, _ = structure_at(level, x, y, reach_change=np.zeros(len(level.structures), np.float32))
    assert {level.structures[i] for i in owner} == {"VI"}


def test_levels_beyond_the_measured_ones_are_the_nearest() -> None:
    """Nothing is extrapolated."""
    assert shares_percent(10) == shares_percent(30)


def test_border_distance_is_zero_where_the_owner_changes() -> None:
    """Along a line the distance to the border falls to about nothing at each change of structure."""
    level = section(50)
    x = np.linspace(-0.9, 0.9, 2001, dtype=np.float32)
    owner, border = structure_at(
        level, x, np.full_like(x, -0.6), reach_change=np.zeros(len(level.structures), np.float32)
    )
    changes = np.flatnonzero(np.diff(owner))
    assert len(changes) >= 3
    assert np.all(border >= 0)
    assert float(border[changes].max()) < 0.002
