"""The proof of written DICOM notices everything that could go wrong with it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pydicom import Dataset, dcmread
from pydicom.filewriter import dcmwrite
from reading_factories import MEGRE, SHAPE, T1W, voxels, write_image

from myofed_node.mids import open_dataset
from myofed_node.mids.back_to_dicom.dicom_objects import objects_of
from myofed_node.mids.back_to_dicom.dicom_proof import prove_series
from myofed_node.mids.back_to_dicom.dicom_source import DicomSource, read_source
from myofed_schemas.errors import MyofedError
from myofed_schemas.mids import ImageName

NOISE = np.random.default_rng(5).random((*SHAPE, 2), np.float32)


def written(root: Path, values: np.ndarray, name: ImageName = MEGRE, **keys: object) -> tuple[Path, DicomSource]:
    write_image(root / "mids", name, values, **keys)
    source = read_source(open_dataset(root / "mids").image(name.image))
    folder = root / "series"
    folder.mkdir()
    for dataset in objects_of(source):
        dcmwrite(folder / f"{dataset.InstanceNumber:05d}.dcm", dataset, enforce_file_format=True)
    return folder, source


def refused(folder: Path, source: DicomSource) -> str:
    with pytest.raises(MyofedError) as refusal:
        prove_series(folder, source)
    assert refusal.value.code == "EXPORT_PROOF_FAILED"
    return refusal.value.message


def change(folder: Path, how: Callable[[Dataset], object]) -> None:
    path = min(folder.iterdir())
    dataset = dcmread(path)
    how(dataset)
    dcmwrite(path, dataset, enforce_file_format=True)


def set_pixel(dataset: Dataset) -> None:
    keyword = "FloatPixelData" if "FloatPixelData" in dataset else "PixelData"
    content = bytearray(dataset[keyword].value)
    content[0] ^= 1
    setattr(dataset, keyword, bytes(content))


def shift(dataset: Dataset) -> None:
    groups = dataset.get("PerFrameFunctionalGroupsSequence")
    place = groups[0].PlanePositionSequence[0] if groups else dataset
    place.ImagePositionPatient = [float(place.ImagePositionPatient[0]) + 0.002, *place.ImagePositionPatient[1:]]


def turn(dataset: Dataset) -> None:
    groups = dataset.get("SharedFunctionalGroupsSequence")
    place = groups[0].PlaneOrientationSequence[0] if groups else dataset
    place.ImageOrientationPatient = [-1, 0, 0, 0, 1, 0]


@pytest.mark.parametrize("values", [voxels(), NOISE], ids=["16 bits", "float"])
@pytest.mark.parametrize(
    ("how", "told"),
    [
        (set_pixel, "voxels"),
        (shift, "offset"),
        (turn, "offset"),
        (lambda d: setattr(d, "EchoTime", "4.6"), "voxels"),
        (lambda d: setattr(d, "EchoTime", "2.4"), "EchoTime"),
        (lambda d: setattr(d, "EchoTime", None), "EchoTime"),
        (lambda d: setattr(d, "PatientID", "02"), "UIDs"),
        (lambda d: setattr(d, "SeriesInstanceUID", "2.25.1"), "UIDs"),
        (lambda d: setattr(d, "InstanceNumber", 2), "UIDs"),
    ],
)
def test_any_change_is_noticed(tmp_path: Path, values: np.ndarray, how: Callable[[Dataset], object], told: str) -> None:
    """One bit of a voxel, two micrometres, a mirrored axis, another echo, another patient."""
    folder, source = written(tmp_path, values)
    change(folder, how)
    assert told in refused(folder, source)


def test_plane_far_outside_is_noticed(tmp_path: Path) -> None:
    """A slice that the image does not have."""
    folder, source = written(tmp_path, voxels())
    change(folder, lambda d: setattr(d, "ImagePositionPatient", [-40, 25, 400]))
    assert "offset" in refused(folder, source)


def test_missing_and_doubled_files_are_noticed(tmp_path: Path) -> None:
    """Every plane exactly once."""
    folder, source = written(tmp_path, voxels())
    shutil.copy(folder / "00001.dcm", folder / "00009.dcm")
    assert "planes=6" in refused(folder, source)
    (folder / "00009.dcm").unlink()
    (folder / "00006.dcm").unlink()
    assert "planes=5" in refused(folder, source)


@pytest.mark.parametrize("content", [b"", b"no DICOM at all", None])
def test_damaged_file_is_noticed(tmp_path: Path, content: bytes | None) -> None:
    """Empty, foreign or cut."""
    folder, source = written(tmp_path, voxels())
    path = folder / "00003.dcm"
    path.write_bytes(path.read_bytes()[:-30] if content is None else content)
    assert "cannot be read" in refused(folder, source)


@pytest.mark.parametrize(("values", "files"), [(voxels(), 6), (NOISE, 2), ((voxels() * 0.37).astype(np.float32), 6)])
def test_what_is_right_is_proven(tmp_path: Path, values: np.ndarray, files: int) -> None:
    """Stored, float and rescaled."""
    assert prove_series(*written(tmp_path, values)) == files


def test_image_without_echo_time_is_proven(tmp_path: Path) -> None:
    """Empty in DICOM, absent in the sidecar."""
    assert prove_series(*written(tmp_path, voxels(echoes=1), T1W, EchoTime=None)) == 3
