"""The phantom that no mirroring leaves as it is."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from myofed_demo.marked_phantom import PLANES, marked_phantom, oblique_affine

SHAPE = (24, 20, 5)


def test_no_flip_gives_the_same_phantom() -> None:
    """Left and right, front and back, head and foot differ everywhere but in the middle slice."""
    water = marked_phantom(SHAPE, seed=1).water
    for flips in product((False, True), repeat=3):
        flipped = water[tuple(slice(None, None, -1 if f else 1) for f in flips)]
        assert not any(flips) or np.isclose(water, flipped).mean() < 1 / SHAPE[2] + 0.03


def test_markers_are_brighter_than_all_else() -> None:
    """Above 0.6 of the brightest voxel lie the markers' voxels and no other."""
    phantom = marked_phantom(SHAPE, seed=1)
    bright = phantom.water > 0.6 * phantom.water.max()
    assert bright.sum() == sum(int(np.prod(marker.size)) for marker in phantom.markers) == 18


def test_markers_do_not_mirror_onto_each_other() -> None:
    """No flip of the volume puts the markers where markers are."""
    places = {marker.first for marker in marked_phantom(SHAPE, seed=1).markers}
    for axis in range(3):
        mirrored = {tuple(SHAPE[a] - 1 - p[a] if a == axis else p[a] for a in range(3)) for p in places}
        assert mirrored != places


@pytest.mark.parametrize("plane", sorted(PLANES))
def test_affine_is_right_handed_with_the_asked_spacing_and_centre(plane: str) -> None:
    """Columns of the linear part are at right angles, as long as the spacing, and k follows column x row direction."""
    spacing, centre = (1.7, 2.3, 6.5), (31.0, -17.0, 44.0)
    affine = oblique_affine(plane, shape=SHAPE, spacing_mm=spacing, tilt_degrees=(11, -7, 16), centre_mm=centre)
    axes = affine[:3, :3] / np.array(spacing)
    assert np.allclose(axes.T @ axes, np.eye(3), atol=1e-7)
    assert np.linalg.det(axes) == pytest.approx(1.0)
    assert np.allclose(affine @ (*((np.array(SHAPE) - 1) / 2), 1), (*centre, 1))
    assert np.abs(axes).max() < 0.99, "the plane is oblique"


def test_marker_centre_is_the_mean_of_its_voxels() -> None:
    """In the patient, by the affine."""
    marker = marked_phantom(SHAPE, seed=1).markers[0]
    affine = np.diag([2.0, 3.0, 5.0, 1.0])
    assert marker.centre_mm(affine) == (2.0 * (2 + 1), 3.0 * (3 + 0.5), 0.0)
