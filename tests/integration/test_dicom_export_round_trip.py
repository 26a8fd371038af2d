"""DICOM -> de-identified -> ORMIR-MIDS -> DICOM: read by others and by ourselves, every image is the same again."""

from __future__ import annotations

import datetime as dt
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from pydicom import dcmread

from myofed_anonymization import Options, SiteKeys, default_policy, deidentify
from myofed_demo.hospital import make_hospital
from myofed_demo.presets import PRESETS
from myofed_demo.vendor_matrix import write_matrix
from myofed_node.ingest import IngestPolicy, ingest
from myofed_node.mids import open_dataset
from myofed_node.mids.back_to_dicom.dicom_export import DicomExportReport, export_dicom
from myofed_node.mids.convert import convert
from myofed_node.mids.dataset import Dataset
from myofed_node.mids.dicom_input.headers import read_series
from myofed_node.mids.geometry import stack
from myofed_node.mids.image import Image
from myofed_schemas.mids import Part, Suffix

NOW = dt.datetime(2026, 1, 2, tzinfo=dt.UTC)
DCM2NIIX = Path(sys.executable).parent / "dcm2niix"
CORNER_TOLERANCE_MM = 1e-3
LPS_FROM_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


@dataclass(frozen=True)
class Exported:
    """A data set and its DICOM."""

    dataset: Dataset
    out: Path
    report: DicomExportReport

    def pairs(self) -> list[tuple[Image, Path]]:
        """Every image with the folder of its series."""
        return [(self.dataset.image(one.image), self.out / (one.folder or "")) for one in self.report.images]


def exported(dataset: Path, out: Path) -> Exported:
    report = export_dicom(dataset, out)
    assert report.complete, report.lines()
    return Exported(open_dataset(dataset), out, report)


@pytest.fixture(scope="module")
def matrix(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    """Every kind of every vendor that the generator writes and conversion takes, classic and enhanced."""
    root = tmp_path_factory.mktemp("matrix")
    write_matrix(root / "dicom")
    keys, options = SiteKeys(bytes(32)), Options(processes=1)
    deidentify(root / "dicom", root / "clean", keys=keys, policy=default_policy(), now=NOW, options=options)
    convert(root / "clean", root / "mids", now=NOW)
    return exported(root / "mids", root / "out")


@pytest.fixture(scope="module", params=sorted(PRESETS))
def hospital(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Exported:
    """The demonstration's hospitals, one scanner each."""
    root = tmp_path_factory.mktemp("hospital")
    make_hospital(root / "hospital", name="h", preset=PRESETS[request.param], subjects=2, seed=1)
    policy = IngestPolicy(default_policy())
    ingest(root / "hospital" / "dicom", root / "mids", keys=SiteKeys(bytes(32)), policy=policy, now=NOW)
    return exported(root / "mids", root / "out")


def same_in_dcm2niix(image: Image, folder: Path, work: Path) -> str:
    """What differs between the image and dcm2niix's reading of its series, empty where nothing does."""
    work.mkdir(parents=True)
    command = [DCM2NIIX, "-z", "n", "-b", "n", "-f", "%e_%p", "-o", work, folder]
    subprocess.run(command, check=True, capture_output=True)
    made = [nib.load(path) for path in sorted(work.glob("*.nii"), key=lambda p: int(p.name.split("_")[0]))]
    values = image.values()
    values = values if values.ndim == 4 else values[..., None]
    if len(made) != values.shape[3]:
        return f"{len(made)} files for {values.shape[3]} echoes"
    grid = np.indices(values.shape[:3]).reshape(3, -1)
    world = image.affine_ras[:3, :3] @ grid + image.affine_ras[:3, 3:]
    for echo, other in enumerate(made):
        inverse = np.linalg.inv(other.affine)
        found = inverse[:3, :3] @ world + inverse[:3, 3:]
        index = np.rint(found).astype(int)
        apart_mm = np.abs(other.affine[:3, :3] @ (found - index)).max()
        inside = (index >= 0).all() and (index < np.asarray(other.shape)[:, None]).all()
        if not inside or apart_mm > CORNER_TOLERANCE_MM:
            return f"geometry {apart_mm:.5f} mm"
        read = np.asarray(other.dataobj, dtype=np.float64)[tuple(index)]
        expected = values[..., echo].reshape(-1).astype(np.float64)
        # dcm2niix keeps the slope as float32 or writes float32: half a unit of the 24th bit twice.
        tolerance = 0 if values.dtype.kind in "iu" else 2.5e-7 * np.abs(expected).max()
        if np.abs(read - expected).max() > tolerance:
            return f"values {np.abs(read - expected).max():g}"
    return ""


def same_in_our_readers(image: Image, folder: Path) -> str:
    """What differs when the converter's own functions read the series."""
    datasets = [dcmread(path) for path in sorted(folder.iterdir())]
    series = read_series(datasets)
    found = stack(series.frames, spacing_between_slices_mm=series.acquisition.spacing_between_slices_mm)
    ends = np.asarray(image.shape[:3]) - 1
    corners = np.asarray([[*(ends * corner), 1.0] for corner in np.ndindex(2, 2, 2)])
    apart_mm = np.abs(corners @ (found.affine_ras - image.affine_ras).T).max()
    if apart_mm > CORNER_TOLERANCE_MM:
        return f"geometry {apart_mm:.5f} mm"
    values = image.values()
    values = values if values.ndim == 4 else values[..., None]
    for k, group in enumerate(found.frames):
        for echo, frame in enumerate(group):
            dataset = datasets[frame.file]
            pixels = (
                np.frombuffer(dataset.FloatPixelData, "<f4").reshape(-1, *frame.plane.shape)[frame.index]
                if "FloatPixelData" in dataset
                else dataset.pixel_array
            )
            real = pixels.astype(np.float64) * frame.mapping.slope + frame.mapping.intercept
            if not np.array_equal(real.astype(values.dtype), values[:, :, k, echo].T):
                return "values"
    return ""


@pytest.mark.slow
@pytest.mark.skipif(not DCM2NIIX.is_file(), reason="dcm2niix is not installed in this environment")
def test_every_kind_is_the_same_in_dcm2niix(matrix: Exported, tmp_path: Path) -> None:
    """Every voxel at its place in space within 1e-3 mm, by a tool that knows nothing of us."""
    wrong = {
        str(image.path): told
        for number, (image, folder) in enumerate(matrix.pairs())
        if (told := same_in_dcm2niix(image, folder, tmp_path / str(number)))
    }
    assert len(matrix.pairs()) >= 40
    assert wrong == {}


@pytest.mark.slow
def test_every_kind_is_the_same_in_our_readers(matrix: Exported) -> None:
    """Bit for bit."""
    wrong = {str(i.path): told for i, folder in matrix.pairs() if (told := same_in_our_readers(i, folder))}
    assert wrong == {}


def errors_of_dciodvfy(folder: Path) -> set[str]:
    """What the validator of others finds wrong in the first and the last file of the series."""
    told = [
        subprocess.run(["dciodvfy", path], capture_output=True, text=True).stderr.splitlines()
        for path in {min(folder.iterdir()), max(folder.iterdir())}
    ]
    assert all({"MRImage", "ParametricMap"} & set(lines) for lines in told)
    return {line for lines in told for line in lines if line.startswith("Error")}


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="dciodvfy (Debian package dicom3tools) is not installed")
def test_every_kind_is_valid_to_others(matrix: Exported) -> None:
    """No error in any series."""
    assert set().union(*(errors_of_dciodvfy(folder) for _, folder in matrix.pairs())) == set()


@pytest.mark.slow
def test_matrix_covers_the_kinds(matrix: Exported) -> None:
    """Echoes, Dixon products, phase and maps are among them."""
    kinds = {(image.suffix, image.part) for image, _ in matrix.pairs()}
    assert kinds >= {(Suffix.MEGRE, None), (Suffix.MEGRE, Part.PHASE), (Suffix.MESE, None), (Suffix.T1W, None),
                     (Suffix.WAT, None), (Suffix.FAT, None), (Suffix.INPH, None), (Suffix.OUTPH, None)}  # fmt: skip


@pytest.mark.slow
@pytest.mark.skipif(not DCM2NIIX.is_file(), reason="dcm2niix is not installed in this environment")
def test_hospitals_images_are_the_same_in_both(hospital: Exported, tmp_path: Path) -> None:
    """The demonstration's own series, at full size."""
    wrong = {
        str(image.path): told
        for number, (image, folder) in enumerate(hospital.pairs())
        if (told := same_in_our_readers(image, folder) or same_in_dcm2niix(image, folder, tmp_path / str(number)))
    }
    assert wrong == {}


@pytest.mark.slow
def test_hospitals_images_come_back_through_the_whole_chain(hospital: Exported, tmp_path: Path) -> None:
    """What was exported is de-identified and converted again: the same images with the same voxels and geometry."""
    policy = IngestPolicy(default_policy())
    report = ingest(hospital.out, tmp_path / "again", keys=SiteKeys(b"k" * 32), policy=policy, now=NOW)
    assert {series.outcome for series in report.series} == {"converted"}
    again = open_dataset(tmp_path / "again")
    assert len(again.images()) == len(hospital.dataset.images())
    for image in hospital.dataset.images():
        found = [
            i for i in again.images(suffix=image.suffix, part=image.part) if np.array_equal(i.values(), image.values())
        ]
        assert len(found) == 1, image.path
        assert found[0].values().dtype == image.values().dtype
        assert found[0].same_grid(image)
        assert found[0].echo_times_ms == image.echo_times_ms


REAL = ("ge_gre_anat", "philips_enh_t1", "siemens_gre_2echo_mag", "siemens_xa30_enh_t1w")
"""The public sets that conversion takes."""


@pytest.mark.slow
@pytest.mark.real_data
@pytest.mark.skipif(not DCM2NIIX.is_file(), reason="dcm2niix is not installed in this environment")
@pytest.mark.parametrize("name", REAL)
def test_real_images_are_the_same_and_valid(tmp_path: Path, shared_data: Path, name: str) -> None:
    """Headers of real scanners, classic and enhanced."""
    policy = IngestPolicy(default_policy())
    ingest(shared_data / "dicom" / name, tmp_path / "mids", keys=SiteKeys(bytes(32)), policy=policy, now=NOW)
    ((image, folder),) = exported(tmp_path / "mids", tmp_path / "out").pairs()
    assert same_in_our_readers(image, folder) == ""
    assert same_in_dcm2niix(image, folder, tmp_path / "nii") == ""
    if shutil.which("dciodvfy") is not None:
        assert errors_of_dciodvfy(folder) == set()
