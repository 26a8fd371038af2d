"""Where along the limb the slices lie."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from mids_factories import Kind, affine_ras, classic

from myofed_node.mids.dicom_input.headers import read_series
from myofed_node.mids.geometry import Stack, stack
from myofed_node.mids.judging.levels import anatomical_level
from myofed_node.mids.judging.overrides import Level
from myofed_node.mids.refusal import SeriesRefusedError

FRAMES = read_series(classic(Kind(echo_times_ms=(2.3,)))).frames
UID = "2.25.1"


def stacked(**plane: object) -> Stack:
    frames = [replace(frame, plane=replace(frame.plane, **plane)) for frame in FRAMES]  # type: ignore[arg-type]
    return stack(frames, spacing_between_slices_mm=None)


def test_slices_that_are_not_transversal_have_no_level() -> None:
    """Of a sagittal slice there is no one height along the limb."""
    frames = [
        replace(f, plane=replace(f.plane, position_lps=(6.0 * n, 0.0, 0.0), orientation_lps=(0, 1, 0, 0, 0, -1)))
        for n, f in enumerate(FRAMES)
    ]
    sagittal = stack(frames, spacing_between_slices_mm=None)
    with pytest.raises(SeriesRefusedError) as refusal:
        anatomical_level(Level(series_instance_uid=UID, landmark="knee joint", landmark_z_mm=0.0), sagittal)
    assert refusal.value.code == "OVERRIDE_CONTRADICTS_HEADERS"


def test_percent_and_distance_are_those_of_the_centre_of_each_slice() -> None:
    """The heights come from the affine of the truth; 0 is the proximal end, 100 the distal one, up is positive."""
    centre = [(affine_ras() @ [2.0, 1.5, k, 1.0])[2] for k in range(3)]
    level = Level(
        series_instance_uid=UID,
        bone="femur",
        proximal_z_mm=300.0,
        distal_z_mm=-100.0,
        landmark="femoral head",
        landmark_z_mm=310.0,
    )
    told = anatomical_level(level, stacked())
    assert (told.bone, told.landmark) == ("femur", "femoral head")
    assert np.allclose(told.percent_of_length or (), [(300.0 - z) / 4.0 for z in centre], atol=1e-3)
    assert np.allclose(told.distance_to_landmark_mm or (), [z - 310.0 for z in centre], atol=1e-3)
    assert np.all(np.diff(told.percent_of_length or ()) < 0)


def test_only_what_was_told_is_written() -> None:
    """A landmark alone gives no percent, a bone alone no distance."""
    bone = anatomical_level(Level(series_instance_uid=UID, bone="tibia", proximal_z_mm=1.0, distal_z_mm=0.0), stacked())
    knee = anatomical_level(Level(series_instance_uid=UID, landmark="knee joint", landmark_z_mm=0.0), stacked())
    assert bone.distance_to_landmark_mm is None
    assert knee.percent_of_length is None
