"""The only input of the converter."""

from __future__ import annotations

from pathlib import Path

import pytest
from mids_factories import Kind, classic, write_deidentified, write_report_file
from side_record_factories import name_side_records, write_side_records

from myofed_node.mids.dicom_input.source import SourceFile, file_content, open_source
from myofed_schemas.deid import PAGE_NAME, REPORT_NAME, DeidentificationReport
from myofed_schemas.errors import MyofedError
from myofed_schemas.side_record import SIDE_RECORD_NAME


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_deidentified(tmp_path / "clean", classic())


def files_of(folder: Path) -> tuple[SourceFile, ...]:
    with open_source(folder) as source:
        return tuple(file for study in source.sessions() for files in source.session(study).values() for file in files)


def refused(folder: Path) -> str:
    with pytest.raises(MyofedError) as refusal:
        files_of(folder)
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
    assert len(files_of(folder)) == 6
    (next(folder.rglob("*.dcm")).parent / PAGE_NAME).write_text("<html>")
    assert refused(folder) == "DEID_FILE_EXTRA"


def test_missing_file_is_refused(folder: Path) -> None:
    """Nobody takes a slice away."""
    next(folder.rglob("*.dcm")).unlink()
    assert refused(folder) == "DEID_FILE_MISSING"


def test_changed_file_is_refused_when_it_is_read(folder: Path) -> None:
    """One changed byte is another file than the one that was verified."""
    (file, *_) = files_of(folder)
    content = bytearray(file.path.read_bytes())
    content[-1] ^= 1
    file.path.write_bytes(bytes(content))
    with pytest.raises(MyofedError) as refusal:
        file_content(file)
    assert refusal.value.code == "DEID_FILE_CHANGED"


@pytest.mark.parametrize(
    "change",
    [
        (b'"number":2', b'"number":3'),
        (b'"received": 6', b'"received": 7'),
        (b"\n ]\n}", b"\n ]"),
        (b"\n ]\n}", b"\n ]\n} "),
        (b' "files": [', b' "file": ['),
        (b'"checks":1}', b'"checks":0}'),
    ],
)
def test_report_whose_lines_or_counts_do_not_fit_is_refused(folder: Path, change: tuple[bytes, bytes]) -> None:
    """Every input once, in order, and the counts are theirs; a space at the end is nobody's harm."""
    path = folder / REPORT_NAME
    content = path.read_bytes()
    assert change[0] in content
    path.write_bytes(content.replace(*change))
    if change[1].endswith(b"} "):
        assert len(files_of(folder)) == 6
    else:
        assert refused(folder) == "DEID_REPORT_INVALID"


def test_two_inputs_of_one_output_are_one_file(folder: Path) -> None:
    """DUPLICATE_IDENTICAL: the report names the output twice, with one digest."""
    report = DeidentificationReport.model_validate_json((folder / REPORT_NAME).read_bytes())
    again = report.files[0].model_copy(update={"number": 7})
    update = {"received": 7, "deidentified": 7, "files": (*report.files, again)}
    write_report_file(folder, report.model_copy(update=update))
    assert len(files_of(folder)) == 6
    other = again.model_copy(update={"output_sha256": "5" * 64})
    write_report_file(folder, report.model_copy(update=update | {"files": (*report.files, other)}))
    assert refused(folder) == "DEID_REPORT_INVALID"


def test_sessions_come_one_at_a_time_with_their_series(tmp_path: Path) -> None:
    """Grouped by the folders that de-identification made, sorted; sizes and numbers are told for the plan of work."""
    files = [*classic(), *classic(Kind(series=2)), *classic(Kind(study=2))]
    with open_source(write_deidentified(tmp_path / "clean", files)) as source:
        sessions = source.sessions()
        assert len(sessions) == 2
        assert sorted(len(source.session(one)) for one in sessions) == [1, 2]
        assert (source.series_count(), source.files) == (3, 18)
        assert source.content_bytes == sum(path.stat().st_size for path in (tmp_path / "clean").rglob("*.dcm"))


def test_side_record_that_the_report_names_tells_numbers_of_each_file(folder: Path) -> None:
    """A file of ours like the images: it is no extra file, and its numbers stand beside the files they are of."""
    write_side_records(folder, {"alTE": (2460.0, 4920.0)})
    files = files_of(folder)
    assert [file.numbers for file in files] == [{"alTE": (2460.0, 4920.0)}] * 6
    assert [file.path.suffix for file in files] == [".dcm"] * 6


def test_series_without_a_side_record_tells_no_numbers(folder: Path) -> None:
    """Most vendors have none."""
    files = files_of(folder)
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
