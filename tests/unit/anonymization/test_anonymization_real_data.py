from __future__ import annotations

import re
from pathlib import Path

import pytest
from anonymization_factories import KEYS, NOW, output
from pydicom import dcmread
from pydicom.dataset import Dataset

from myofed_anonymization import default_policy, deidentify, read_report
from myofed_schemas.deid import REPORT_NAME

SETS = {
    "ge_gre_anat": 4,
    "philips_enh_t1": 1,
    "philips_ir_anat": 4,
    "siemens_gre_2echo_mag": 72,
    "siemens_gre_2echo_phase": 36,
    "siemens_tse_pdt2_2echo": 70,
    "siemens_xa30_enh_t1w": 1,
}
SOUGHT_VRS = {"PN", "UI", "DA", "DT"}
SOUGHT = {
    "PatientID", "InstitutionName", "InstitutionAddress", "StationName", "InstitutionalDepartmentName", "DeviceSerialNumber", "AccessionNumber",
    "StudyID", "PerformedProcedureStepID", "StudyDescription",
}  # fmt: skip


def identifying(dataset: Dataset) -> set[str]:
    """What identifies, collected anew: names, UIDs, dates and places, at any depth."""
    found = set()
    for element in dataset.iterall():
        if element.VR in SOUGHT_VRS or element.keyword in SOUGHT:
            values = [element.value] if isinstance(element.value, str) or element.VM <= 1 else list(element.value)
            found |= {str(value)[:8] if element.VR in {"DA", "DT"} else str(value) for value in values if value}
    return {value for value in found if not value.startswith("1.2.840.10008")}


@pytest.mark.real_data
@pytest.mark.parametrize("name", SETS)
def test_real_scans_are_released_without_their_identities(tmp_path: Path, shared_data: Path, name: str) -> None:
    """All files of every public set are released, none of their identifying values is left, pixels and geometry stay."""
    sources = sorted((shared_data / "dicom" / name).iterdir())
    deidentify(shared_data / "dicom" / name, tmp_path / "out", keys=KEYS, policy=default_policy(), now=NOW)
    report = read_report(tmp_path / "out")
    assert (report.received, report.deidentified) == (SETS[name], SETS[name])
    assert len(report.outputs()) == SETS[name]
    for source, outcome in list(zip(sources, report.files, strict=True))[:: max(1, SETS[name] // 4)]:
        before, after = dcmread(source), dcmread(output(tmp_path, outcome))
        content = output(tmp_path, outcome).read_bytes().replace(after.PixelData, b"").lower()
        elements = {str(element.value) for element in after.iterall() if element.VR not in {"SQ", "IS", "DS", "US"}}
        values = identifying(before)
        assert values
        for value in values:
            if len(value) < 6:
                assert value not in elements
            else:
                assert not re.search(rb"(?<![0-9.])" + re.escape(value.lower().encode()), content)
        assert before.PixelData == after.PixelData
        assert [before.get(keyword) for keyword in ("Rows", "PixelSpacing", "ImagePositionPatient", "EchoTime")] == [
            after.get(keyword) for keyword in ("Rows", "PixelSpacing", "ImagePositionPatient", "EchoTime")
        ]
    text = (tmp_path / "out" / REPORT_NAME).read_text()
    assert not [source.name for source in sources if source.name in text]
