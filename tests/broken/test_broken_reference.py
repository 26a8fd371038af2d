"""Data sets as the reference implementation writes them (dcm2omids, ormir-mids 0.1.11): understandable findings, never a crash.

Names, keys and geometry follow what that version wrote for real series: the session in the folder and never in the name, a series
number in front on request, upper-case suffixes, header dumps, sform alone, no unit of space.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from broken.good import echoes, voxels
from broken.nifti_writer import Fields, write
from myofed_node.mids.validation.validate import validate
from myofed_schemas.rules import ValidationReport

DE_FACTO = Fields(qform_code=0, xyzt_units=0)
SIDECAR = {
    "EchoTime": [8.0, 16.0, 24.0, 32.0, 40.0],
    "RepetitionTime": 4320.0,
    "ScanningSequence": "SE",
    "PixelBandwidth": 250.0,
    "Manufacturer": "SIEMENS",
    "ImagingFrequency": 123.250523,
    "MagneticFieldStrength": 3.0,
    "ImageTypeSiemens": "ORIGINAL/PRIMARY/M/NORM/DIS2D",
    "PhaseEncodingDirection": "j",
    "Modality": "MR",
    "FourthDimension": "EchoTime",
    "RefocusingFlipAngle": 180.0,
    "PulseSequenceType": "Multi-echo Spin Echo",
}
DUMPS = {"_patient": {"PatientName": {"Alphabetic": "x"}, "Birthdate": "19610203"}, "_extra": {"meta": {}, "extra": {}}}


def reference(
    root: Path, stem: str, folder: str, values: np.ndarray, sidecar: dict[str, object], *, dumps: bool = True
) -> None:
    """One volume with its four files."""
    place = root / folder
    write(place / f"{stem}.nii.gz", values, DE_FACTO)
    (place / f"{stem}.json").write_text(json.dumps(sidecar))
    for ending, content in DUMPS.items() if dumps else ():
        (place / f"{stem}{ending}.json").write_text(json.dumps(content))


def codes(report: ValidationReport) -> set[str]:
    return {finding.code for finding in report.findings}


@pytest.fixture
def written(tmp_path: Path) -> Path:
    """A MESE in a session, and a reconstructed map with a series number."""
    reference(tmp_path, "sub-anon_MESE", "sub-anon/ses-base/mr-anat", echoes(1, 5), SIDECAR)
    recon = {"EchoTime": 0.0, "RepetitionTime": 10.0, "Modality": "MR"}
    reference(tmp_path, "003_sub-anon_MEGRE_RECO", "sub-anon/ses-base/mr-quant", voxels(2), recon)
    return tmp_path


def test_each_difference_from_the_profile_has_its_own_finding(written: Path) -> None:
    """Nothing hides behind one code, and each says that the profile, not the draft, asks for it."""
    report = validate(written)
    assert codes(report) == {
        "DESCRIPTION_INVALID",
        "PARTICIPANTS_MISMATCH",
        "SESSIONS_MISSING",
        "FORBIDDEN_FILE",
        "SESSION_MISSING",
        "SERIES_NUMBER_PREFIX",
        "SUFFIX_NOT_IN_PROFILE",
        "SFORM_QFORM",
        "SPACE_UNIT",
        "PROFILE_MISSING",
        "FLIP_ANGLE_MISSING",
    }
    assert {f.code for f in report.findings if f.source == "ormir-mids"} == {"FLIP_ANGLE_MISSING"}
    assert "PatientName" not in report.model_dump_json()


def test_it_conforms_to_the_draft_alone(written: Path) -> None:
    """What its own tool writes is what the draft says, but for the flip angle, which it renames."""
    report = validate(written, standard_only=True)
    assert codes(report) == {"FLIP_ANGLE_MISSING"}
    assert report.conforms
    assert report.images == 2
    assert report.sources == ("ormir-mids",)


@pytest.mark.parametrize("suffix", ["t1w", "T1W", "dess_echo", "DESS_ECHO", "megre", "mese"])
def test_suffix_in_any_case_is_known_and_its_rules_are_asked(tmp_path: Path, suffix: str) -> None:
    """The draft is lower case, the tool upper case; seconds are found in both."""
    stacked = suffix in {"megre", "mese"}
    sidecar = SIDECAR | {"EchoTime": [0.01, 0.02, 0.03, 0.04, 0.05] if stacked else 0.01, "PulseSequenceType": "DESS"}
    reference(
        tmp_path, f"sub-x_{suffix}", "sub-x/mr-anat", echoes(1, 5) if stacked else voxels(1), sidecar, dumps=False
    )
    found = codes(validate(tmp_path, standard_only=True))
    assert found == {"ECHO_TIME_UNIT", "FLIP_ANGLE_MISSING"}
    assert "SUFFIX_SPELLING" in codes(validate(tmp_path))


@pytest.mark.parametrize(
    ("suffix", "folder"),
    [("vel", "mr-quant"), ("STRAIN-RATE-VEC", "mr-quant"), ("hrpqct", "ct"), ("pcct", "ct"), ("cr", "rx")],
)
def test_other_modality_of_the_draft_is_known_and_its_file_is_checked(tmp_path: Path, suffix: str, folder: str) -> None:
    """No rule for MR is asked of it; whether the file can be read is."""
    reference(tmp_path, f"sub-x_ses-1_{suffix}", f"sub-x/ses-1/{folder}", voxels(1), {"KVP": 120}, dumps=False)
    report = validate(tmp_path, standard_only=True)
    assert report.findings == ()
    assert report.images == 1
    assert "SUFFIX_NOT_IN_PROFILE" in codes(validate(tmp_path))
    (tmp_path / f"sub-x/ses-1/{folder}/sub-x_ses-1_{suffix}.nii.gz").write_bytes(b"x")
    assert codes(validate(tmp_path, standard_only=True)) == {"IMAGE_UNREADABLE"}


def test_phase_in_stored_units_and_one_file_an_echo_are_found(tmp_path: Path) -> None:
    """What version 0.1.11 does to Siemens phase, and what BIDS does to echoes."""
    reference(tmp_path, "sub-x_part-phase_MEGRE", "sub-x/mr-anat", echoes(1, 5) * 10, SIDECAR, dumps=False)
    reference(tmp_path, "sub-x_echo-1_MEGRE", "sub-x/mr-anat", voxels(2), SIDECAR, dumps=False)
    messages = {finding.code: finding for finding in validate(tmp_path).findings}
    assert "dcm2omids leaves 0..4095" in messages["PHASE_RANGE"].hint
    assert "one file an echo" in messages["NDIM"].hint
    assert "echo-1, echo-2" in messages["ENTITY_UNKNOWN"].hint


def test_labels_as_a_list_are_read_as_the_draft_means_them(dataset: Path) -> None:
    """Item 0 is grey level 0."""
    path = next(dataset.glob("derivatives/labels/sub-A/ses-1/mr-anat/*_dseg.json"))
    path.write_text(json.dumps({"Labels": ["Background", *[f"muscle {n}" for n in range(1, 7103)]]}))
    assert codes(validate(dataset, standard_only=True)) == set()
    path.write_text(json.dumps({"Labels": ["Background", "SOL"]}))
    assert codes(validate(dataset, standard_only=True)) == {"LABEL_VALUE_UNKNOWN"}


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("sub-x/ses-1/mr-anat/sub-y_ses-1_T1w", "another subject"),
        ("sub-x/ses-1/mr-anat/sub-x_ses-2_T1w", "another session"),
        ("sub-x/mr-anat/sub-x_ses-1_T1w", "another session"),
        ("sub-x/ses-1/mr-anat/deeper/sub-x_ses-1_T1w", "other than mr-anat"),
        ("sub-x/ses-1/more/mr-anat/sub-x_ses-1_T1w", "no session"),
        ("sub-x/visit/mr-anat/sub-x_T1w", "no session"),
        ("sub-x/sub-x_T1w", "other than mr-anat"),
    ],
)
def test_file_in_a_wrong_folder_is_told_which_part_is_wrong(tmp_path: Path, path: str, said: str) -> None:
    """Subject, session or method."""
    folder, stem = path.rsplit("/", maxsplit=1)
    reference(tmp_path, stem, folder, voxels(1), SIDECAR | {"EchoTime": 12.0, "FlipAngle": 90.0}, dumps=False)
    findings = validate(tmp_path, standard_only=True).findings
    assert {finding.code for finding in findings} == {"FOLDER_MISMATCH"}
    assert all(said in finding.message for finding in findings)


def test_uncompressed_image_and_label_map_among_images_are_told(dataset: Path) -> None:
    """Two mistakes that a person makes by hand."""
    folder = dataset / "sub-A/ses-1/mr-anat"
    (folder / "sub-A_ses-1_T2w.nii.gz").rename(folder / "sub-A_ses-1_T2w.nii")
    write(folder / "sub-A_ses-1_T1w_dseg.nii.gz", voxels(9))
    messages = {finding.code: finding.message for finding in validate(dataset).findings}
    assert set(messages) == {"NAME_INVALID", "IMAGE_MISSING", "SUFFIX_UNKNOWN", "SIDECAR_MISSING"}
    assert "not compressed" in messages["NAME_INVALID"]
    assert "outside of derivatives" in messages["SUFFIX_UNKNOWN"]
