"""A volume becomes single-thigh slices, whatever the order of its axes."""

from __future__ import annotations

import numpy as np
import pytest
from learning_factories import RAS, manifest, two_thighs

from myofed_node.learning.transforms import canonical, foreground, thigh_classes, thigh_grids, thigh_images
from myofed_schemas.anatomy import Side
from myofed_schemas.errors import MyofedError
from myofed_schemas.study import InputImage

IMAGE = manifest().image


def test_volume_of_four_dimensions_is_refused() -> None:
    """The caller chooses the echo; nothing is guessed."""
    with pytest.raises(MyofedError) as refusal:
        canonical(np.zeros((4, 4, 4, 2)), affine_ras=np.eye(4))
    assert refusal.value.code == "IMAGE_NOT_3D"


def test_coronal_volume_is_refused() -> None:
    """The input of the network is an axial slice."""
    with pytest.raises(MyofedError) as refusal:
        canonical(np.zeros((4, 4, 4)), affine_ras=np.array([[1.0, 0, 0, 0], [0, 0, 1, 0], [0, 1, 0, 0], [0, 0, 0, 1]]))
    assert refusal.value.code == "IMAGE_NOT_AXIAL"


def test_image_of_one_thigh_is_refused() -> None:
    """Half of a single leg is never taken for a whole one."""
    mask = np.zeros((40, 20, 2), bool)
    mask[2:4] = True
    mask[4:30, 9:11] = True
    mask[20:30] = True
    mask[2:4, :18] = False
    with pytest.raises(MyofedError) as refusal:
        thigh_grids(mask)
    assert refusal.value.code == "IMAGE_NOT_TWO_THIGHS"


def test_image_without_tissue_is_refused() -> None:
    """An empty image has no midline."""
    with pytest.raises(MyofedError) as refusal:
        thigh_grids(np.zeros((40, 20, 2), bool))
    assert refusal.value.code == "IMAGE_NOT_TWO_THIGHS"


@pytest.mark.parametrize("axes", [(0, 1, 2), (1, 0, 2)])
@pytest.mark.parametrize("flips", [(), (0,), (1,), (0, 1, 2)])
def test_order_and_direction_of_the_axes_do_not_matter(axes: tuple[int, ...], flips: tuple[int, ...]) -> None:
    """The same anatomy stored in another order gives the same canonical volume."""
    values = np.random.default_rng(0).normal(size=(5, 6, 3)).astype(np.float32)
    expected = canonical(values, affine_ras=RAS)
    stored, affine = np.transpose(values, axes), RAS[:, [*axes, 3]].copy()
    for axis in flips:
        affine[:3, 3] += affine[:3, axis] * (stored.shape[axis] - 1)
        affine[:, axis] *= -1
        stored = np.flip(stored, axis)
    assert np.array_equal(canonical(stored, affine_ras=affine).values, expected.values)


def test_canonical_axes_point_right_front_and_head() -> None:
    """Column 0 of a DICOM axial slice is the patient's right: the HIGH x index of the canonical volume."""
    values = np.zeros((4, 3, 2))
    values[0, 0, 0] = 1
    assert np.argwhere(canonical(values, affine_ras=RAS).values).tolist() == [[3, 2, 0]]


def test_foreground_is_tissue_also_under_a_strong_coil_bias() -> None:
    """Otsu on logarithms splits air from tissue where the coil dims one leg to a quarter."""
    volume = two_thighs()
    fall = np.linspace(0, np.log(4), volume.image.shape[0])[:, None, None]
    found = foreground((volume.image * np.exp(-fall)).astype(np.float32))
    truth = volume.labels > 0
    assert 2 * (found & truth).sum() / (found.sum() + truth.sum()) > 0.93


def test_left_thigh_is_mirrored_and_right_is_not() -> None:
    """In both inputs the outer muscle (class 1) lies at the high columns, the inner (2) at the low ones, front rows up."""
    volume = two_thighs()
    magnitude = canonical(volume.image, affine_ras=RAS)
    outer = canonical((volume.labels // 10 == 710).astype(np.uint8), affine_ras=RAS).values.astype(np.uint8)
    inner = canonical((volume.labels // 10 == 715).astype(np.uint8), affine_ras=RAS).values.astype(np.uint8)
    for grid in thigh_grids(foreground(magnitude.values)):
        classes = thigh_classes(outer + 2 * inner, magnitude, grid, image=IMAGE)
        columns = [np.nonzero(classes == c)[2].mean() for c in (1, 2)]
        assert columns[0] > 15.5 > columns[1]
    assert {g.side for g in thigh_grids(foreground(magnitude.values))} == {Side.LEFT, Side.RIGHT}


def test_left_half_is_the_patients_left() -> None:
    """The grid called LEFT takes the tissue at low canonical x (nibabel's RAS+: x grows to the right)."""
    values = canonical(two_thighs().labels % 10, affine_ras=RAS).values
    left, right = thigh_grids(values > 0)
    assert set(np.unique(values[slice(*left.half)])) == {0, Side.LEFT.value}
    assert set(np.unique(values[slice(*right.half)])) == {0, Side.RIGHT.value}


def test_image_and_classes_share_one_grid() -> None:
    """Where the class map says muscle, the image is bright; a shift of one pixel would show."""
    volume = two_thighs()
    magnitude = canonical(volume.image, affine_ras=RAS)
    tissue = canonical((volume.labels > 0).astype(np.uint8), affine_ras=RAS).values.astype(np.uint8)
    for grid in thigh_grids(foreground(magnitude.values)):
        image = thigh_images(magnitude, grid, image=IMAGE)
        truth = thigh_classes(tissue, magnitude, grid, image=IMAGE) > 0
        bright = image > (image.min() + np.percentile(image[truth], 10)) / 2
        overlaps = {
            (dy, dx): np.mean(np.roll(bright, (dy, dx), axis=(1, 2)) == truth) for dy in (-1, 0, 1) for dx in (-1, 0, 1)
        }
        assert max(overlaps, key=overlaps.__getitem__) == (0, 0)
        rows, columns = (np.nonzero(truth)[axis].mean() for axis in (1, 2))
        assert abs(rows - 15.5) < 0.6
        assert abs(columns - 15.5) < 0.6


def test_known_size_has_the_right_number_of_pixels() -> None:
    """A disc of radius 54 mm at 5 mm spacing covers pi 54^2 / 25 pixels: the in-plane scale is right."""
    volume = two_thighs()
    magnitude = canonical(volume.image, affine_ras=RAS)
    tissue = canonical((volume.labels > 0).astype(np.uint8), affine_ras=RAS).values.astype(np.uint8)
    for grid in thigh_grids(foreground(magnitude.values)):
        classes = thigh_classes(tissue, magnitude, grid, image=IMAGE)
        assert classes.sum() / classes.shape[0] == pytest.approx(np.pi * 54**2 / 25, rel=0.03)


def test_gain_of_the_scanner_does_not_reach_the_network() -> None:
    """Standardised over the tissue of each slice: any gain gives the same input, tissue lies near 0 and air far below."""
    volume = two_thighs()
    inputs = []
    for gain in (1.0, 1000.0):
        magnitude = canonical(volume.image * gain, affine_ras=RAS)
        inputs.append(thigh_images(magnitude, thigh_grids(foreground(magnitude.values))[0], image=IMAGE))
    assert np.allclose(inputs[0], inputs[1], atol=1e-3)
    assert inputs[0].dtype == np.float32
    assert abs(float(inputs[0][0, 9:23, 9:23].mean())) < 1
    assert inputs[0][0, 0].max() < -1.5
    assert inputs[0].min() >= -5


def test_size_may_differ_between_rows_and_columns() -> None:
    """size_px is rows, columns."""
    magnitude = canonical(two_thighs().image, affine_ras=RAS)
    grid = thigh_grids(foreground(magnitude.values))[1]
    image = InputImage(kind="in-phase-magnitude", spacing_mm=5.0, size_px=(16, 24))
    assert thigh_images(magnitude, grid, image=image).shape == (2, 16, 24)


@pytest.mark.parametrize(
    ("values", "affine", "code"),
    [
        (np.zeros((0, 4, 4)), RAS, "IMAGE_NOT_3D"),
        (np.zeros((4, 4, 4)), np.diag([3.0, 0.0, 20.0, 1.0]), "IMAGE_WITHOUT_GEOMETRY"),
        (np.zeros((4, 4, 4)), np.diag([3.0, np.nan, 20.0, 1.0]), "IMAGE_WITHOUT_GEOMETRY"),
    ],
    ids=["no voxel", "flat", "no number"],
)
def test_damaged_header_is_refused_before_anything_is_computed(
    values: np.ndarray, affine: np.ndarray, code: str
) -> None:
    """What would end in a division by zero is a code of its subject."""
    with pytest.raises(MyofedError) as refusal:
        canonical(values, affine_ras=affine)
    assert refusal.value.code == code


def test_constant_image_has_no_tissue() -> None:
    """Otsu's threshold needs two grey values: one alone is nowhere tissue."""
    assert not foreground(np.full((8, 8, 2), 7.0, np.float32)).any()
