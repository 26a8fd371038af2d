"""A hospital's export."""

from __future__ import annotations

import csv
import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pydicom
import pytest

from myofed_demo.hospital import make_hospital, planted_values
from myofed_demo.scanner import ScannerPreset
from myofed_schemas.errors import MyofedError


def tree_digest(folder: Path) -> str:
    """One digest over the names and bytes of all files."""
    found = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        found.update(str(path.relative_to(folder)).encode() + path.read_bytes())
    return found.hexdigest()


def test_existing_folder_is_refused(preset: ScannerPreset, tmp_path: Path) -> None:
    """Nothing is written into a folder that is there."""
    with pytest.raises(MyofedError, match="DEMO_FOLDER"):
        make_hospital(tmp_path, name="here", preset=preset, subjects=2, seed=1)
    assert list(tmp_path.iterdir()) == []


def test_too_few_subjects_are_refused(preset: ScannerPreset, tmp_path: Path) -> None:
    """One patient cannot be split into training and test."""
    with pytest.raises(MyofedError, match="DEMO_SUBJECTS"):
        make_hospital(tmp_path / "x", name="here", preset=preset, subjects=1, seed=1)


def test_same_arguments_give_the_same_bytes_in_another_process(
    preset: ScannerPreset, export: Path, tmp_path: Path
) -> None:
    """Every file, its name included, is the same under another hash seed."""
    code = (
        "import sys; from pathlib import Path; sys.path.insert(0, sys.argv[1])\n"
        "from conftest import tiny\nfrom myofed_demo.presets import PRESETS\n"
        "from myofed_demo.hospital import make_hospital\n"
        f"make_hospital(Path(sys.argv[2]), name='here', preset=tiny(PRESETS[{preset.name!r}]), subjects=2, seed=7)"
    )
    again = tmp_path / "again"
    environment = {**os.environ, "PYTHONHASHSEED": "12345"}
    subprocess.run([sys.executable, "-c", code, str(Path(__file__).parent), str(again)], check=True, env=environment)
    assert tree_digest(again) == tree_digest(export)


def test_interrupted_export_is_made_again(preset: ScannerPreset, export: Path, tmp_path: Path) -> None:
    """A draft left by a killed process is thrown away; the folder appears only when complete."""
    left = tmp_path / f".{export.name}.draft" / "dicom" / "half.dcm"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"half")
    calls: list[tuple[int, int]] = []

    def watch(done: int, total: int) -> None:
        assert not (tmp_path / export.name).exists()
        calls.append((done, total))

    make_hospital(tmp_path / export.name, name="here", preset=preset, subjects=2, seed=7, progress=watch)
    assert calls == [(1, 2), (2, 2)]
    assert tree_digest(tmp_path / export.name) == tree_digest(export)


def test_labels_name_an_image_series_and_its_patient(export: Path) -> None:
    """Each row's identifiers are those of a series in `dicom/`, and the files it names exist."""
    headers = [pydicom.dcmread(p, stop_before_pixels=True) for p in (export / "dicom").rglob("*") if p.is_file()]
    known = {(str(h.SeriesInstanceUID), str(h.PatientID), str(h.IssuerOfPatientID)) for h in headers}
    with (export / "labels" / "labels.csv").open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 2
    for row in rows:
        assert (row["series_instance_uid"], row["patient_id"], row["issuer"]) in known
        assert (export / "labels" / row["file"]).is_file()
        assert (export / "labels" / row["table"]).is_file()


def test_every_identifying_element_of_the_dicom_is_in_the_list(export: Path) -> None:
    """Names, numbers, dates of birth, addresses and UIDs found in the files were listed as planted."""
    planted = set(planted_values(export))
    keywords = (
        "PatientName", "PatientID", "PatientBirthDate", "PatientAddress", "PatientTelephoneNumbers", "AccessionNumber",
        "InstitutionName", "InstitutionAddress", "StationName", "DeviceSerialNumber", "ReferringPhysicianName",
        "OperatorsName", "StudyID", "StudyDate", "StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID",
        "FrameOfReferenceUID", "PatientComments",
    )  # fmt: skip
    for path in (p for p in (export / "dicom").rglob("*") if p.is_file()):
        header = pydicom.dcmread(path, stop_before_pixels=True)
        assert {str(header[keyword].value) for keyword in keywords if keyword in header} <= planted


def test_no_identity_stands_outside_dicom_labels_and_the_list(export: Path) -> None:
    """A node is given `dicom/` and `labels/`; the list lies beside them."""
    assert {p.name for p in export.iterdir()} == {"dicom", "labels", "planted.json"}


def test_no_uid_is_shared_by_two_hospitals(export: Path, preset: ScannerPreset, tmp_path: Path) -> None:
    """The hospital's name is part of every key."""
    make_hospital(tmp_path / "there", name="there", preset=preset, subjects=2, seed=7)
    shared = set(planted_values(export)) & set(planted_values(tmp_path / "there"))
    assert not {value for value in shared if not (value.isdigit() and len(value) == 8)}
