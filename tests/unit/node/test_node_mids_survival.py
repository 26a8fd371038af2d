"""What headers prove is proven after our de-identification too: an element that never survives proves nothing here."""

from __future__ import annotations

from pathlib import Path

import pydicom
import pytest
from mids_factories import NOW, Kind, classic, enhanced
from pydicom.filewriter import dcmwrite
from vendor_header_factories import CLASSIC, classic_kind, outcome

from myofed_anonymization.deidentify import deidentify
from myofed_anonymization.keys import SiteKeys
from myofed_anonymization.policy import default_policy
from myofed_node.mids.dicom_input.headers import read_series


@pytest.fixture(scope="module")
def after(tmp_path_factory: pytest.TempPathFactory) -> dict[int, str]:
    """Outcome of each row of the table from its de-identified files, by SeriesNumber."""
    root = tmp_path_factory.mktemp("survival")
    for number, row in enumerate(CLASSIC, start=1):
        for index, dataset in enumerate(classic(classic_kind(row, series=number, slices=2))):
            folder = root / "in" / str(number)
            folder.mkdir(parents=True, exist_ok=True)
            dataset.BitsStored, dataset.HighBit = 16, 15  # of twelve bits the factory's values would leave some over
            dcmwrite(folder / f"{index}.dcm", dataset, enforce_file_format=True)
    deidentify(root / "in", root / "out", keys=SiteKeys(b"s" * 32), policy=default_policy(), now=NOW)
    series: dict[int, list[pydicom.Dataset]] = {}
    for path in sorted((root / "out").rglob("*.dcm")):
        dataset = pydicom.dcmread(path, stop_before_pixels=True)
        series.setdefault(int(dataset.SeriesNumber), []).append(dataset)
    return {number: outcome(*files) for number, files in series.items()}


@pytest.mark.parametrize(("number", "row"), list(enumerate(CLASSIC, start=1)))
def test_outcome_is_the_same_after_de_identification(
    after: dict[int, str], number: int, row: tuple[object, ...]
) -> None:
    """Or, where a word cannot stay, a quarantine."""
    assert after[number] == row[-1]


def test_counts_by_which_completeness_is_judged_survive(tmp_path: Path) -> None:
    """Public and private ones, of classic and Enhanced objects."""
    files = classic(Kind(slices=1, echo_times_ms=(2.3,), extra={"ImagesInAcquisition": "48"}))
    files[0].private_block(0x2001, "Philips Imaging DD 001", create=True).add_new(0x18, "SL", 40)
    files[0].private_block(0x0025, "GEMS_SERS_01", create=True).add_new(0x07, "SL", 44)
    whole = enhanced(Kind(slices=2, series=2))
    whole.ConcatenationUID, whole.InConcatenationNumber, whole.InConcatenationTotalNumber = "1.2.3.4", 1, 3
    for number, group in enumerate(whole.PerFrameFunctionalGroupsSequence, start=1):
        content = pydicom.Dataset()
        content.StackID, content.InStackPositionNumber = "1", number
        group.FrameContentSequence = [content]
    (tmp_path / "in").mkdir()
    for index, dataset in enumerate([*files, whole]):
        dcmwrite(tmp_path / "in" / f"{index}.dcm", dataset, enforce_file_format=True)
    deidentify(tmp_path / "in", tmp_path / "out", keys=SiteKeys(b"s" * 32), policy=default_policy(), now=NOW)
    found = [pydicom.dcmread(path, stop_before_pixels=True) for path in sorted((tmp_path / "out").rglob("*.dcm"))]
    first, second = (read_series([dataset]) for dataset in sorted(found, key=lambda d: int(d.SeriesNumber)))
    told = first.stated[0]
    assert (told.images_in_acquisition, told.slices, told.images_in_series) == (48, 40, 44)
    told = second.stated[0]
    assert (told.frames, told.frames_described, bool(told.concatenation), told.concatenation_parts) == (4, 4, True, 3)
    assert [frame.stack_position for frame in second.frames] == [1, 2, 3, 4]
