"""What a check reports: verdicts, the fast two-point Dixon, and nothing of what identifies."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from protocol_factories import SCANS, Scan, checked, finding, multi_echo, put, write_image

from myofed_node.protocol.check import check
from myofed_node.protocol.profiles import load_profiles
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode
from myofed_schemas.protocol import ProtocolReport


def test_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    """A usage error that does not repeat the path."""
    with pytest.raises(MyofedError) as refusal:
        check(tmp_path / "Mustermann", load_profiles())
    assert (refusal.value.code, refusal.value.exit_code) == ("DATASET_MISSING", ExitCode.USAGE)
    assert "Mustermann" not in str(refusal.value)


def test_nothing_checked_never_conforms(tmp_path: Path) -> None:
    """An empty folder, and one in which no profile applies."""
    assert not check(tmp_path, load_profiles()).conforms
    assert not check(put(tmp_path, Scan({"T2w": {}}, {})), load_profiles()).conforms


@pytest.mark.parametrize("tesla", [1.494, 1.5, 2.89362, 3.0])
@pytest.mark.parametrize(
    "scan",
    [
        SCANS["vendor-2-point-dixon"],
        Scan({"FF": {}}, SCANS["vendor-2-point-dixon"].sidecar),
        multi_echo([1.15, 2.3]),
        SCANS["fat-fraction-3-point"],
        SCANS["fat-fraction-6-echo"],
    ],
)
def test_flip_angle_9_at_tr_4_fails_in_every_form(tmp_path: Path, scan: Scan, tesla: float) -> None:
    """18 points at 1.5 T, 22 at 3 T; whatever echoes or products it comes as."""
    series = checked(tmp_path, scan.having(FlipAngle=9.0, RepetitionTime=4.0, MagneticFieldStrength=tesla))
    bias = finding(series, "t1_bias")
    assert (series.verdict, bias.verdict) == ("fail", "fail")
    assert bias.value == pytest.approx(18.05 if tesla < 2 else 21.88, abs=0.01)
    assert bias.found == ("18.05 pp" if tesla < 2 else "21.88 pp")


def test_finding_tells_expected_found_why_source_and_certainty(tmp_path: Path) -> None:
    """All that a person needs to judge it, as JSON too."""
    series = checked(tmp_path, SCANS["fat-fraction-6-echo"].having(EchoTime=[3.1, 3.9, 4.7, 5.5, 6.3, 7.1]))
    assert json.loads(finding(series, "first_echo_time_3t").model_dump_json()) == {
        "key": "first_echo_time_3t",
        "quantity": "first_echo_time",
        "verdict": "fail",
        "expected": "0.8 to 1.5 ms at 2.8 to 3.1 T",
        "found": "3.1 ms",
        "value": 3.1,
        "unit": "ms",
        "why": "a late first echo loses signal to T2* and weakens the fit of R2*",
        "source": "MyoSegmenTUM protocol (first TE 1.1 ms at 3 T); as known, not read again here",
        "certainty": "literature",
    }


def test_limits_of_another_field_are_not_asked(tmp_path: Path) -> None:
    """At 3 T nothing of 1.5 T is told, at 7 T neither, and the field itself warns."""
    keys = {f.key for f in checked(tmp_path / "a", SCANS["fat-fraction-6-echo"]).findings}
    assert "echo_spacing_3t" in keys
    assert "echo_spacing_15t" not in keys
    series = checked(tmp_path / "b", SCANS["fat-fraction-6-echo"].having(MagneticFieldStrength=7.0))
    assert not {"echo_spacing_3t", "echo_spacing_15t"} & {f.key for f in series.findings}
    assert finding(series, "field_strength").verdict == "warn"


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        ({}, "pass"),
        ({"SliceThickness": None}, "warn"),
        ({"SliceThickness": 9.0}, "warn"),
        ({"SliceThickness": 20.0}, "fail"),
    ],
)
def test_worst_limit_is_the_verdict(tmp_path: Path, change: dict[str, object], verdict: str) -> None:
    """Something unknown warns; it never passes."""
    assert checked(tmp_path, SCANS["t1w-mercuri"].having(**change)).verdict == verdict


def test_series_stand_in_order_of_name_and_all_of_them(tmp_path: Path) -> None:
    """Checked or not; the parts of a series are listed with it."""
    put(tmp_path, SCANS["t1w-mercuri"])
    put(tmp_path, multi_echo([1.0, 2.0, 3.0]))
    (tmp_path / "sub-A/ses-1/mr-anat/sub-A_ses-1_RECO.nii.gz").write_bytes(b"")
    report = check(tmp_path, load_profiles())
    names = [one.name.removeprefix("sub-A/ses-1/sub-A_ses-1_") for one in report.series]
    assert names == ["MEGRE", "acquisition 2, not named as ORMIR-MIDS has it", "T1w"]
    assert len(report.series[0].images) == 2
    assert report.series[1].reason == "no profile: the image's suffix is not one of ORMIR-MIDS, profile myofed-1"
    assert ProtocolReport.model_validate_json(report.model_dump_json()) == report


def test_report_holds_no_value_of_keys_it_does_not_ask(tmp_path: Path) -> None:
    """A sidecar of another converter with a name in it does not spread it."""
    put(tmp_path, SCANS["t1w-mercuri"].having(PatientName="Mustermann", ScanningSequence="Mustermann"))
    report = check(tmp_path, load_profiles())
    assert "Mustermann" not in report.model_dump_json()
    assert finding(report.series[0], "sequence").found == "other"


def test_no_voxel_is_read(tmp_path: Path) -> None:
    """A header whose voxels are cut off is as good as a whole file."""
    put(tmp_path, SCANS["t1w-mercuri"])
    image = next(tmp_path.rglob("*.nii.gz"))
    write_image(image, (64, 64, 3), (1.2, 1.2, 6.0))
    image.write_bytes(gzip.compress(gzip.decompress(image.read_bytes())[:352]))
    assert check(tmp_path, load_profiles()).series[0].verdict == "pass"
