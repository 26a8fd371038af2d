"""A DICOM SEG as a map on an image's grid."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset, dcmread
from pydicom.errors import InvalidDicomError
from pydicom.uid import SegmentationStorage

from myofed_node.label_exchange.placement import DicomPlane, voxels_of
from myofed_node.label_exchange.refusal import LabelRefusedError
from myofed_node.label_exchange.seg_codes import CodedSegment, coded_segment
from myofed_node.label_exchange.translation import Label, Translation

SCHEME = "dicom-seg"
LABEL_MAP_SEGMENTATION_STORAGE = "1.2.840.10008.5.1.4.1.1.66.7"
"""SOP class of LABELMAP (PS3.4 B.5); pydicom 3.0 does not know it yet."""
_UNDECODABLE = (AttributeError, KeyError, IndexError, ValueError, RuntimeError, NotImplementedError, TypeError)
"""What pydicom raises for pixels or groups that are not there or not as its header says."""


@dataclass(frozen=True)
class Segmentation:
    """A SEG on an image's grid.

    Attributes:
        values: (i, j, k) int64, segment numbers.
        translation: What they stand for.
    """

    values: NDArray[np.int64]
    translation: Translation


def read_segmentation(
    path: Path,
    affine_ras: NDArray[np.float64],
    shape: tuple[int, ...],
    *,
    series_uids: Iterable[str],
    new_uid_of: Callable[[str], str] = str,
    ignored: Iterable[str] = (),
) -> Segmentation:
    """The segments of a SEG (BINARY or LABELMAP) in the voxels of the image that it was drawn on.

    Args:
        path: The DICOM file.
        affine_ras: (4, 4), the image's.
        shape: (i, j, k), the image's.
        series_uids: SeriesInstanceUIDs of the image's source, as its sidecar has them.
        new_uid_of: What de-identification made of a UID; the SEG may name the series by either.
        ignored: Names of segments that a person agreed to drop.

    Raises:
        LabelRefusedError: LABEL_FILE_UNREADABLE, SEG_FRACTIONAL, SEG_OTHER_SERIES, SEG_BACKGROUND, SEG_OVERLAP, LABEL_GRID.
    """
    seg = _read(path)
    _check_series(seg, set(series_uids), new_uid_of)
    try:
        segments = [coded_segment(item) for item in seg.SegmentSequence]
        frames = _frames(seg)
        planes = [_plane(seg, n) for n in range(len(frames))]
        numbers = [_segment_number(seg, n) for n in range(len(frames))]
    except _UNDECODABLE:
        raise LabelRefusedError("LABEL_FILE_UNREADABLE") from None
    _check_background(seg, segments)
    values = np.zeros(shape[:3], dtype=np.int64)
    for frame, plane, number in zip(frames, planes, numbers, strict=True):
        _put(values, frame, voxels_of(plane, affine_ras, shape), number)
    labels = {segment.number: Label(segment.label, segment.target) for segment in segments}
    return Segmentation(values, Translation.of_labels(labels, scheme=SCHEME, ignored=ignored))


def _read(path: Path) -> Dataset:
    try:
        seg = dcmread(path)
        is_seg = seg.SOPClassUID in {SegmentationStorage, LABEL_MAP_SEGMENTATION_STORAGE}
    except (OSError, InvalidDicomError, AttributeError, ValueError, EOFError):
        raise LabelRefusedError("LABEL_FILE_UNREADABLE") from None
    if not is_seg:
        raise LabelRefusedError("LABEL_FILE_UNREADABLE")
    if seg.get("SegmentationType") not in {"BINARY", "LABELMAP"}:
        raise LabelRefusedError(
            "SEG_FRACTIONAL",
            "expected a SEG of type BINARY or LABELMAP, found another",
            hint="a fraction is no label: choose a threshold in the tool that made it",
        )
    return seg


def _check_series(seg: Dataset, expected: set[str], new_uid_of: Callable[[str], str]) -> None:
    named = {str(item.get("SeriesInstanceUID", "")) for item in seg.get("ReferencedSeriesSequence", ())}
    if not named or not all(uid in expected or new_uid_of(uid) in expected for uid in named):
        raise LabelRefusedError(
            "SEG_OTHER_SERIES",
            "expected a SEG that refers to the image's series, found another series or none",
            hint="give the image that it was drawn on; originals need --site, whose key knows their new UIDs",
        )


def _check_background(seg: Dataset, segments: Iterable[CodedSegment]) -> None:
    """Returns where 0 is no muscle: a LABELMAP may choose another background (Pixel Padding Value, PS3.3 C.8.20.2)."""
    zero_is_drawn = any(segment.number == 0 and segment.target is not None for segment in segments)
    if zero_is_drawn or int(seg.get("PixelPaddingValue", 0)) != 0:
        raise LabelRefusedError(
            "SEG_BACKGROUND",
            "expected 0 as background of a LABELMAP, found another",
            hint="save it with background 0, or as BINARY",
        )


def _frames(seg: Dataset) -> NDArray[np.int64]:
    pixels = np.asarray(seg.pixel_array)
    return pixels.reshape(int(seg.NumberOfFrames), int(seg.Rows), int(seg.Columns)).astype(np.int64)


def _group(seg: Dataset, frame: int, keyword: str) -> Dataset:
    """The functional group of a frame: its own, else the shared one (PS3.3 C.7.6.16)."""
    own = seg.PerFrameFunctionalGroupsSequence[frame]
    group: Dataset = (own if keyword in own else seg.SharedFunctionalGroupsSequence[0])[keyword][0]
    return group


def _plane(seg: Dataset, frame: int) -> DicomPlane:
    return DicomPlane(
        rows=int(seg.Rows),
        columns=int(seg.Columns),
        position_lps=_numbers(_group(seg, frame, "PlanePositionSequence").ImagePositionPatient),
        orientation_lps=_numbers(_group(seg, frame, "PlaneOrientationSequence").ImageOrientationPatient),
        spacing_mm=_numbers(_group(seg, frame, "PixelMeasuresSequence").PixelSpacing),
    )


def _numbers(values: Iterable[object]) -> tuple[float, ...]:
    return tuple(float(str(value)) for value in values)


def _segment_number(seg: Dataset, frame: int) -> int | None:
    """Whose frame it is in a BINARY SEG; the pixels of a LABELMAP say it themselves."""
    if seg.SegmentationType == "LABELMAP":
        return None
    return int(_group(seg, frame, "SegmentIdentificationSequence").ReferencedSegmentNumber)


def _put(
    values: NDArray[np.int64],
    frame: NDArray[np.int64],
    voxels: tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]],
    number: int | None,
) -> None:
    drawn = frame if number is None else frame * number
    there = values[voxels]
    if ((drawn != 0) & (there != 0)).any():
        raise LabelRefusedError(
            "SEG_OVERLAP",
            "expected one muscle a voxel, found segments that overlap",
            hint="correct the segments in the tool that drew them",
        )
    values[voxels] = np.where(drawn != 0, drawn, there)
