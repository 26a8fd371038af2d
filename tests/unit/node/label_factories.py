"""A data set with one image, its de-identified DICOM source, and label maps on its grid."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from mids_factories import Kind, affine_ras, classic, enhanced
from pydicom import Dataset
from pydicom.filewriter import dcmwrite

from myofed_node.label_map import DrawnMap
from myofed_node.mids.nifti import write_nifti
from myofed_schemas.mids import ImageName, Suffix
from myofed_schemas.sidecar import Provenance, Sidecar

SHAPE = (5, 4, 3)
NAME = ImageName("A", "1", Suffix.INPH)
LEFT, RIGHT = (3, 2, 1), (0, 1, 0)
"""Voxels on either side of the body."""


def drawn(values: dict[tuple[int, int, int], int], affine: np.ndarray | None = None) -> DrawnMap:
    """A map with these voxels."""
    array = np.zeros(SHAPE, dtype=np.int16)
    for voxel, value in values.items():
        array[voxel] = value
    present = tuple(sorted(set(values.values())))
    return DrawnMap(array, affine_ras() if affine is None else affine, present, present)


def source_files(folder: Path, *, multi_frame: bool = False, slices: int = 3, **extra: object) -> list[Dataset]:
    """The image's source as de-identification leaves it, written to a folder."""
    kind = Kind(slices=slices, extra=extra)
    datasets = [enhanced(kind)] if multi_frame else classic(kind)
    folder.mkdir(parents=True, exist_ok=True)
    for number, dataset in enumerate(datasets):
        dataset.FrameOfReferenceUID = "2.25.77"
        for keyword in ("StudyTime", "StudyID", "PatientName", "PatientSex", "PatientBirthDate", "AccessionNumber"):
            setattr(dataset, keyword, "")
        dataset.StudyDate, dataset.ReferringPhysicianName = "20200101", ""
        for keyword, value in extra.items():
            if value is None and keyword in dataset:
                delattr(dataset, keyword)
        dcmwrite(folder / f"{number}.dcm", dataset, enforce_file_format=True)
    return datasets


def make_dataset(root: Path, series_uid: str) -> Path:
    """One image with the sidecar that our conversion writes."""
    write_nifti(root / NAME.image, np.ones(SHAPE, dtype=np.int16), affine_ras())
    provenance = Provenance(
        SourceSeriesInstanceUID=series_uid,
        SourceDigest="a" * 64,
        SourceFiles=1,
        PolicyDigest="a" * 64,
        ImageDigest="a" * 64,
        ValueScaling="stored",
        Tools={"myofed": "0"},
    )
    (root / NAME.sidecar).write_bytes(Sidecar(Provenance=provenance).to_json())
    return root


def write_map(path: Path, values: dict[tuple[int, int, int], int], affine: np.ndarray | None = None) -> Path:
    """A delivered NIfTI map with these voxels."""
    item = drawn(values, affine)
    write_nifti(path, item.values, item.affine_ras)
    return path


def sidecar_of(path: Path) -> dict[str, object]:
    """The JSON beside a NIfTI file."""
    document: dict[str, object] = json.loads(path.with_name(path.name.replace(".nii.gz", ".json")).read_text())
    return document
