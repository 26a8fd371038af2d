"""The DICOM images that a label map belongs to: one for each of its slices."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset, dcmread
from pydicom.errors import InvalidDicomError

from myofed_node.label_exchange.placement import DicomPlane, Indices, voxels_of
from myofed_node.label_exchange.refusal import LabelRefusedError

NEEDED = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "FrameOfReferenceUID", "Rows", "Columns")
"""Without these no SEG can refer to an image."""


@dataclass(frozen=True)
class SourceSlice:
    """One plane of the source and its voxels in the label map.

    Attributes:
        dataset: Its file, without pixels.
        plane: In space.
        voxels: Index arrays into the label map.
    """

    dataset: Dataset
    plane: DicomPlane
    voxels: Indices


def source_slices(
    folder: Path, affine_ras: NDArray[np.float64], shape: tuple[int, ...], *, series_uids: Sequence[str]
) -> tuple[SourceSlice, ...]:
    """One image of the source series for each slice of the map, in the map's order.

    Of several images at one position (echoes, parts) the first by SOPInstanceUID is taken; all lie in the same place.

    Args:
        folder: DICOM files of the source, also in folders below; other files and series are passed over.
        affine_ras: (4, 4), of the map.
        shape: (i, j, k), of the map.
        series_uids: SeriesInstanceUIDs of the source, as the image's sidecar has them.

    Raises:
        LabelRefusedError: SEG_SOURCE_MISSING: no such series, or an attribute or a slice of it is not there; LABEL_GRID.
    """
    found: dict[tuple[int, ...], SourceSlice] = {}
    for dataset in sorted(_datasets(folder, set(series_uids)), key=lambda d: str(d.SOPInstanceUID)):
        for plane in _planes(dataset):
            voxels = voxels_of(plane, affine_ras, shape)
            corners = tuple(int(axis.flat[place]) for axis in voxels for place in (0, -1))
            found.setdefault(corners, SourceSlice(dataset, plane, voxels))
    slices = tuple(found[key] for key in sorted(found))
    covered = np.zeros(shape[:3], dtype=np.uint8)
    for item in slices:
        covered[item.voxels] += 1
    if not slices or (covered != 1).any():
        raise LabelRefusedError(
            "SEG_SOURCE_MISSING",
            f"expected the DICOM images of every slice of the map's series, found {len(slices)} of their planes",
            hint="--source is the de-identified folder that the image was converted from",
        )
    return slices


def _datasets(folder: Path, series_uids: set[str]) -> Iterator[Dataset]:
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        try:
            dataset = dcmread(path, stop_before_pixels=True)
        except (InvalidDicomError, OSError, ValueError):
            continue  # a report or another file beside the images
        if dataset.get("SeriesInstanceUID") in series_uids:
            if any(not dataset.get(keyword) for keyword in NEEDED):
                raise LabelRefusedError(
                    "SEG_SOURCE_MISSING",
                    f"expected {', '.join(NEEDED)} in the source images, found an image without one",
                    hint="export nifti instead, or take the folder that de-identification wrote",
                )
            yield dataset


def _planes(dataset: Dataset) -> Iterator[DicomPlane]:
    if "PerFrameFunctionalGroupsSequence" not in dataset:
        yield _plane(dataset, dataset, dataset, dataset)
        return
    shared = dataset.SharedFunctionalGroupsSequence[0]
    for own in dataset.PerFrameFunctionalGroupsSequence:
        position, orientation, measures = (
            (own if keyword in own else shared)[keyword][0]
            for keyword in ("PlanePositionSequence", "PlaneOrientationSequence", "PixelMeasuresSequence")
        )
        yield _plane(dataset, position, orientation, measures)


def _plane(dataset: Dataset, position: Dataset, orientation: Dataset, measures: Dataset) -> DicomPlane:
    return DicomPlane(
        rows=int(dataset.Rows),
        columns=int(dataset.Columns),
        position_lps=tuple(float(x) for x in position.ImagePositionPatient),
        orientation_lps=tuple(float(x) for x in orientation.ImageOrientationPatient),
        spacing_mm=tuple(float(x) for x in measures.PixelSpacing),
    )
