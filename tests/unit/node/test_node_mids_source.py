"""The only input of the converter."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
from mids_factories import Kind, classic, write_deidentified
from side_record_factories import name_side_records, write_side_records

from myofed_node.mids.refusal import SeriesRefusedError
from myofed_node.mids.source import SourceFile, headers, open_source, stored_pixels
from myofed_schemas.deid import PAGE_NAME, REPORT_NAME
from myofed_schemas.errors import MyofedError
from myofed_schemas.side_record import SIDE_RECORD_NAME


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_deidentified(tmp_path / "clean", classic())


def refused(folder: Path) -> str:
    with pytest.raises(MyofedError) as refusal:
        open_source(folder)
    assert str(folder) not in str(refusal.value)
    return refusal.value.code


def test_folder_without_a_report_is_refused(folder: Path) -> None:
    """PatientIdentityRemoved YES in the files alone proves nothing."""
    (folder / REPORT_NAME).unlink()
    assert refused(folder) == "DEID_REPORT_MISSING"


def test_report_of_another_form_is_refused(folder: Path) -> None:
    """A report that was edited by hand is none."""
    (folder / REPORT_NAME).write_text('{"files": []}')
    assert refused(folder) == "DEID_REPORT_INVALID"


def test_file_that_the_report_does_not_name_is_refused(folder: Path) -> None:
    """Nobody slips a file in."""
    (folder / "extra.dcm").write_bytes(b"DICM")
    assert refused(folder) == "DEID_FILE_EXTRA"


def test_page_of_the_report_is_no_extra_file(folder: Path) -> None:
    """`deidentify` writes it beside the report; only at the top is it ours."""
    (folder / PAGE_NAME).write_text("<html>")
    assert len(open_source(folder).series) == 1
    (next(folder.rglob("*.dcm")).parent / PAGE_NAME).write_text("<html>")
    assert refused(folder) == "DEID_FILE_EXTRA"


def test_missing_file_is_refused(folder: Path) -> None:
    """Nobody takes a slice away."""
    next(folder.rglob("*.dcm")).unlink()
    assert refused(folder) == "DEID_FILE_MISSING"


def test_changed_file_is_refused_when_it_is_read(folder: Path) -> None:
    """One changed byte is another file than the one that was verified."""
    files = next(iter(open_source(folder).series.values()))
    content = bytearray(files[0].path.read_bytes())
    content[-1] ^= 1
    files[0].path.write_bytes(bytes(content))
    with pytest.raises(MyofedError) as refusal:
        headers(files)
    assert refusal.value.code == "DEID_FILE_CHANGED"
    with pytest.raises(MyofedError) as refusal:
        list(stored_pixels(files))
    assert refusal.value.code == "DEID_FILE_CHANGED"


def test_pixels_that_cannot_be_decoded_are_refused(tmp_path: Path) -> None:
    """Too few bytes for the stated size quarantine the series."""
    files = classic(Kind(slices=1, echo_times_ms=(2.3,)))
    files[0].PixelData = b"\0\0"
    source = open_source(write_deidentified(tmp_path / "short", files))
    with pytest.raises(SeriesRefusedError) as refusal:
        list(stored_pixels(next(iter(source.series.values()))))
    assert refusal.value.code == "PIXELS_UNREADABLE"


def test_file_that_is_no_dicom_is_refused(tmp_path: Path) -> None:
    """Bytes that are not DICOM quarantine the series, even with a matching digest."""
    path = tmp_path / "x.dcm"
    path.write_bytes(b"not dicom")
    with pytest.raises(SeriesRefusedError) as refusal:
        headers((SourceFile(path, hashlib.sha256(b"not dicom").hexdigest()),))
    assert refusal.value.code == "HEADER_INVALID"


def test_both_ways_to_the_pixels_agree(folder: Path) -> None:
    """Decoded by pydicom and read from the bytes: the same numbers, one array a file."""
    files = next(iter(open_source(folder).series.values()))
    arrays = list(stored_pixels(files))
    assert len(arrays) == 6
    for decoded, raw in arrays:
        assert decoded.shape == (1, 4, 5)
        assert np.array_equal(decoded, raw)


def test_side_record_that_the_report_names_tells_numbers_of_each_file(folder: Path) -> None:
    """A file of ours like the images: it is no extra file, and its numbers stand beside the files they are of."""
    write_side_records(folder, {"alTE": (2460.0, 4920.0)})
    (files,) = open_source(folder).series.values()
    assert [file.numbers for file in files] == [{"alTE": (2460.0, 4920.0)}] * 6
    assert [file.path.suffix for file in files] == [".dcm"] * 6


def test_series_without_a_side_record_tells_no_numbers(folder: Path) -> None:
    """Most vendors have none."""
    (files,) = open_source(folder).series.values()
    assert [file.numbers for file in files] == [{}] * 6


def test_side_record_that_the_report_does_not_name_is_refused(folder: Path) -> None:
    """Nobody slips numbers in."""
    before = (folder / REPORT_NAME).read_bytes()
    write_side_records(folder, {"alTE": (1.0,)})
    (folder / REPORT_NAME).write_bytes(before)
    assert refused(folder) == "DEID_FILE_EXTRA"


def test_missing_side_record_is_refused(folder: Path) -> None:
    """Nobody takes numbers away."""
    write_side_records(folder, {"alTE": (1.0,)})
    next(folder.rglob(SIDE_RECORD_NAME)).unlink()
    assert refused(folder) == "DEID_FILE_MISSING"


def test_changed_side_record_is_refused(folder: Path) -> None:
    """One changed number is another record than the one that was written."""
    write_side_records(folder, {"alTE": (1.0,)})
    record = next(folder.rglob(SIDE_RECORD_NAME))
    record.write_bytes(record.read_bytes().replace(b"1.0", b"2.0"))
    assert refused(folder) == "DEID_FILE_CHANGED"


@pytest.mark.parametrize(
    "change", [(b"alTE", b"al TE"), (b'"series_instance_uid":"2.25.', b'"series_instance_uid":"2.25.9')]
)
def test_side_record_of_another_form_or_series_is_refused(folder: Path, change: tuple[bytes, bytes]) -> None:
    """Also when its digest stands in the report."""
    write_side_records(folder, {"alTE": (1.0,)})
    record = next(folder.rglob(SIDE_RECORD_NAME))
    record.write_bytes(record.read_bytes().replace(*change))
    name_side_records(folder)
    assert refused(folder) == "DEID_SIDE_RECORD_INVALID"
