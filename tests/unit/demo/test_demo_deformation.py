"""Shapes of persons."""

from __future__ import annotations

import numpy as np

from myofed_demo.deformation import Positioning, draw_elastic_field, draw_thigh_shapes


def test_elastic_field_has_the_asked_size_and_does_not_fold() -> None:
    """Its largest displacement is some millimetres, and neighbouring points keep their order."""
    at = np.linspace(-80, 80, 321, dtype=np.float32)
    largest = []
    for seed in range(20):
        field = draw_elastic_field(2.5, np.random.default_rng(seed))
        across, _ = field.displacement_mm(at, np.zeros_like(at), 0.0)
        largest.append(float(np.abs(across).max()))
        assert np.all(np.diff(at + across) > 0)
    assert 2.0 < np.mean(largest) < 10.0


def test_left_and_right_are_alike_and_not_equal() -> None:
    """The two thighs of a person differ by a few percent in size."""
    right, left = draw_thigh_shapes(Positioning(), 13, np.random.default_rng(3))
    assert right.radius_mm != left.radius_mm
    assert abs(right.radius_mm / left.radius_mm - 1) < 0.15


def test_persons_differ() -> None:
    """Another generator gives another shape; the same gives the same."""
    first, again, other = (draw_thigh_shapes(Positioning(), 13, np.random.default_rng(s))[0] for s in (1, 1, 2))
    assert first.radius_mm == again.radius_mm
    assert first.radius_mm != other.radius_mm
