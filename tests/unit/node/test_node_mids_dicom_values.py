"""16 bits and a factor, exactly or not at all."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from myofed_node.mids.back_to_dicom.dicom_values import StoredFrame, factor_of, stored_frames

RNG = np.random.default_rng(3)
STORED = RNG.integers(0, 4096, (3, 20, 30)).astype(np.float64)


def real(frame: StoredFrame) -> np.ndarray:
    """What a reader makes of it."""
    if frame.slope is None:
        return frame.pixels
    return (frame.pixels.astype(np.float64) * float(frame.slope)).astype(np.float32)


@pytest.mark.parametrize(
    "frames",
    [
        RNG.random((2, 20, 30), np.float32),
        (STORED * math.pi / 3000 - 1.2345).astype(np.float32),
        np.asarray([[[1.0, 65536.0]]], np.float32),
        np.asarray([[[-1.0, 32768.0]]], np.float32),
        np.asarray([[[0, 65536]]], np.int32),
        np.asarray([[[-1, 32768]]], np.int32),
        np.asarray([[[-32769, 0]]], np.int32),
        np.asarray([[[0.1, 0.3, 0.70001]]], np.float32),
    ],
)
def test_what_16_bits_cannot_hold_has_no_such_form(frames: np.ndarray) -> None:
    """Noise, a grid that zero is not on, more than 16 bits."""
    assert stored_frames(list(frames)) is None


def test_one_frame_without_a_factor_is_enough() -> None:
    """An image is stored in one way."""
    assert stored_frames([(STORED[0] * 0.25).astype(np.float32), RNG.random((20, 30), np.float32)]) is None


@pytest.mark.parametrize(
    ("frames", "dtype"),
    [
        (STORED.astype(np.int16), np.uint16),
        ((STORED - 2000).astype(np.int16), np.int16),
        (np.asarray([[[0, 65535]]], np.uint16), np.uint16),
        (np.asarray([[[-32768, 32767]]], np.int32), np.int16),
    ],
)
def test_integers_are_stored_as_they_are(frames: np.ndarray, dtype: type) -> None:
    """Without a factor; signed only where a value is negative."""
    stored = stored_frames(list(frames))
    assert stored is not None
    assert {(frame.slope, frame.pixels.dtype) for frame in stored} == {(None, np.dtype(dtype))}
    assert all(np.array_equal(real(one), frame) for one, frame in zip(stored, frames, strict=True))


@pytest.mark.parametrize(
    ("values", "slope"),
    [
        (STORED * 2 * math.pi / 4096 - math.pi, None),
        ((np.rint(STORED * 1.5) - 3071) / 1000, "0.001"),
        (STORED * 0.24272 - 0.24272 * 2047.5, "0.12136"),
        (STORED / float(np.float32(0.00437)), None),
        (STORED - 10, "1"),
        (STORED * 0, "1"),
        (STORED * 1e-30, "1e-30"),
    ],
)
def test_rescaled_integers_have_one_factor(values: np.ndarray, slope: str | None) -> None:
    """Phase in radians and milliradians, maps whose zero is on the grid or half a step off, Philips' scale slope."""
    frames = list(values.astype(np.float32))
    stored = stored_frames(frames)
    assert stored is not None
    assert len({frame.slope for frame in stored}) == 1
    assert slope in {None, stored[0].slope}
    assert all(np.array_equal(real(one), frame) for one, frame in zip(stored, frames, strict=True))


def test_slopes_that_differ_between_slices_are_found_by_slice() -> None:
    """As in Enhanced objects of Philips; a slice of zeros has any factor."""
    frames = [(STORED[k] * (0.3 + 0.0317 * k)).astype(np.float32) for k in range(3)] + [np.zeros((20, 30), np.float32)]
    stored = stored_frames(frames)
    assert stored is not None
    assert [frame.slope for frame in stored] == ["0.3", "0.3317", "0.3634", "1"]
    assert all(np.array_equal(real(one), frame) for one, frame in zip(stored, frames, strict=True))


def test_factor_that_only_its_own_24_bits_give_is_none() -> None:
    """Products of a float32 factor end exactly between two float32 values: no decimal string of 16 characters will do."""
    sizes = (np.arange(1, 121) * float(np.float32(0.37))).astype(np.float32).astype(np.float64)
    assert factor_of(sizes, signed=False) is None


@settings(max_examples=60, deadline=None)
@given(
    slope=st.floats(1e-6, 1e4, allow_subnormal=False),
    stored=st.lists(st.integers(-2048, 2047), min_size=1, max_size=60),
)
def test_whatever_is_given_is_exact(slope: float, stored: list[int]) -> None:
    """For any slope: every 12-bit image whose zero is on the grid gets a factor, and its product is every voxel."""
    frame = (np.asarray([stored], np.float64) * slope).astype(np.float32)
    found = stored_frames([frame])
    assert found is not None
    assert np.array_equal(real(found[0]), frame)
    assert len(found[0].slope or "") <= 16
