"""Proof that a written DICOM series is the image it was made of: every plane found in space, every voxel equal.

Nothing of the writer is used: each frame's corners are placed by ImagePositionPatient (PS3.3 C.7.6.2.1.1) and looked up in
the NIfTI file's affine, and its values follow from the bytes on disk.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset, dcmread

from myofed_node.mids.back_to_dicom.dicom_source import DicomSource
from myofed_node.mids.dicom_input.elements import DAMAGED
from myofed_schemas.errors import MyofedError

POSITION_TOLERANCE_MM: Final = 1e-3
ECHO_TOLERANCE_MS: Final = 1e-6


@dataclass(frozen=True)
class _Plane:
    """One frame as the files tell it.

    Attributes:
        position_lps: Centre of the first voxel, mm.
        along_columns_lps: From one column to the next, mm.
        along_rows_lps: From one row to the next, mm.
        values: (rows, columns).
        echo_time_ms: None where empty.
    """

    position_lps: NDArray[np.float64]
    along_columns_lps: NDArray[np.float64]
    along_rows_lps: NDArray[np.float64]
    values: NDArray[np.generic]
    echo_time_ms: float | None


def prove_series(folder: Path, source: DicomSource) -> int:
    """The folder's files are exactly this image's series: identity, geometry within 1e-3 mm, every voxel.

    Returns:
        Number of files.

    Raises:
        MyofedError: EXPORT_PROOF_FAILED.
    """
    seen: set[tuple[int, int]] = set()
    uids: set[str] = set()
    files = sorted(folder.iterdir())
    for path in files:
        try:
            dataset = dcmread(path)
            planes = list(_planes(dataset))
        except DAMAGED:
            raise _failed("files=cannot be read") from None
        uids.add(_checked_uid(dataset, source))
        for plane in planes:
            seen.add(_place(plane, source))
    slices, echoes = source.values.shape[2:]
    if len(seen) != slices * echoes or len(uids) != len(files):
        raise _failed(f"planes={len(seen)} of {slices * echoes}")
    return len(files)


def _checked_uid(dataset: Dataset, source: DicomSource) -> str:
    identity = (dataset.PatientID, dataset.StudyInstanceUID, dataset.SeriesInstanceUID, dataset.SOPInstanceUID)
    number = int(dataset.InstanceNumber)
    if identity != (source.image.name.subject, source.study_uid, source.series_uid, source.instance_uid(number)):
        raise _failed("UIDs=of another image")
    return str(dataset.SOPInstanceUID)


def _planes(dataset: Dataset) -> Iterator[_Plane]:
    if "FloatPixelData" not in dataset:
        stored = np.frombuffer(dataset.PixelData, dtype="<i2" if dataset.PixelRepresentation else "<u2")
        yield _plane(dataset, dataset, dataset, _rescaled(stored, dataset).reshape(dataset.Rows, dataset.Columns))
        return
    shared = dataset.SharedFunctionalGroupsSequence[0]
    frames = np.frombuffer(dataset.FloatPixelData, dtype="<f4").reshape(-1, dataset.Rows, dataset.Columns)
    for groups, values in zip(dataset.PerFrameFunctionalGroupsSequence, frames, strict=True):
        measures, orientation = shared.PixelMeasuresSequence[0], shared.PlaneOrientationSequence[0]
        placed = Dataset()
        placed.ImagePositionPatient = groups.PlanePositionSequence[0].ImagePositionPatient
        placed.ImageOrientationPatient = orientation.ImageOrientationPatient
        yield _plane(dataset, placed, measures, values)


def _rescaled(stored: NDArray[np.generic], dataset: Dataset) -> NDArray[np.generic]:
    if "RescaleSlope" not in dataset:
        return stored
    slope, intercept = float(dataset.RescaleSlope), float(dataset.RescaleIntercept)
    return (stored.astype(np.float64) * slope + intercept).astype(np.float32)


def _plane(root: Dataset, place: Dataset, measures: Dataset, values: NDArray[np.generic]) -> _Plane:
    orientation = np.asarray(place.ImageOrientationPatient, dtype=np.float64)
    between_rows, between_columns = (float(value) for value in measures.PixelSpacing)
    return _Plane(
        position_lps=np.asarray(place.ImagePositionPatient, dtype=np.float64),
        along_columns_lps=orientation[:3] * between_columns,
        along_rows_lps=orientation[3:] * between_rows,
        values=values,
        echo_time_ms=None if root.EchoTime is None else float(root.EchoTime),
    )


def _place(plane: _Plane, source: DicomSource) -> tuple[int, int]:
    """Slice and echo at which the image holds this plane, voxel by voxel."""
    columns, rows, slices, _ = source.values.shape
    k = round(float((np.linalg.inv(source.affine_lps) @ (*plane.position_lps, 1))[2]))
    ends = [(0, 0), (columns - 1, 0), (0, rows - 1), (columns - 1, rows - 1)]
    found = [plane.position_lps + plane.along_columns_lps * i + plane.along_rows_lps * j for i, j in ends]
    expected = [(source.affine_lps @ (i, j, k, 1))[:3] for i, j in ends]
    apart_mm = float(np.abs(np.asarray(found) - np.asarray(expected)).max())
    if not 0 <= k < slices or apart_mm > POSITION_TOLERANCE_MM:
        raise _failed(f"offset mm={apart_mm:.4f}")
    echo = _echo(plane, source)
    if not np.array_equal(plane.values, source.values[:, :, k, echo].T):
        raise _failed("voxels=not those of the image")
    return k, echo


def _echo(plane: _Plane, source: DicomSource) -> int:
    for echo, time in enumerate(source.echo_times_ms):
        same = time is None and plane.echo_time_ms is None
        if same or (None not in {time, plane.echo_time_ms} and _near(time or 0.0, plane.echo_time_ms or 0.0)):
            return echo
    raise _failed("EchoTime=not one of the image")


def _near(first: float, second: float) -> bool:
    return abs(first - second) <= ECHO_TOLERANCE_MS


def _failed(evidence: str) -> MyofedError:
    return MyofedError(
        "EXPORT_PROOF_FAILED",
        f"expected DICOM files that hold exactly the image, found {evidence}",
        hint="nothing was kept of files written now; files that were there before are left as they are: look at OUT",
    )
