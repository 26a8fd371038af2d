"""Slices of classic exports."""

from __future__ import annotations

import numpy as np

from myofed_demo.dicom_classic import Stored, axial_slices, stored_values


def test_one_factor_scales_all_echoes() -> None:
    """The brightest voxel of the whole array is at full scale; ratios between echoes stay."""
    magnitude = np.array([[1.0, 2.0], [4.0, 8.0]], np.float32)
    assert stored_values(magnitude, Stored(bits=12, signed=False, full_scale=4000)).tolist() == [
        [500, 1000],
        [2000, 4000],
    ]


def test_rows_run_along_j_and_positions_along_the_slice_axis() -> None:
    """A voxel (i, j, k) is at row j, column i of slice k, whose position is the affine's image of (0, 0, k)."""
    volume = np.arange(24, dtype=np.int16).reshape(4, 3, 2)
    affine = np.array([[2.0, 0, 0, -3], [0, 2.0, 0, -2], [0, 0, 9.0, -5], [0, 0, 0, 1]])
    slices = list(axial_slices(volume, affine, echo_index=1, echo_time_ms=2.3))
    assert slices[1].pixels.shape == (3, 4)
    assert slices[1].pixels[2, 3] == volume[3, 2, 1]
    assert [s.position_mm for s in slices] == [(-3.0, -2.0, -5.0), (-3.0, -2.0, 4.0)]
    assert {(s.echo_index, s.echo_time_ms) for s in slices} == {(1, 2.3)}
