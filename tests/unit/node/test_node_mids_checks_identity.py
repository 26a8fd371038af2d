"""What is a date, an identifying key and a foreign UID, and what only looks like one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from myofed_node.mids.validation.validate import validate

DATES = [
    "20261122",
    "2026-11-22",
    "2026/11/22",
    "2026-11-22T10:15:30",
    "2026-11-22T10:15:30.123Z",
    "20261122101530",
    "20261122101530.250000+0100",
    "20261122 101530",
    "scanned on 2026-11-22, left leg",
    "22.11.2026",
    "22/11/2026",
    "11/22/2026",
    "22-11-2026",
    "22 Nov 2026",
    "22. November 2026",
    "Nov 22, 2026",
    "22-OKT-2026",
    "born 19610203",
    20261122,
]
NO_DATES = [
    "1.0.20260724",
    "2.25.202611221234567890123456789012345678",
    "a20261122f" + "0" * 54,
    "20261322",
    "20261100",
    "32.11.2026",
    "120.2026",
    "left leg, 3 of 12",
    "TE=12 TR=600",
    "2026",
    "11-2026",
    20261322,
    600,
    123.250523,
    10**40,
    True,
]
IDENTIFYING = [
    "PatientName", "patient_id", "patient-birth-date", "PatientSex", "Age", "Sex", "subject_age", "OtherNames", "Birthdate",
    "InstitutionAddress", "ReferringPhysicianName", "OperatorsName", "AccessionNumber", "StationName", "DeviceSerialNumber",
    "StudyDate", "AcquisitionTime", "acquisition_date_time", "SeriesTime", "ImageComments", "StudyInstanceUID",
    "SeriesInstanceUID", "SOPInstanceUID", "FrameOfReferenceUID", "EthnicGroup", "MRN", "date_of_birth", "PatientTelephoneNumbers",
]  # fmt: skip
HARMLESS = [
    "PatientPosition", "EchoTime", "RepetitionTime", "InversionTime", "AcquisitionDuration", "AcquisitionMatrix", "Manufacturer",
    "ManufacturerModelName", "SourceSeriesInstanceUID", "JoinedSeriesInstanceUIDs", "ImageType", "PercentOfLength",
    "BodyPartExamined", "SliceThickness", "Stage", "Sextant", "Percentage", "Name", "Units", "TriggerTime", "Averages",
]  # fmt: skip
FOREIGN = [
    "1.3.12.2.1107.5.2.19.45152",
    "1.2.840.113619.2.5.1762583153.215519.978957063.78",
    "see 1.3.46.670589.11.1.5.2.3 here",
]
OWN = ["2.25.1", "2.25.1.2.3.4.5.6.7", "1.2.840.10008.5.1.4.1.1.4", "1.10.2.3", "192.168.1.1", "1.0.20260724", "12.5"]


def codes(folder: Path, content: object) -> set[str]:
    (folder / "sub-x").mkdir(exist_ok=True)
    (folder / "sub-x" / "x.json").write_text(json.dumps(content))
    return {finding.code for finding in validate(folder).findings} & {"DATE_FOUND", "IDENTIFYING_KEY", "FOREIGN_UID"}


@pytest.mark.parametrize("date", DATES)
def test_date_in_any_spelling_is_found(tmp_path: Path, date: object) -> None:
    """As value, in a list, deep inside; as text also as a key."""
    assert codes(tmp_path, {"Deep": [{"Value": [date]}]}) == {"DATE_FOUND"}
    if isinstance(date, str):
        assert codes(tmp_path, {date: 1}) == {"DATE_FOUND"}


@pytest.mark.parametrize("value", NO_DATES)
def test_number_that_only_looks_like_a_date_is_none(tmp_path: Path, value: object) -> None:
    """Versions of tools, UIDs, digests, thirteenth months."""
    assert codes(tmp_path, {"Value": value}) == set()


@pytest.mark.parametrize("key", IDENTIFYING)
def test_identifying_key_is_found_in_any_spelling(tmp_path: Path, key: str) -> None:
    """In JSON at any depth, and as a column."""
    assert codes(tmp_path, {"Deep": [{key: None}]}) == {"IDENTIFYING_KEY"}
    (tmp_path / "sub-x" / "x.json").unlink()
    (tmp_path / "participants.tsv").write_text(f"participant_id\t{key}\nsub-x\tn/a\n")
    found = [finding for finding in validate(tmp_path).findings if finding.code == "IDENTIFYING_KEY"]
    assert [finding.path for finding in found] == ["participants.tsv"]


@pytest.mark.parametrize("key", HARMLESS)
def test_key_of_an_acquisition_is_no_identifying_one(tmp_path: Path, key: str) -> None:
    """A sidecar must be able to say what was measured."""
    assert codes(tmp_path, {key: 1}) == set()


@pytest.mark.parametrize("uid", FOREIGN)
def test_uid_of_a_scanner_is_found(tmp_path: Path, uid: str) -> None:
    """A PACS leads it back to the patient."""
    assert codes(tmp_path, {"Value": uid}) == {"FOREIGN_UID"}


@pytest.mark.parametrize("uid", OWN)
def test_new_uid_standard_uid_and_version_are_none(tmp_path: Path, uid: str) -> None:
    """2.25 is made from random or keyed bits; 1.2.840.10008 is DICOM's own."""
    assert codes(tmp_path, {"Value": uid}) == set()


def test_report_of_a_run_may_say_when_it_ran(tmp_path: Path) -> None:
    """At the top of the data set, and nowhere else."""
    content = json.dumps({"created": "2026-11-22T10:00:00Z"})
    (tmp_path / "ingest-report.json").write_text(content)
    assert codes(tmp_path, {}) == set()
    (tmp_path / "sub-x" / "ingest-report.json").write_text(content)
    assert codes(tmp_path, {}) == {"DATE_FOUND"}


def test_date_in_a_table_is_told_by_its_column(tmp_path: Path) -> None:
    """The value is not repeated."""
    (tmp_path / "participants.tsv").write_text("participant_id\tvisit\nsub-x\t22.11.2026\n")
    messages = {finding.code: finding.message for finding in validate(tmp_path).findings}
    assert "column 2" in messages["DATE_FOUND"]
    assert "2026" not in messages["DATE_FOUND"]


@pytest.mark.parametrize("name", ["sub-20261122", "scan20261122", "ses-2026-11-22", "x_20261122101530"])
def test_date_in_a_name_is_found(tmp_path: Path, name: str) -> None:
    """In a name every run of eight digits that is a date counts."""
    (tmp_path / name).mkdir()
    assert "DATE_IN_NAME" in {finding.code for finding in validate(tmp_path).findings}


@pytest.mark.parametrize("name", ["sub-20261322", "sub-120261122", "sub-1234567890", "ses-ABCDEFGHIJ"])
def test_label_of_other_digits_is_no_date(tmp_path: Path, name: str) -> None:
    """Pseudonyms have digits too."""
    (tmp_path / name).mkdir()
    assert "DATE_IN_NAME" not in {finding.code for finding in validate(tmp_path).findings}
