"""The validator; tests/broken has a data set for every rule."""

from __future__ import annotations

from pathlib import Path

import pytest
from mids_factories import NOW, classic, write_deidentified

from myofed_node.mids.convert import convert
from myofed_node.mids.validation.validate import validate
from myofed_schemas.errors import MyofedError


def test_empty_folder_never_conforms(tmp_path: Path) -> None:
    """Nothing checked is not nothing wrong."""
    report = validate(tmp_path)
    assert not report.conforms
    assert "DATASET_EMPTY" in {finding.code for finding in report.findings}


def test_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    """A wrong path is a usage error, and the message does not repeat it."""
    with pytest.raises(MyofedError) as refusal:
        validate(tmp_path / "Mustermann")
    assert refusal.value.code == "DATASET_MISSING"
    assert "Mustermann" not in str(refusal.value)


def test_finding_names_the_key_and_never_its_value(tmp_path: Path) -> None:
    """A report about an identifying key does not spread what it found."""
    convert(write_deidentified(tmp_path / "clean", classic()), tmp_path / "mids", now=NOW)
    sidecar = next((tmp_path / "mids").glob("sub-*/ses-*/*/*.json"))
    sidecar.write_text('{"PatientBirthDate": "19610203", "Profile": "myofed-1"}')
    report = validate(tmp_path / "mids")
    assert {"IDENTIFYING_KEY", "DATE_FOUND"} <= {finding.code for finding in report.findings}
    assert "19610203" not in report.model_dump_json()


def test_temporary_file_of_a_running_write_is_no_finding(tmp_path: Path) -> None:
    """A validation beside a conversion sees only what is complete."""
    convert(write_deidentified(tmp_path / "clean", classic()), tmp_path / "mids", now=NOW)
    folder = next((tmp_path / "mids").glob("sub-*/ses-*/mr-anat"))
    (folder / ".x.nii.gz.abc.tmp").write_bytes(b"half")
    assert validate(tmp_path / "mids").findings == ()
