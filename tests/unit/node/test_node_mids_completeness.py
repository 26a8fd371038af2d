"""Slices missing at the edge: what headers prove, and what they do not."""

from __future__ import annotations

import pytest
from mids_factories import Kind, classic, enhanced
from pydicom import Dataset

from myofed_node.mids.dicom_input.headers import read_series
from myofed_node.mids.judging.completeness import refuse_incomplete
from myofed_node.mids.refusal import SeriesRefusedError

PHILIPS = {"Manufacturer": "Philips Medical Systems"}


def refused(*files: Dataset) -> bool:
    """Whether the series is quarantined as incomplete; any other refusal fails the test."""
    try:
        refuse_incomplete(read_series(files))
    except SeriesRefusedError as refusal:
        if (refusal.code, refusal.outcome) != ("SERIES_INCOMPLETE_BY_HEADER", "quarantined"):
            raise
        return True
    return False


def stacked(first: int = 1, *, slices: int = 3, ids: tuple[str, ...] = ("1",)) -> Dataset:
    """An Enhanced object whose frames count their slices from `first`; two echoes."""
    dataset = enhanced(Kind(slices=slices))
    for number, group in enumerate(dataset.PerFrameFunctionalGroupsSequence):
        content = Dataset()
        content.InStackPositionNumber, content.StackID = slices - 1 - number // 2 + first, ids[number % len(ids)]
        group.FrameContentSequence = [content]
    return dataset


def private(files: list[Dataset], group: int, creator: str, byte: int, number: int) -> list[Dataset]:
    for dataset in files:
        dataset.private_block(group, creator, create=True).add_new(byte, "SL", number)
    return files


@pytest.mark.parametrize(("frames", "missing"), [(6, False), (8, True), (4, True)])
def test_number_of_frames_must_be_that_of_the_functional_groups(frames: int, missing: bool) -> None:
    """The object says how many frames it has, and describes each."""
    dataset = enhanced()
    dataset.NumberOfFrames = frames
    assert refused(dataset) is missing


def test_classic_object_that_says_several_frames_is_refused() -> None:
    """Only one of them is described."""
    files = classic(Kind(extra={"NumberOfFrames": "2"}))
    assert refused(*files)


@pytest.mark.parametrize(("there", "total", "missing"), [(2, 2, False), (2, 3, True), (1, 3, True)])
def test_parts_of_a_concatenation_must_all_be_there(there: int, total: int, missing: bool) -> None:
    """PS3.3 C.7.6.16.1: each part says how many there are."""
    parts = [enhanced() for _ in range(there)]
    for number, part in enumerate(parts, start=1):
        part.ConcatenationUID, part.InConcatenationNumber, part.InConcatenationTotalNumber = "2.25.7", number, total
    assert refused(*parts) is missing


def test_number_of_the_last_part_counts_where_the_total_is_not_said() -> None:
    """InConcatenationTotalNumber may be absent; part 3 without part 1 is a loss all the same."""
    part = enhanced()
    part.ConcatenationUID, part.InConcatenationNumber = "2.25.7", 3
    assert refused(part)


@pytest.mark.parametrize(("first", "missing"), [(1, False), (2, True), (5, True)])
def test_slice_numbers_that_do_not_begin_with_one_prove_a_loss(first: int, missing: bool) -> None:
    """InStackPositionNumber counts from 1 in the order of the slices."""
    assert refused(stacked(first)) is missing


def test_slice_numbers_in_falling_order_count_too() -> None:
    """A stack may be counted from either end."""
    dataset = stacked()
    for group in dataset.PerFrameFunctionalGroupsSequence:
        content = group.FrameContentSequence[0]
        content.InStackPositionNumber = 5 - content.InStackPositionNumber
    assert refused(dataset)


def test_slice_numbers_that_follow_no_order_in_space_prove_nothing() -> None:
    """Old Philips objects count echo by echo: odd is not missing."""
    dataset = stacked()
    for number, group in enumerate(dataset.PerFrameFunctionalGroupsSequence, start=10):
        group.FrameContentSequence[0].InStackPositionNumber = (number * 7) % 31
    assert not refused(dataset)
    for number, group in enumerate(dataset.PerFrameFunctionalGroupsSequence):
        group.FrameContentSequence[0].InStackPositionNumber = 5 + number % 2
    assert not refused(dataset)


def test_slice_numbers_of_several_stacks_orientations_or_some_frames_prove_nothing() -> None:
    """They are no count of one stack."""
    assert not refused(stacked(3, ids=("1", "2")))
    partly = stacked(3)
    del partly.PerFrameFunctionalGroupsSequence[0].FrameContentSequence
    assert not refused(partly)
    tilted = stacked(3)
    for number, group in enumerate(tilted.PerFrameFunctionalGroupsSequence):
        item = Dataset()
        item.ImageOrientationPatient = [1, 0, 0, 0, 1, 0] if number % 2 else [0, 1, 0, 0, 0, 1]
        group.PlaneOrientationSequence = [item]
    assert not refused(tilted)


@pytest.mark.parametrize(("stated", "missing"), [(3, False), (2, False), (4, True), (48, True)])
def test_fewer_slices_than_philips_says_are_a_loss(stated: int, missing: bool) -> None:
    """(2001,xx18) is the number of slices; more may be several stacks."""
    files = private(classic(Kind(extra=PHILIPS)), 0x2001, "Philips Imaging DD 001", 0x18, stated)
    assert refused(*files) is missing


def test_count_that_differs_between_files_proves_nothing() -> None:
    """Philips writes one number into every file of a series; two are no count of it."""
    files = private(classic(Kind(extra=PHILIPS)), 0x2001, "Philips Imaging DD 001", 0x18, 40)
    private(files[:1], 0x2001, "Philips Imaging DD 001", 0x18, 41)
    files[0][0x2001, 0x1018].value = 41
    assert not refused(*files)


@pytest.mark.parametrize(("stated", "missing"), [(6, False), (3, False), (7, True), (8, True), (12, False), (2, False)])
def test_images_in_acquisition_of_a_2d_series(stated: int, missing: bool) -> None:
    """Three slices, two echoes: 7 or 8 images are no whole number of volumes of 3, 12 may lie in two series."""
    files = classic(Kind(extra={"ImagesInAcquisition": str(stated)}))
    assert refused(*files) is missing


def test_images_in_acquisition_of_a_slab_prove_nothing() -> None:
    """Scanners leave out the outer slices of a slab and interpolate others."""
    assert not refused(*classic(Kind(extra={"ImagesInAcquisition": "8", "MRAcquisitionType": "3D"})))


def test_images_in_series_of_ge() -> None:
    """(0025,xx07) of GEMS_SERS_01."""
    assert refused(*private(classic(), 0x0025, "GEMS_SERS_01", 0x07, 8))
    assert not refused(*private(classic(), 0x0025, "GEMS_SERS_01", 0x07, 6))
    assert not refused(*private(classic(), 0x0025, "GEMS_SERS_01", 0x07, 0))
