"""Left from right by geometry."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from myofed_node.label_exchange.midline import is_right
from myofed_node.label_exchange.refusal import LabelRefusedError
from myofed_node.label_exchange.translation import Translation
from myofed_node.label_map import canonical_map
from myofed_schemas.label_schemes import LabelScheme

AXIAL = np.diag([-2.0, -2.0, 5.0, 1.0])
"""Columns to the patient's left, as DICOM stores an axial slice."""


def legs(gap: int = 8, *, values: tuple[int, ...] = (1, 2)) -> np.ndarray:
    """Two legs in an axial slice stack, first axis across; every value in both."""
    array = np.zeros((40, 10, 3), dtype=np.int64)
    for n, value in enumerate(values):
        for start in (20 - gap // 2 - 6 + 2 * n, 20 + (gap + 1) // 2 + 2 * n):
            array[start : start + 2, 3:7, :] = value
    return array


@pytest.mark.parametrize(
    "array",
    [
        legs(0),
        np.where(np.arange(40)[:, None, None] < 20, legs(), 0),
        np.where((np.arange(40)[:, None, None] < 20) & (legs() == 2), 0, legs()),
        np.where((np.arange(40)[:, None, None] >= 20) & (legs() == 2) & (np.arange(10)[:, None] > 3), 0, legs()) * 1
        * (1 - (np.arange(3) > 0) * (np.arange(40)[:, None, None] >= 20)),
    ],
)  # fmt: skip
def test_legs_that_cannot_be_told_apart_are_refused(array: np.ndarray) -> None:
    """Touching, one leg only, a muscle on one side only, a muscle on one side all but missing."""
    with pytest.raises(LabelRefusedError) as refusal:
        is_right(array, AXIAL, (1, 2))
    assert refusal.value.code == "LABEL_MIDLINE"


def test_single_plane_across_is_refused() -> None:
    """A sagittal slice has one side."""
    array = np.zeros((4, 4, 4), dtype=np.int64)
    array[2] = 1
    with pytest.raises(LabelRefusedError):
        is_right(array, np.eye(4), (1,))


def test_both_sides_get_their_values() -> None:
    """The patient's left is at the end of the first axis here."""
    translation = Translation.of_scheme(LabelScheme.DAFNE_THIGH)
    with pytest.raises(LabelRefusedError) as refusal:
        canonical_map(legs(), AXIAL, translation)
    assert refusal.value.code == "LABEL_SIDE_MISSING"
    split = canonical_map(legs(), AXIAL, translation, split_midline=True)
    assert split.labels == (7101, 7102, 7121, 7122)
    assert set(np.unique(split.values[:20])) == {0, 7102, 7122}
    assert np.array_equal(split.values > 0, legs() > 0)


def test_value_with_a_side_and_value_for_both_are_never_one_muscle() -> None:
    """Such a table contradicts itself."""
    array = legs()
    array[12, 8, 0] = 3
    names = Translation.of_names({1: "VL", 2: "VM", 3: "right VL"})
    with pytest.raises(LabelRefusedError) as refusal:
        canonical_map(array, AXIAL, names, split_midline=True)
    assert refusal.value.code == "LABEL_TABLE_INVALID"


@given(
    order=st.permutations(range(3)),
    flips=st.tuples(*[st.booleans()] * 3),
    offset=st.floats(-200, 200),
)
def test_split_does_not_depend_on_how_the_array_lies(order: list[int], flips: tuple[bool, ...], offset: float) -> None:
    """Any order and direction of axes, any origin: the same voxels in space are right."""
    affine = AXIAL.copy()
    affine[0, 3] = offset
    expected = is_right(legs(), affine, (1, 2)) & (legs() > 0)
    flipped_axes = [axis for axis, flip in enumerate(flips) if flip]
    array = np.flip(legs().transpose(order), flipped_axes)
    turned = affine[:, [*order, 3]].copy()
    for axis in flipped_axes:
        turned[:, 3] += turned[:, axis] * (array.shape[axis] - 1)
        turned[:, axis] *= -1
    found = is_right(array, turned, (1, 2)) & (array > 0)
    assert np.array_equal(found, np.flip(expected.transpose(order), flipped_axes))


@pytest.mark.real_data
def test_real_maps_of_both_thighs_are_split(shared_data: Path) -> None:
    """18 public maps of three cohorts: 11 muscles become 22, no voxel is lost."""
    paths = sorted((shared_data / "muscle" / "thigh_labels_11muscles").glob("*.nii.gz"))
    assert len(paths) == 18
    for path in paths[::6]:
        image = nib.load(path)
        array = np.rint(np.asanyarray(image.dataobj)).astype(np.int64)
        translation = Translation.of_scheme(LabelScheme.THIGH_11)
        split = canonical_map(array, np.asarray(image.affine), translation, split_midline=True)
        assert len(split.values_present) == 22
        assert np.array_equal(split.values > 0, array > 0)
