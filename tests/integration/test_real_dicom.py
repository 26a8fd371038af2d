"""The public DICOM sets of MYOFED_SHARED_DATA: outcome, values and geometry right, and nothing identifying left."""

from __future__ import annotations

import datetime as dt
import gzip
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
import pytest
from pydicom import Dataset

from myofed_anonymization.keys import SiteKeys
from myofed_anonymization.policy import default_policy
from myofed_node.ingest import IngestPolicy, ingest
from myofed_node.mids.validation.validate import validate
from myofed_schemas.conversion import IngestReport

pytestmark = pytest.mark.real_data
NOW = dt.datetime(2026, 11, 22, tzinfo=dt.UTC)
KEYS = SiteKeys(b"r" * 32)
OUTCOMES = {
    "siemens_gre_2echo_mag": ("converted", "MEGRE"),
    "siemens_gre_2echo_phase": ("quarantined", "PHASE_DIFFERENCE"),
    "siemens_tse_pdt2_2echo": ("quarantined", "DUAL_ECHO_SPIN_ECHO"),
    "siemens_xa30_enh_t1w": ("converted", "T1w"),
    "philips_enh_t1": ("converted", "T1w-FS"),
    "philips_ir_anat": ("quarantined", "CONTRAST_UNPROVEN"),
    "ge_gre_anat": ("converted", "T1w"),
}
CONVERTED = sorted(name for name, outcome in OUTCOMES.items() if outcome[0] == "converted")
SHORT = 6
"""Values below this length are compared as whole values, longer ones as parts of any text."""


@pytest.fixture(scope="module")
def ingested(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, IngestReport]]:
    """Each set ingested on its own: folder of the data set and report."""
    root = tmp_path_factory.mktemp("real")
    policy = IngestPolicy(default_policy())
    return {
        name: (root / name, ingest(shared_data / "dicom" / name, root / name, keys=KEYS, policy=policy, now=NOW))
        for name in OUTCOMES
    }


def image_path(ingested: dict[str, tuple[Path, IngestReport]], name: str) -> Path:
    folder, report = ingested[name]
    return folder / report.series[0].images[0].path


@pytest.mark.parametrize("name", sorted(OUTCOMES))
def test_series_has_its_one_reasoned_outcome(ingested: dict[str, tuple[Path, IngestReport]], name: str) -> None:
    """The TSE is no MESE, the GE set without (0018,1312) converts, a phase difference waits for a person."""
    _, report = ingested[name]
    assert len(report.series) == 1
    series = report.series[0]
    told = series.code or series.images[0].suffix.value
    assert (series.outcome, told) == OUTCOMES[name]
    assert series.evidence
    assert all(file.outcome == series.outcome for file in report.files if file.code != "NOT_DICOM")


def frames(files: list[Dataset]) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, float]]:
    """Pixels, position, orientation, spacing and echo time of each frame, read here without our reader."""
    for dataset in files:
        pixels = dataset.pixel_array
        if "PerFrameFunctionalGroupsSequence" not in dataset:
            place = (dataset.ImagePositionPatient, dataset.ImageOrientationPatient, dataset.PixelSpacing)
            yield pixels, *map(np.asarray, place), float(dataset.EchoTime)
        for number, group in enumerate(dataset.get("PerFrameFunctionalGroupsSequence", ())):
            place = (
                group.PlanePositionSequence[0].ImagePositionPatient,
                group.PlaneOrientationSequence[0].ImageOrientationPatient,
                group.PixelMeasuresSequence[0].PixelSpacing,
            )
            yield pixels[number], *map(np.asarray, place), float(group.MREchoSequence[0].EffectiveEchoTime)


@pytest.mark.parametrize("name", CONVERTED)
def test_every_source_pixel_is_at_its_place_in_space(
    ingested: dict[str, tuple[Path, IngestReport]], shared_data: Path, name: str
) -> None:
    """From the ORIGINAL files: corners within 1e-3 mm, values proportional to the stored ones frame by frame."""
    image = nib.load(image_path(ingested, name))
    sidecar = json.loads(
        image_path(ingested, name).with_name(image_path(ingested, name).name[:-7] + ".json").read_text()
    )
    echoes = np.atleast_1d(sidecar["EchoTime"])
    values = np.asarray(image.dataobj).reshape(*image.shape[:3], len(echoes))
    to_voxel = np.linalg.inv(image.affine)
    files = [
        pydicom.dcmread(path)
        for path in sorted((shared_data / "dicom" / name).glob("*"))
        if path.read_bytes()[128:132] == b"DICM"
    ]
    seen = set()
    for pixels, position, orientation, spacing, echo_time in frames(files):
        rows, columns = pixels.shape
        far = position + orientation[:3] * spacing[1] * (columns - 1) + orientation[3:] * spacing[0] * (rows - 1)
        near_voxel, far_voxel = (to_voxel @ [-p[0], -p[1], p[2], 1.0] for p in (position, far))
        k = round(near_voxel[2])
        assert np.allclose(near_voxel[:3], [0, 0, k], atol=2e-3)
        assert np.allclose(far_voxel[:3], [columns - 1, rows - 1, k], atol=2e-3)
        echo = int(np.argmin(np.abs(echoes - echo_time)))
        written = values[:, :, k, echo].T.astype(float)
        scale = written.sum() / pixels.astype(float).sum()
        assert np.allclose(written, pixels * scale, rtol=1e-5, atol=1e-6 * written.max())
        seen.add((k, echo))
    assert len(seen) == values.shape[2] * values.shape[3]


def test_two_echo_gradient_echo_is_one_4d_file(ingested: dict[str, tuple[Path, IngestReport]]) -> None:
    """64 x 64 x 36 x 2 with echo times 5.19 and 7.65 ms in ms."""
    path = image_path(ingested, "siemens_gre_2echo_mag")
    assert nib.load(path).shape == (64, 64, 36, 2)
    assert json.loads(path.with_name(path.name[:-7] + ".json").read_text())["EchoTime"] == [5.19, 7.65]


@pytest.mark.parametrize("name", CONVERTED)
def test_geometry_agrees_with_dcm2niix(
    ingested: dict[str, tuple[Path, IngestReport]], shared_data: Path, tmp_path: Path, name: str
) -> None:
    """The field's converter puts the same voxel centres into the same box, axes permuted or flipped."""
    program = Path(sys.executable).with_name("dcm2niix")
    if not program.exists():
        pytest.skip("dcm2niix is not installed in this environment")
    subprocess.run([program, "-o", tmp_path, "-z", "n", shared_data / "dicom" / name], check=True, capture_output=True)
    oracle = nib.load(min(tmp_path.glob("*.nii")))
    ours = nib.load(image_path(ingested, name))
    assert np.allclose(corners(ours), corners(oracle), atol=1e-2)


def corners(image: nib.Nifti1Image) -> np.ndarray:
    """World coordinates of the eight corner voxels, in an order of their own."""
    ends = np.asarray(image.shape[:3]) - 1
    grid = np.stack(np.meshgrid(*[[0, end] for end in ends], indexing="ij"), axis=-1).reshape(-1, 3)
    world = grid @ image.affine[:3, :3].T + image.affine[:3, 3]
    return world[np.lexsort(np.round(world, 1).T)]


@pytest.mark.parametrize("name", sorted(OUTCOMES))
def test_data_set_conforms(ingested: dict[str, tuple[Path, IngestReport]], name: str) -> None:
    """No finding of level error; what exports left out is a warning."""
    folder, report = ingested[name]
    assert [
        finding for finding in validate(folder).findings if finding.level == "error" and report.count("converted")
    ] == []


def test_reference_implementation_reads_every_image(
    ingested: dict[str, tuple[Path, IngestReport]], tmp_path: Path
) -> None:
    """ormir-mids 0.1.11 finds and loads each, with our shape in space; in its own process, because it writes to HOME."""
    pytest.importorskip("voxel", reason="ormir-mids is not installed in this environment")
    script = (
        "import sys, json; from ormir_mids.utils.io import find_omids, load_omids\n"
        "found = find_omids(sys.argv[1], sys.argv[2]); v = load_omids(found[0])\n"
        "print(json.dumps([len(found), list(v.volume.shape), v.omids_header['Profile'], v.affine.tolist()]))"
    )
    home = {"HOME": str(tmp_path), "VOXEL_CONFIG": str(tmp_path / "config.yaml")}
    for name in CONVERTED:
        folder, report = ingested[name]
        suffix = report.series[0].images[0].suffix.value
        done = subprocess.run(
            [sys.executable, "-c", script, folder, suffix],
            check=True,
            capture_output=True,
            text=True,
            env=os.environ | home,
        )
        count, shape, profile, affine = json.loads(done.stdout.splitlines()[-1])
        ours = nib.load(image_path(ingested, name))
        assert (count, shape, profile) == (1, list(ours.shape), "myofed-1")
        assert np.allclose(affine, ours.affine, atol=1e-3)


IDENTIFYING_VRS = {"PN", "UI", "DA", "DT", "TM"}
IDENTIFYING = {
    "PatientID",
    "OtherPatientIDs",
    "AccessionNumber",
    "StudyID",
    "InstitutionName",
    "InstitutionAddress",
    "InstitutionalDepartmentName",
    "StationName",
    "DeviceSerialNumber",
    "PatientAddress",
    "StudyDescription",
    "PatientComments",
    "ImageComments",
    "RequestingPhysician",
    "PerformedProcedureStepID",
    "IssuerOfPatientID",
}


def identifying_values(dataset: Dataset) -> Iterator[str]:
    """Names, UIDs that are not DICOM's own, dates, times, identifiers and places, at any depth."""
    for element in dataset.iterall():
        if element.VR not in IDENTIFYING_VRS and element.keyword not in IDENTIFYING:
            continue
        values = element.value if isinstance(element.value, pydicom.multival.MultiValue) else [element.value]
        yield from (str(v).strip() for v in values if v and not str(v).startswith("1.2.840.10008"))


@pytest.mark.parametrize("name", sorted(OUTCOMES))
def test_none_of_the_inputs_identifying_values_is_found(
    ingested: dict[str, tuple[Path, IngestReport]], shared_data: Path, name: str
) -> None:
    """Searched in file names, sidecars, reports and the raw bytes of every image."""
    values = set()
    for path in (shared_data / "dicom" / name).iterdir():
        if path.read_bytes()[128:132] == b"DICM":
            values |= set(identifying_values(pydicom.dcmread(path, stop_before_pixels=True)))
    folder, _ = ingested[name]
    texts = {str(p.relative_to(folder)): content(p) for p in folder.rglob("*") if p.is_file()}
    everything = b"\n".join([*(path.encode() for path in texts), *texts.values()])
    assert values
    assert [v for v in values if len(v) >= SHORT and v.encode() in everything] == []
    whole = {text for value in texts.values() if value[:1] in {b"{", b"["} for text in strings(json.loads(value))}
    assert [v for v in values if len(v) < SHORT and v in whole] == []


def content(path: Path) -> bytes:
    """Bytes of a file; of a compressed one, what it holds but the voxels, which are numbers."""
    if not path.name.endswith(".gz"):
        return path.read_bytes()
    with gzip.open(path) as stream:
        return stream.read(352)


def strings(value: object) -> Iterator[str]:
    """All text values of a JSON document."""
    if isinstance(value, dict):
        for item in value.values():
            yield from strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from strings(item)
    elif isinstance(value, str):
        yield value


def test_planted_value_would_be_found(ingested: dict[str, tuple[Path, IngestReport]], tmp_path: Path) -> None:
    """The search of this file sees what it looks for: a name in a sidecar is a text value of it."""
    (tmp_path / "x.json").write_text(json.dumps({"A": [{"B": "Muster"}]}))
    assert list(strings(json.loads(content(tmp_path / "x.json")))) == ["Muster"]
