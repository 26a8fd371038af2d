"""Frames in space."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mids_factories import Kind, affine_ras, classic

from myofed_node.mids.dicom_input.frames import Frame
from myofed_node.mids.dicom_input.headers import read_series
from myofed_node.mids.geometry import stack
from myofed_node.mids.refusal import SeriesRefusedError

PLAIN = Kind()


def frames_of(kind: Kind = PLAIN) -> list[Frame]:
    return list(read_series(classic(kind)).frames)


def refused(frames: list[Frame]) -> str:
    with pytest.raises(SeriesRefusedError) as refusal:
        stack(frames, spacing_between_slices_mm=None)
    return refusal.value.code


def moved(frame: Frame, offset_lps: tuple[float, float, float]) -> Frame:
    position = tuple(np.add(frame.plane.position_lps, offset_lps))
    return replace(frame, plane=replace(frame.plane, position_lps=position))


def test_missing_slice_is_refused() -> None:
    """A gap in the positions is never bridged."""
    frames = frames_of(Kind(slices=4))
    middle = sorted({f.plane.position_lps for f in frames})[1]
    assert refused([f for f in frames if f.plane.position_lps != middle]) == "SLICES_UNEVEN"


def test_missing_echo_at_one_position_is_refused() -> None:
    """Every echo stands at every position."""
    assert refused(frames_of()[1:]) == "POSITION_ECHO_INCOMPLETE"


def test_duplicate_slice_is_refused() -> None:
    """Every position has each echo once."""
    frames = frames_of()
    assert refused([*frames, frames[0]]) == "REPEATED_POSITIONS"


def test_repeats_with_one_echo_time_are_refused() -> None:
    """GE research multi-echo writes one EchoTime for all echoes: positions times repeats is no image."""
    assert refused(frames_of(Kind(echo_times_ms=(2.3, 2.3, 2.3)))) == "REPEATED_POSITIONS"


def test_frames_without_echo_time_among_others_are_refused() -> None:
    """Half a list of echo times is none."""
    frames = frames_of()
    assert refused([replace(frames[0], echo_time_ms=None), *frames[1:]]) == "ECHO_TIME_MISSING"


def test_slices_that_leave_the_normal_are_refused() -> None:
    """A sheared stack has no rigid qform and is not resampled."""
    frames = [moved(f, (5.0, 0.0, 0.0)) if f.plane.position_lps[2] > 101 else f for f in frames_of()]
    assert refused(frames) in {"SLICES_SHEARED", "SLICES_UNEVEN"}


def test_two_orientations_are_refused() -> None:
    """One image has one orientation."""
    frames = frames_of()
    other = replace(frames[0], plane=replace(frames[0].plane, orientation_lps=(1, 0, 0, 0, 1, 0)))
    assert refused([other, *frames[1:]]) == "SEVERAL_ORIENTATIONS"


def test_two_pixel_spacings_are_refused() -> None:
    """One image has one grid."""
    frames = frames_of()
    other = replace(frames[0], plane=replace(frames[0].plane, pixel_spacing_mm=(9.0, 9.0)))
    assert refused([other, *frames[1:]]) == "SEVERAL_GRIDS"


def test_direction_cosines_that_are_none_are_refused() -> None:
    """Vectors that are not orthogonal unit vectors give no geometry."""
    frames = [replace(f, plane=replace(f.plane, orientation_lps=(1, 0, 0, 1, 0, 0))) for f in frames_of()]
    assert refused(frames) == "ORIENTATION_INVALID"


def test_single_slice_without_any_thickness_is_refused() -> None:
    """The third axis needs a length."""
    assert refused(frames_of(Kind(slices=1, extra={"SliceThickness": None}))) == "GEOMETRY_MISSING"


def test_single_slice_takes_its_spacing_from_the_header() -> None:
    """SpacingBetweenSlices goes before SliceThickness."""
    made = stack(frames_of(Kind(slices=1)), spacing_between_slices_mm=7.0)
    assert np.linalg.norm(made.affine_ras[:3, 2]) == pytest.approx(7.0)


@settings(max_examples=20, deadline=None)
@given(order=st.permutations(range(6)))
def test_order_of_files_never_matters(order: list[int]) -> None:
    """Any order of the frames gives the same stack, with the truth as affine: nothing is mirrored."""
    frames = frames_of()
    made = stack([frames[n] for n in order], spacing_between_slices_mm=None)
    assert np.allclose(made.affine_ras, affine_ras(), atol=1e-4)
    assert made.echo_times_ms == (2.3, 4.6)
    assert made.frames == stack(frames, spacing_between_slices_mm=None).frames


@pytest.mark.parametrize("spacing_mm", [-6.0, 6.0])
def test_single_slice_grows_along_the_normal_whatever_sign_its_spacing_has(spacing_mm: float) -> None:
    """A negative SpacingBetweenSlices must not mirror the image."""
    made = stack(frames_of(Kind(slices=1, echo_times_ms=(2.3,))), spacing_between_slices_mm=spacing_mm)
    assert np.allclose(made.affine_ras, affine_ras(), atol=1e-6)
    assert np.linalg.det(made.affine_ras[:3, :3]) > 0


def test_rows_and_columns_that_change_places_keep_every_voxel_in_space() -> None:
    """A stack whose row direction is another's column direction: the third axis turns, and no voxel moves."""
    frames = frames_of(Kind(echo_times_ms=(2.3,)))
    swapped = [
        replace(
            frame,
            plane=replace(
                frame.plane,
                orientation_lps=(*frame.plane.orientation_lps[3:], *frame.plane.orientation_lps[:3]),
                pixel_spacing_mm=frame.plane.pixel_spacing_mm[::-1],
                shape=frame.plane.shape[::-1],
            ),
        )
        for frame in frames
    ]
    one, other = (stack(some, spacing_between_slices_mm=None) for some in (frames, swapped))
    columns, rows, slices = 5, 4, 3
    for i, j, k in ((0, 0, 0), (columns - 1, 0, 1), (1, rows - 1, 2)):
        there = one.affine_ras @ [i, j, k, 1]
        assert np.allclose(there, other.affine_ras @ [j, i, slices - 1 - k, 1], atol=1e-6)
    assert np.sign(np.linalg.det(one.affine_ras)) == np.sign(np.linalg.det(other.affine_ras))
