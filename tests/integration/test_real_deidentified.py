"""De-identified public DICOM as other programs see it: no new fault of the standard, the same image."""

from __future__ import annotations

import datetime as dt
import json
import re
import shutil
import subprocess
from pathlib import Path

import dcm2niix
import nibabel as nib
import numpy as np
import pytest

from myofed_anonymization import SiteKeys, default_policy, deidentify, read_report

pytestmark = pytest.mark.real_data
NOW = dt.datetime(2026, 11, 24, tzinfo=dt.UTC)
SETS = [
    "ge_gre_anat",
    "philips_enh_t1",
    "philips_ir_anat",
    "siemens_gre_2echo_mag",
    "siemens_gre_2echo_phase",
    "siemens_tse_pdt2_2echo",
    "siemens_xa30_enh_t1w",
]
MOST_LOOKED_AT = 6
_VALUE = re.compile(r"<[^>]*>|'[^']*'|\"[^\"]*\"")


@pytest.fixture(scope="module", params=SETS)
def released(
    request: pytest.FixtureRequest, shared_data: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, list[tuple[Path, Path]]]:
    """The output folder of one set, and some inputs with their outputs."""
    source = shared_data / "dicom" / request.param
    out = tmp_path_factory.mktemp(request.param) / "out"
    summary = deidentify(source, out, keys=SiteKeys(b"d" * 32), policy=default_policy(), now=NOW)
    assert summary.deidentified == summary.received == len(list(source.iterdir()))
    files = read_report(out).files
    pairs = [
        (path, out / file.output) for path, file in zip(sorted(source.iterdir()), files, strict=True) if file.output
    ]
    return out, pairs[:: max(1, len(pairs) // MOST_LOOKED_AT)]


def dciodvfy(path: Path) -> set[str]:
    """The errors that the validator of dicom3tools finds, without values."""
    done = subprocess.run(["dciodvfy", str(path)], capture_output=True, text=True, errors="replace")
    lines = (done.stdout + done.stderr).splitlines()
    assert lines, "the validator said nothing at all"
    return {_VALUE.sub("", line).strip() for line in lines if line.startswith("Error")}


def test_the_standards_validator_finds_no_new_error(released: tuple[Path, list[tuple[Path, Path]]]) -> None:
    """dciodvfy: attributes, types and values of the IOD are as right as they were."""
    if not shutil.which("dciodvfy"):
        pytest.skip("dciodvfy is not installed (make system-deps)")
    _, pairs = released
    assert pairs
    for before, after in pairs:
        assert dciodvfy(after) - dciodvfy(before) == set()


def test_dcmtk_reads_every_element(released: tuple[Path, list[tuple[Path, Path]]]) -> None:
    """The dump of dcmtk parses the output to its end without a warning."""
    if not shutil.which("dcmdump"):
        pytest.skip("dcmdump is not installed (make system-deps)")
    _, pairs = released
    for _, after in pairs:
        done = subprocess.run(["dcmdump", "-q", str(after)], capture_output=True, check=True)
        told = [line for line in done.stderr.decode(errors="replace").splitlines() if line.startswith(("W:", "E:"))]
        assert told == []


def images(source: Path, out: Path) -> list[tuple[float, str, np.ndarray, np.ndarray]]:
    """What dcm2niix makes of a folder, in an order that names and UIDs have no part in."""
    out.mkdir()
    subprocess.run(
        [dcm2niix.bin, "-z", "n", "-b", "y", "-f", "%s_%p_%e", "-o", str(out), str(source)],
        stdout=subprocess.DEVNULL,
        check=True,
    )
    found = []
    for path in sorted(out.glob("*.nii")):
        facts = json.loads(path.with_suffix(".json").read_text())
        image = nib.load(path)
        kind = "/".join(facts.get("ImageType", []))
        found.append((float(facts.get("EchoTime", 0)), kind, np.asarray(image.dataobj), image.affine))
    return sorted(found, key=lambda one: one[:2])


def test_dcm2niix_makes_the_same_image(
    released: tuple[Path, list[tuple[Path, Path]]], tmp_path: Path, shared_data: Path
) -> None:
    """The same volumes with the same voxels, axes and positions, from input and output."""
    out, pairs = released
    before, after = images(pairs[0][0].parent, tmp_path / "before"), images(out, tmp_path / "after")
    assert before
    assert [one[:2] for one in before] == [one[:2] for one in after]
    for (_, _, voxels, affine), (_, _, new_voxels, new_affine) in zip(before, after, strict=True):
        np.testing.assert_array_equal(new_voxels, voxels)
        np.testing.assert_allclose(new_affine, affine, atol=1e-4)
