"""DICOM planes in an image's grid."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mids_factories import (
    COLUMN_DIRECTION,
    COLUMNS,
    ROW_DIRECTION,
    ROWS,
    SPACING_BETWEEN_COLUMNS,
    SPACING_BETWEEN_ROWS,
    affine_ras,
    position_lps,
)

from myofed_node.label_exchange.placement import DicomPlane, voxels_of
from myofed_node.label_exchange.refusal import LabelRefusedError

SHAPE = (COLUMNS, ROWS, 3)


def plane(k: int = 1, **changes: object) -> DicomPlane:
    values: dict[str, object] = {
        "rows": ROWS,
        "columns": COLUMNS,
        "position_lps": tuple(position_lps(k)),
        "orientation_lps": (*ROW_DIRECTION, *COLUMN_DIRECTION),
        "spacing_mm": (SPACING_BETWEEN_ROWS, SPACING_BETWEEN_COLUMNS),
    }
    return DicomPlane(**values | changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "wrong",
    [
        plane(k=3),
        plane(k=-1),
        plane(position_lps=tuple(position_lps(1) + 0.1)),
        plane(spacing_mm=(1.5, 2.1)),
        plane(spacing_mm=(2.0, 1.5)),
        plane(rows=ROWS + 1),
        plane(orientation_lps=(1.0, 0.0, 0.0, 0.0, 1.0, 0.0)),
    ],
)
def test_plane_beside_the_grid_is_refused(wrong: DicomPlane) -> None:
    """Outside, shifted, another spacing, larger, turned."""
    with pytest.raises(LabelRefusedError) as refusal:
        voxels_of(wrong, affine_ras(), SHAPE)
    assert refusal.value.code == "LABEL_GRID"


@given(order=st.permutations(range(3)), flips=st.tuples(*[st.booleans()] * 3), k=st.integers(0, 2))
def test_picture_of_a_plane_is_the_same_however_the_array_lies(
    order: list[int], flips: tuple[bool, ...], k: int
) -> None:
    """Any order and direction of the array's axes."""
    array = np.arange(np.prod(SHAPE)).reshape(SHAPE)
    expected = array[:, :, k].T
    flipped_axes = [axis for axis, flip in enumerate(flips) if flip]
    turned_array = np.flip(array.transpose(order), flipped_axes)
    turned = affine_ras()[:, [*order, 3]]
    for axis in flipped_axes:
        turned[:, 3] += turned[:, axis] * (turned_array.shape[axis] - 1)
        turned[:, axis] *= -1
    assert np.array_equal(turned_array[voxels_of(plane(k), turned, turned_array.shape)], expected)
