"""Reading DICOM headers into frames and facts."""

from __future__ import annotations

import pytest
from mids_factories import Kind, classic, enhanced, position_lps
from pydicom import Dataset

from myofed_node.mids.frames import Vendor
from myofed_node.mids.headers import read_series
from myofed_node.mids.refusal import SeriesRefusedError


def test_files_of_two_subjects_in_one_series_are_refused() -> None:
    """A series has one patient and one study, or nobody's image is made of it."""
    mixed = classic() + classic(Kind(patient="SUBJECTB"))
    with pytest.raises(SeriesRefusedError) as refusal:
        read_series(mixed)
    assert refusal.value.code == "SEVERAL_SUBJECTS"


def test_missing_position_is_refused() -> None:
    """Without ImagePositionPatient there is no geometry, and none is made up."""
    with pytest.raises(SeriesRefusedError) as refusal:
        read_series(classic(Kind(extra={"ImagePositionPatient": None})))
    assert refusal.value.code == "GEOMETRY_MISSING"


def test_number_that_is_no_number_is_refused() -> None:
    """A damaged numeric element quarantines its series instead of stopping the run."""
    damaged = classic()
    damaged[0].add_new(0x00180080, "LO", "fast")
    with pytest.raises(SeriesRefusedError) as refusal:
        read_series(damaged)
    assert refusal.value.code == "HEADER_INVALID"
    assert "fast" not in str(refusal.value)


def test_classic_files_become_one_frame_each() -> None:
    """Echo time, position and type are the file's own."""
    series = read_series(classic())
    assert len(series.frames) == 6
    assert series.acquisition.vendor is Vendor.SIEMENS
    assert {frame.echo_time_ms for frame in series.frames} == {2.3, 4.6}
    assert series.frames[0].plane.position_lps == pytest.approx(tuple(position_lps(2)), abs=1e-6)


def test_private_position_never_replaces_the_standard_one() -> None:
    """Only PlanePositionSequence counts: Philips' private copy lies half a voxel off."""
    dataset = enhanced()
    for group in dataset.PerFrameFunctionalGroupsSequence:
        nested = Dataset()
        nested.ImagePositionPatient = ["0", "0", "0"]
        block = group.private_block(0x2005, "Philips MR Imaging DD 005", create=True)
        block.add_new(0x0F, "SQ", [nested])
    positions = {frame.plane.position_lps for frame in read_series([dataset]).frames}
    assert (0.0, 0.0, 0.0) not in positions


def test_philips_scale_slope_is_found_by_its_creator() -> None:
    """(2005,xx0E) counts only in the block of its private creator, wherever this block lies."""
    right, wrong = classic(Kind(extra={"Manufacturer": "Philips"})), classic(Kind(extra={"Manufacturer": "Philips"}))
    for dataset in right:
        dataset.private_block(0x2005, "Somebody Else", create=True).add_new(0x0E, "FL", 9.0)
        dataset.private_block(0x2005, "Philips MR Imaging DD 001", create=True).add_new(0x0E, "FL", 0.5)
    for dataset in wrong:
        dataset.private_block(0x2005, "Somebody Else", create=True).add_new(0x0E, "FL", 9.0)
    assert {f.mapping.philips_scale_slope for f in read_series(right).frames} == {0.5}
    assert {f.mapping.philips_scale_slope for f in read_series(wrong).frames} == {None}


def test_philips_scale_slope_of_a_frame_lies_in_its_private_sequence() -> None:
    """In an Enhanced object each frame has its own scale slope."""
    dataset = enhanced(Kind(extra={"Manufacturer": "Philips Medical Systems"}))
    for number, group in enumerate(dataset.PerFrameFunctionalGroupsSequence, start=1):
        nested = Dataset()
        nested.private_block(0x2005, "Philips MR Imaging DD 001", create=True).add_new(0x0E, "FL", float(number))
        group.private_block(0x2005, "Philips MR Imaging DD 005", create=True).add_new(0x0F, "SQ", [nested])
    slopes = [frame.mapping.philips_scale_slope for frame in read_series([dataset]).frames]
    assert slopes == [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]


def test_enhanced_frame_takes_shared_groups_where_it_has_none() -> None:
    """Per-frame groups go before shared ones, these before the top level."""
    series = read_series([enhanced()])
    assert series.acquisition.repetition_time_ms == 100.0
    assert series.acquisition.in_plane_phase_encoding_direction == "ROW"
    assert sorted({frame.mapping.slope for frame in series.frames}) == [1.0, 2.0, 3.0]


def test_facts_that_differ_between_files_are_named() -> None:
    """A changing flip angle is seen, so that the series can be refused."""
    files = classic()
    files[0].FlipAngle = "30"
    assert read_series(files).varying == ("flip_angle_degrees",)
