"""Every protocol of every vendor, classic and enhanced, from the generator through de-identification to the data set."""

from __future__ import annotations

import datetime as dt
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from vendor_judge import faults, name_of

from myofed_anonymization import Options, SiteKeys, default_policy, deidentify, new_uid
from myofed_demo.vendor_matrix import STYLES, SeriesTruth, cases_of, write_matrix
from myofed_node.mids.convert import convert
from myofed_node.mids.validation.validate import validate
from myofed_schemas.conversion import ConversionReport, ConvertedImage, SeriesOutcome
from myofed_schemas.mids import Part, Suffix

pytestmark = pytest.mark.functional
NOW = dt.datetime(2026, 11, 22, tzinfo=dt.UTC)
CASES = [case.name for style in STYLES for case in cases_of(style)]


@dataclass(frozen=True)
class Matrix:
    """The whole matrix after conversion."""

    dataset: Path
    truths: dict[str, SeriesTruth]
    outcomes: dict[str, SeriesOutcome]
    report: ConversionReport

    def images(self, case: str) -> dict[tuple[Suffix, Part], ConvertedImage]:
        """What came out of a series, by suffix and part."""
        return {(image.suffix, image.part or Part.MAG): image for image in self.outcomes[case].images}


@pytest.fixture(scope="session")
def matrix(tmp_path_factory: pytest.TempPathFactory) -> Matrix:
    """Written, de-identified and converted once."""
    root, keys = tmp_path_factory.mktemp("matrix"), SiteKeys.generate()
    truths = write_matrix(root / "dicom")
    options = Options(processes=1)
    summary = deidentify(
        root / "dicom", root / "deidentified", keys=keys, policy=default_policy(), now=NOW, options=options
    )
    assert summary.withheld == 0, summary.withheld_by_code
    report = convert(root / "deidentified", root / "dataset", now=NOW)
    by_uid = {series.series_instance_uid: series for series in report.series}
    outcomes = {truth.case: by_uid[new_uid(keys, truth.written.series_instance_uid)] for truth in truths}
    return Matrix(root / "dataset", {truth.case: truth for truth in truths}, outcomes, report)


def test_matrix_has_every_series_once(matrix: Matrix) -> None:
    """No series is lost, none is made up."""
    assert sorted(matrix.truths) == sorted(CASES)
    assert len(matrix.report.series) == len(CASES)


@pytest.mark.parametrize("case", CASES)
def test_series_has_its_one_right_outcome(matrix: Matrix, case: str) -> None:
    """Converted to exactly these suffixes and parts, or refused with exactly this code."""
    truth, outcome = matrix.truths[case], matrix.outcomes[case]
    assert (outcome.outcome, outcome.code) == (truth.outcome, truth.code), outcome.evidence
    assert sorted(matrix.images(case)) == sorted(name_of(image) for image in truth.images)
    assert outcome.files == len(truth.written.files)


@pytest.mark.parametrize("case", CASES)
def test_every_corner_marker_voxel_and_echo_time_is_right(matrix: Matrix, case: str) -> None:
    """In the patient to 1e-3 mm, every value after rescale, every echo time in milliseconds."""
    written = matrix.images(case)
    wrong = {
        f"{truth.suffix} {truth.part}": faults(
            truth, matrix.dataset / image.path, sidecar=matrix.dataset / image.sidecar
        )
        for truth in matrix.truths[case].images
        if (image := written.get(name_of(truth)))
    }
    assert len(wrong) == len(matrix.truths[case].images), "not all images came out"
    assert not any(wrong.values()), wrong


def test_one_visit_is_one_session_and_no_name_is_used_twice(matrix: Matrix) -> None:
    """Eight patients, eight subjects; every image has a path of its own."""
    converted = [series for series in matrix.report.series if series.images]
    paths = [image.path for series in converted for image in series.images]
    assert len(paths) == len(set(paths))
    assert len({(series.subject, series.session) for series in converted}) == len({s.subject for s in converted})


def test_data_set_conforms(matrix: Matrix) -> None:
    """The validator finds no error in what came out of any vendor."""
    assert [(f.code, f.path) for f in validate(matrix.dataset).findings if f.level == "error"] == []


def test_reference_implementation_reads_every_image(matrix: Matrix, tmp_path: Path) -> None:
    """ormir-mids 0.1.11 finds and loads each, with our values and affine; in its own process, because it writes to HOME."""
    pytest.importorskip("voxel", reason="ormir-mids is not installed in this environment")
    script = (
        "import sys, json; from ormir_mids.utils.io import load_omids, find_omids\n"
        "found = {s: [str(p) for p in find_omids(sys.argv[1], s)] for s in sys.argv[3:]}\n"
        "read = {}\n"
        "for path in json.loads(sys.argv[2]):\n"
        "    v = load_omids(path)\n"
        "    read[path] = [list(v.volume.shape), v.affine.tolist(), float(v.volume.astype(float).sum())]\n"
        "print(json.dumps([found, read]))"
    )
    images = [matrix.dataset / image.path for s in matrix.report.series for image in s.images]
    suffixes = sorted({image.suffix.value for s in matrix.report.series for image in s.images})
    home = {"HOME": str(tmp_path), "VOXEL_CONFIG": str(tmp_path / "config.yaml")}
    done = subprocess.run(
        [sys.executable, "-c", script, matrix.dataset, json.dumps([str(path) for path in images]), *suffixes],
        capture_output=True,
        text=True,
        env=os.environ | home,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found, read = json.loads(done.stdout.splitlines()[-1])
    assert all(found[suffix] for suffix in suffixes)
    for path in images:
        shape, affine, total = read[str(path)]
        ours = nib.load(path)
        assert shape == list(ours.shape)
        assert np.allclose(affine, ours.affine, atol=1e-3)
        assert total == pytest.approx(float(ours.get_fdata().sum()), rel=1e-4)
