"""Fat fraction of known shapes by every read-out, and a second reader whose hand is unsteady."""

from __future__ import annotations

import numpy as np
import pytest
from bench.learning_readouts import READ_OUTS, eroded, errors, fat_fraction, second_reader


def square() -> tuple[np.ndarray, np.ndarray]:
    """A muscle of 6 x 6 pixels with 10 % fat in a fascia one pixel wide with 80 %: 20 of its 36 pixels; outside 90 %."""
    fat = np.full((2, 10, 10), 90.0, np.float32)
    fat[:, 2:8, 2:8] = 80.0
    fat[:, 3:7, 3:7] = 10.0
    classes = np.zeros((2, 10, 10), np.int64)
    classes[:, 2:8, 2:8] = 1
    return fat, classes


@pytest.mark.parametrize(
    ("read_out", "percent"),
    [("mean", (20 * 80 + 16 * 10) / 36), ("mean_eroded", 10.0), ("median", 80.0), ("median_eroded", 10.0)],
)
def test_read_outs_of_a_square_in_its_fascia(read_out: str, percent: float) -> None:
    """By hand: erosion takes the fascia away, slice by slice."""
    fat, classes = square()
    assert fat_fraction(fat, classes == 1, read_out=read_out) == pytest.approx(percent)


def test_erosion_is_within_the_slice_and_by_four_neighbours() -> None:
    """A single slice keeps its middle; of a cross the centre stays."""
    cross = np.zeros((1, 3, 3), bool)
    cross[0, 1, :] = cross[0, :, 1] = True
    assert np.argwhere(eroded(cross)).tolist() == [[0, 1, 1]]


def test_pixels_without_tissue_do_not_count_and_nothing_left_is_nan() -> None:
    """A bone pixel inside the region; a region one pixel wide has no eroded part."""
    fat, classes = square()
    fat[0, 4, 4] = np.nan
    assert fat_fraction(fat, classes == 1, read_out="mean_eroded") == pytest.approx(10.0)
    assert np.isnan(fat_fraction(fat, classes == 2, read_out="mean"))
    line = np.zeros_like(classes, bool)
    line[:, 5, :] = True
    assert np.isnan(fat_fraction(fat, line, read_out="mean_eroded"))


def test_a_shifted_mask_has_the_fascia_inside_after_erosion() -> None:
    """Two pixels to the side: half of the eroded mask is fascia and fat, the truth's none, so that erosion makes the error larger."""
    fat, classes = square()
    found = errors(fat, np.roll(classes, 2, axis=2), classes, regions=[(1,), (1, 2)])
    assert set(found) == set(READ_OUTS)
    assert found["mean_eroded"].tolist() == pytest.approx([(4 * 80 + 4 * 90 + 8 * 10) / 16 - 10.0] * 2)
    assert found["mean"][0] == pytest.approx((12 * 80 + 12 * 90 + 12 * 10) / 36 - (20 * 80 + 16 * 10) / 36)
    assert abs(found["mean_eroded"][0]) > abs(found["mean"][0])


def test_the_truth_itself_has_no_error() -> None:
    """By every read-out; a region of two muscles that lie side by side is one."""
    fat, classes = square()
    classes[:, 2:8, 5:8] = 2
    for row in errors(fat, classes, classes, regions=[(1,), (2,), (1, 2)]).values():
        assert row.tolist() == [0.0, 0.0, 0.0]
    assert fat_fraction(fat, np.isin(classes, (1, 2)), read_out="mean_eroded") == pytest.approx(10.0)


def test_second_reader_draws_nearly_the_same_again() -> None:
    """Half a pixel's wandering leaves a Dice above 0.9, invents no class, and the same hand draws the same."""
    classes = np.zeros((3, 80, 80), np.int64)
    classes[:, 20:50, 20:40] = 1
    classes[:, 20:50, 40:60] = 2
    drawn = second_reader(classes, np.random.default_rng(1))
    assert set(np.unique(drawn)) == {0, 1, 2}
    both, either = ((drawn == 1) & (classes == 1)).sum(), (drawn == 1).sum() + (classes == 1).sum()
    assert 0.9 < 2 * both / either < 1.0
    assert (second_reader(classes, np.random.default_rng(1)) == drawn).all()
    assert (second_reader(classes, np.random.default_rng(2)) != drawn).any()
