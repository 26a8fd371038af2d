"""Reading DICOM headers into frames and facts."""

from __future__ import annotations

from io import BytesIO

import pydicom
import pytest
from mids_factories import Kind, classic, enhanced, position_lps
from pydicom import Dataset
from pydicom.filewriter import dcmwrite

from myofed_node.mids.dicom_input.frames import Vendor
from myofed_node.mids.dicom_input.headers import read_series
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


def test_no_file_is_no_series() -> None:
    """Nothing to convert is said, not passed over."""
    with pytest.raises(SeriesRefusedError) as refusal:
        read_series([])
    assert refusal.value.code == "NO_FRAMES"


def test_number_of_rows_that_is_not_whole_is_refused() -> None:
    """Half a row is damage."""
    damaged = classic()
    damaged[0].add_new(0x00180091, "DS", "1.5")
    with pytest.raises(SeriesRefusedError) as refusal:
        read_series(damaged)
    assert refusal.value.code == "HEADER_INVALID"


@pytest.mark.parametrize("keyword", ["ImageOrientationPatient", "PixelSpacing", "Rows", "Columns"])
def test_missing_plane_is_refused(keyword: str) -> None:
    """A grid without spacing, orientation or size is none."""
    with pytest.raises(SeriesRefusedError) as refusal:
        read_series(classic(Kind(extra={keyword: None})))
    assert refusal.value.code == "GEOMETRY_MISSING"


def read_back(datasets: list[Dataset]) -> list[Dataset]:
    """As they come from files, elements not decoded yet."""
    made = []
    for dataset in datasets:
        stream = BytesIO()
        dcmwrite(stream, dataset, enforce_file_format=True)
        stream.seek(0)
        made.append(pydicom.dcmread(stream, stop_before_pixels=True))
    return made


def test_files_that_say_the_same_are_understood_once_and_alike() -> None:
    """Reading one by one gives what reading together gives, whether elements are decoded already or not."""
    files = classic(Kind(slices=4, extra={"Manufacturer": "Philips"}))
    for number, dataset in enumerate(files):
        dataset.RescaleSlope, dataset.RescaleIntercept = str(1 + number // 3), "0"
        dataset.private_block(0x2005, "Philips MR Imaging DD 001", create=True).add_new(0x0E, "FL", 1.0 + number // 2)
        region = Dataset()
        region.CodeValue, region.CodingSchemeDesignator, region.CodeMeaning = f"T-{number // 4}", "SRT", "Thigh"
        dataset.AnatomicRegionSequence = [region]
    raw = read_back(files)
    together = read_series(iter(raw)).frames
    alone = [read_series([dataset]).frames[0] for dataset in read_back(files)]
    assert [frame.plane for frame in together] == [frame.plane for frame in alone]
    assert [frame.mapping for frame in together] == [frame.mapping for frame in alone]
    assert [frame.echo_time_ms for frame in together] == [frame.echo_time_ms for frame in alone]
    assert [frame.file for frame in together] == list(range(8))
    assert read_series(raw) == read_series(files)


def test_echo_time_of_a_classic_file_is_echo_time() -> None:
    """United Imaging writes an echo spacing into EffectiveEchoTime of classic images."""
    frames = read_series(classic(Kind(extra={"EffectiveEchoTime": 0.315}))).frames
    assert {frame.echo_time_ms for frame in frames} == {2.3, 4.6}


def test_shared_groups_without_frames_of_their_own_are_one_frame() -> None:
    """A single-frame object may have shared functional groups only."""
    dataset = enhanced(Kind(slices=1, echo_times_ms=(2.3,)))
    shared, own = dataset.SharedFunctionalGroupsSequence[0], dataset.PerFrameFunctionalGroupsSequence[0]
    shared.PlanePositionSequence, shared.MREchoSequence = own.PlanePositionSequence, own.MREchoSequence
    del dataset.PerFrameFunctionalGroupsSequence
    (frame,) = read_series([dataset]).frames
    assert frame.echo_time_ms == 2.3


def test_facts_that_differ_between_frames_of_one_object_are_named() -> None:
    """Not only the first frame is asked."""
    dataset = enhanced()
    timing = Dataset()
    timing.RepetitionTime, timing.FlipAngle = "100", "30"
    dataset.PerFrameFunctionalGroupsSequence[3].MRTimingAndRelatedParametersSequence = [timing]
    assert "flip_angle_degrees" in read_series([dataset]).varying


def mapped(unit: str, scheme: str = "UCUM", slope: float | None = 0.5) -> Dataset:
    units, mapping = Dataset(), Dataset()
    units.CodeValue, units.CodingSchemeDesignator, units.CodeMeaning = unit, scheme, unit
    mapping.MeasurementUnitsCodeSequence = [units]
    if slope is not None:
        mapping.RealWorldValueSlope, mapping.RealWorldValueIntercept = slope, 1.0
    return mapping


@pytest.mark.parametrize(
    ("mappings", "unit"),
    [
        ([mapped("ms")], "ms"),
        ([mapped("ms"), mapped("ms")], "ms"),
        ([mapped("ms"), mapped("s")], None),
        ([mapped("ms", "99X")], None),
        ([mapped("ms", slope=None)], None),
        ([Dataset()], None),
    ],
)
def test_real_world_value_counts_where_it_is_one_and_linear(mappings: list[Dataset], unit: str | None) -> None:
    """Several meanings, a local unit and a table are none."""
    found = {
        f.mapping.real_world
        for f in read_series(classic(Kind(extra={"RealWorldValueMappingSequence": mappings}))).frames
    }
    assert {world and world.unit for world in found} == {unit}


def test_names_of_a_series_are_those_of_all_its_files() -> None:
    """Two protocol names are none; they are for the site's file only."""
    files = classic(Kind(extra={"ProtocolName": "thigh", "SeriesDescription": "t1"}))
    assert (read_series(files).protocol_name, read_series(files).description) == ("thigh", "t1")
    files[0].ProtocolName = "calf"
    assert (read_series(files).protocol_name, read_series(files).description) == ("", "")


@pytest.mark.parametrize(
    ("manufacturer", "vendor"),
    [
        ("CANON_MEC", Vendor.CANON),
        ("TOSHIBA", Vendor.CANON),
        ("UIH", Vendor.UNITED_IMAGING),
        ("United Imaging Healthcare", Vendor.UNITED_IMAGING),
        ("Siemens Healthineers", Vendor.SIEMENS),
        ("Philips", Vendor.PHILIPS),
        ("GE MEDICAL SYSTEMS", Vendor.GE),
        ("Esaote", Vendor.OTHER),
        ("", Vendor.OTHER),
    ],
)
def test_vendor_is_told_by_how_manufacturer_begins(manufacturer: str, vendor: Vendor) -> None:
    """Sites and versions spell it in many ways."""
    assert read_series(classic(Kind(extra={"Manufacturer": manufacturer}))).acquisition.vendor is vendor


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
