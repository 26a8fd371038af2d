"""Two thighs on a grid."""

from __future__ import annotations

import numpy as np
import pytest

from myofed_demo.body import FAT_DENSITY, Body, Grid, Leg, draw_body
from myofed_demo.deformation import Positioning, draw_thigh_shapes
from myofed_demo.disease import ALL_MUSCLES
from myofed_schemas.anatomy import Side, muscle

GRID = Grid(shape=(100, 56, 1), spacing_mm=(4.0, 4.0, 20.0), origin_mm=(-198.0, -110.0, 0.0))


def body_with(fat_fraction: float, *, gap_mm: float = 8.0) -> Body:
    """Two thighs whose muscles all hold this much fat."""
    shapes = draw_thigh_shapes(Positioning(muscle_radius_mm=(46.0, 48.0)), 13, np.random.default_rng(0))
    fat = dict.fromkeys(ALL_MUSCLES, fat_fraction)
    away = 72.0 + gap_mm / 2
    legs = (Leg(Side.RIGHT, shapes[0], (-away, 0.0), fat), Leg(Side.LEFT, shapes[1], (away, 0.0), fat))
    return draw_body(GRID, legs, (50.0,), np.random.default_rng(1))


def test_muscle_holds_the_asked_fat_fraction() -> None:
    """The median over vastus lateralis is what the profile said, but for texture."""
    for asked in (0.05, 0.5):
        body = body_with(asked)
        inside = body.labels == muscle("VL").label_value(Side.LEFT)
        found = body.fat[inside] / (body.fat[inside] + body.water[inside])
        assert float(np.median(found)) == pytest.approx(asked, abs=0.04)


def test_borders_between_muscles_fade_as_fat_rises() -> None:
    """Septa stand out against lean muscle and vanish in replaced muscle."""

    def contrast(asked: float) -> float:
        body = body_with(asked)
        values = body.fat[body.labels > 0]
        return float(np.percentile(values, 95) - np.median(values))

    assert contrast(0.05) > 2 * contrast(0.85)


def test_legs_pressed_together_do_not_overlap() -> None:
    """Each leg ends at the midline, and no voxel holds more than its density."""
    body = body_with(0.05, gap_mm=-12.0)
    right = np.isin(body.labels, [muscle(m).label_value(Side.RIGHT) for m in ("AM", "GR", "SA", "VM")])
    assert not right[50:].any()
    assert float((body.water + body.fat).max()) <= FAT_DENSITY + 1e-6


def test_bone_has_a_dark_cortex_and_a_fatty_marrow() -> None:
    """Inside the muscle there is a ring of nearly no signal round a fatty core."""
    body = body_with(0.05)
    total = (body.water + body.fat)[:50, :, 0]
    ring = (total < 0.3) & (body.labels[:50, :, 0] == 0)
    columns, rows = np.nonzero(body.labels[:50, :, 0])
    ring[: columns.min()], ring[columns.max() :] = False, False
    ring[:, : rows.min()], ring[:, rows.max() :] = False, False
    assert ring.sum() > 5
