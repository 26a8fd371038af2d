"""The protocol check on the public real sets and on the demo's hospitals: every series judged as a person would."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from myofed_anonymization.keys import SiteKeys
from myofed_anonymization.policy import default_policy
from myofed_demo.hospital import make_hospital
from myofed_demo.presets import PRESETS
from myofed_node.ingest import IngestPolicy, ingest
from myofed_node.protocol.check import check
from myofed_node.protocol.profiles import load_profiles
from myofed_node.protocol.t1_bias import Tissue, t1_bias_points
from myofed_schemas.protocol import ProtocolReport, SeriesCheck

NOW = dt.datetime(2026, 11, 22, tzinfo=dt.UTC)
KEYS = SiteKeys(b"r" * 32)
REAL = {
    "siemens_gre_2echo_mag": (
        "fat-fraction-3-point",
        "fail",
        {"echo_count": "2 echoes", "components": "magnitude only", "t1_bias": "16.38 pp", "water_fat_step": "11.13°"},
    ),
    "siemens_xa30_enh_t1w": ("t1w-mercuri", "fail", {"repetition_time": "1800 ms"}),
    "ge_gre_anat": ("t1w-mercuri", "fail", {"repetition_time": "8.9 ms"}),
    "philips_enh_t1": (None, "not checked", {}),
}
"""Set -> profile, verdict, and limits that fail with what was found: brain scans, none of them a muscle protocol."""
DEMO = {
    "siemens-3t": ("fat-fraction-6-echo", "warn", "warn"),
    "philips-1.5t": ("vendor-2-point-dixon", "fail", "fail"),
    "ge-3t": ("fat-fraction-3-point", "fail", "fail"),
    "siemens-3t-dixon": ("vendor-2-point-dixon", "fail", "fail"),
}
"""Preset -> profile, verdict, verdict on its T1 bias; the presets differ in flip angle on purpose."""


def ingested(source: Path, out: Path) -> ProtocolReport:
    """The check of what an ingest of this source gave."""
    ingest(source, out, keys=KEYS, policy=IngestPolicy(default_policy()), now=NOW)
    return check(out, load_profiles())


def failures(series: SeriesCheck) -> dict[str, str]:
    return {one.key: one.found for one in series.findings if one.verdict == "fail"}


@pytest.mark.real_data
@pytest.mark.parametrize("name", REAL)
def test_real_set_is_judged_as_what_it_is(shared_data: Path, tmp_path: Path, name: str) -> None:
    """Profile, verdict and figures from real headers of three vendors; what no profile is for is not checked."""
    profile, verdict, failing = REAL[name]
    (series,) = ingested(shared_data / "dicom" / name, tmp_path / "dataset").series
    assert (series.profile, series.verdict) == (profile, verdict)
    assert failing.items() <= failures(series).items()


@pytest.mark.real_data
@pytest.mark.parametrize("name", ["siemens_tse_pdt2_2echo", "siemens_gre_2echo_phase"])
def test_set_of_which_nothing_was_converted_is_no_success(shared_data: Path, tmp_path: Path, name: str) -> None:
    """0 of 0 checked."""
    report = ingested(shared_data / "dicom" / name, tmp_path / "dataset")
    assert report.series == ()
    assert not report.conforms


@pytest.mark.real_data
def test_real_three_point_dixon_of_thighs_conforms(shared_data: Path, tmp_path: Path) -> None:
    """Grid of the real NIfTI files, echo times of their source, TR and flip angle as published: what it was made for."""
    source = shared_data / "muscle" / "dixon3pt_thigh_siemens3T"
    folder = tmp_path / "sub-A" / "ses-1" / "mr-anat"
    folder.mkdir(parents=True)
    sidecar = {
        "EchoTime": [3.45, 4.60, 5.75], "RepetitionTime": 102.0, "FlipAngle": 10.0, "MagneticFieldStrength": 3.0,
        "MRAcquisitionType": "2D", "SliceThickness": 10.0,
    }  # fmt: skip
    for part, numbers in {"": ("0006", "0008", "0010"), "part-phase_": ("0007", "0009", "0011")}.items():
        echoes = [nib.load(next(source.glob(f"{number}*.nii*"))) for number in numbers]
        stacked = np.stack([np.asanyarray(echo.dataobj) for echo in echoes], axis=3)
        path = folder / f"sub-A_ses-1_{part}MEGRE.nii.gz"
        nib.nifti1.Nifti1Image(stacked.astype(np.int16), echoes[0].affine).to_filename(path)
        path.with_name(path.name.replace(".nii.gz", ".json")).write_text(json.dumps(sidecar))
    report = check(tmp_path, load_profiles())
    (series,) = report.series
    found = {one.key: (one.verdict, one.found) for one in series.findings}
    assert found["in_plane_resolution"] == ("pass", "0.8008 mm")
    assert found["slice_spacing"] == ("pass", "20 mm")
    assert found["t1_bias"] == ("pass", "2.995 pp")
    assert {key for key, (verdict, _) in found.items() if verdict != "pass"} == {"acquisition_type"}
    assert report.conforms


@pytest.mark.slow
@pytest.mark.parametrize("name", DEMO)
def test_hospital_of_the_demo_is_judged_by_its_scanner(tmp_path: Path, name: str) -> None:
    """From vendor's DICOM through the ingest: the T1 bias found is that of the preset's flip angle and repetition time."""
    profile, verdict, of_bias = DEMO[name]
    preset = PRESETS[name]
    make_hospital(tmp_path / "hospital", name="h", preset=preset, subjects=2, seed=1)
    report = ingested(tmp_path / "hospital" / "dicom", tmp_path / "dataset")
    checked = [one for one in report.series if one.profile]
    assert len(checked) == 2
    t1 = (1420.0, 370.0) if preset.field_tesla > 2 else (1000.0, 290.0)
    points = t1_bias_points(
        Tissue(*t1, 30.0),
        flip_angle_degrees=preset.flip_angle_degrees,
        repetition_time_ms=preset.repetition_time_ms,
    )
    for series in checked:
        bias = next(one for one in series.findings if one.key == "t1_bias")
        assert (series.profile, series.verdict, bias.verdict) == (profile, verdict, of_bias)
        assert bias.value == pytest.approx(points, abs=1e-3)
        assert all(one.verdict != "unknown" for one in series.findings)
