"""One series of the vendor matrix on disk, classic or enhanced, and what a right conversion makes of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset
from pydicom.uid import EnhancedMRImageStorage, MRImageStorage

from myofed_demo.dicom_classic import (
    Slice,
    add_pixel_format,
    add_technique,
    oblique_slices,
    orientation_text,
    put_slice,
)
from myofed_demo.dicom_enhanced import FrameDescription, add_object_attributes, frame_groups, shared_groups
from myofed_demo.dicom_header import Series, header, write_instance
from myofed_demo.exam import Exam
from myofed_demo.protocols import Kind, ScanProtocol, Volume
from myofed_demo.vendor_style import Shot, StoredVolume, Style, store

UNSCALED = frozenset({Kind.PHASE, Kind.FAT_FRACTION, Kind.OFF_RESONANCE, Kind.T2})
"""Kinds whose values have a unit, so that no brightest voxel sets their scale."""


@dataclass(frozen=True, eq=False)
class WrittenVolumes:
    """A series as it was written.

    Attributes:
        style: Whose.
        protocol: Of which scan.
        series_instance_uid: Its UID.
        files: In the order of their instance numbers.
        volumes: What is in them.
    """

    style: Style
    protocol: ScanProtocol
    series_instance_uid: str
    files: tuple[Path, ...]
    volumes: tuple[StoredVolume, ...]


def write_series(
    folder: Path, exam: Exam, style: Style, protocol: ScanProtocol, *, volumes: Sequence[Volume], number: int
) -> WrittenVolumes:
    """`folder` holds one series of these volumes of the protocol.

    Args:
        folder: New or existing; file names are the vendor's.
        exam: Patient and visit.
        style: The vendor.
        protocol: Whose technique and description the headers have.
        volumes: One entry of `style.split`.
        number: SeriesNumber.
    """
    folder.mkdir(parents=True, exist_ok=True)
    stored = stored_volumes(style, volumes)
    writer = _write_classic if style.form == "classic" else _write_enhanced
    dataset = _template(exam, style, protocol, number)
    files = writer(folder, exam, style, protocol, stored, dataset)
    return WrittenVolumes(style, protocol, str(dataset.SeriesInstanceUID), tuple(files), stored)


def stored_volumes(style: Style, volumes: Sequence[Volume]) -> tuple[StoredVolume, ...]:
    """The volumes of one series as this vendor stores them; arbitrary units share one scale."""
    brightest = max((float(v.values.max()) for v in volumes if v.kind not in UNSCALED), default=1.0)
    return tuple(store(v, style.encoding(v, brightest)) for v in volumes)


def _template(exam: Exam, style: Style, protocol: ScanProtocol, number: int) -> Dataset:
    sop_class = MRImageStorage if style.form == "classic" else EnhancedMRImageStorage
    dataset = header(exam, Series(number, protocol.description, sop_class), style.equipment)
    if style.form == "classic":
        add_technique(dataset, protocol.technique)
    style.add_series_block(dataset, exam, protocol)
    return dataset


def _write_classic(
    folder: Path,
    exam: Exam,
    style: Style,
    protocol: ScanProtocol,
    stored: tuple[StoredVolume, ...],
    dataset: Dataset,
) -> list[Path]:
    slices = [_slices(item) for item in stored]
    files = []
    for number, (index, k) in enumerate(style.order(len(stored), len(slices[0])), start=1):
        item = stored[index]
        dataset.ImageType = list(style.image_type(item.volume, protocol))
        add_pixel_format(dataset, item.encoding.stored)
        style.mark(dataset, item)
        put_slice(dataset, exam, slices[index][k], number=number)
        files.append(folder / style.file_name(exam, int(dataset.SeriesNumber), number))
        write_instance(dataset, files[-1], station=exam.hospital.station)
    return files


def _slices(item: StoredVolume) -> list[Slice]:
    volume = item.volume
    told = {"echo_index": volume.echo_index, "echo_time_ms": volume.echo_time_ms}
    return list(oblique_slices(item.pixels, volume.affine_lps, **told))  # type: ignore[arg-type]


def _write_enhanced(
    folder: Path,
    exam: Exam,
    style: Style,
    protocol: ScanProtocol,
    stored: tuple[StoredVolume, ...],
    dataset: Dataset,
) -> list[Path]:
    files = []
    for number, chosen in enumerate(style.objects(len(stored)), start=1):
        volumes = [stored[index] for index in chosen]
        places = style.order(len(volumes), volumes[0].pixels.shape[2])
        add_object_attributes(dataset, exam, protocol.technique, style.describe(protocol, volumes, len(places)))
        dataset.SOPInstanceUID = exam.uid(f"series {dataset.SeriesNumber} instance {number}")
        dataset.InstanceNumber = number
        dataset.SharedFunctionalGroupsSequence = [shared_groups(protocol.technique)]
        frames, pixels = [], []
        for frame, (index, k) in enumerate(places, start=1):
            groups = frame_groups(exam, protocol.technique, _frame(style, protocol, volumes, index, k))
            style.mark_frame(groups, Shot(exam, protocol, volumes[index], frame))
            frames.append(groups)
            pixels.append(np.ascontiguousarray(volumes[index].pixels[:, :, k].T).astype("<i2").tobytes())
        dataset.PerFrameFunctionalGroupsSequence = frames
        dataset.PixelData = b"".join(pixels)
        files.append(folder / style.file_name(exam, int(dataset.SeriesNumber), number))
        write_instance(dataset, files[-1], station=exam.hospital.station)
    return files


def _frame(
    style: Style, protocol: ScanProtocol, volumes: Sequence[StoredVolume], index: int, k: int
) -> FrameDescription:
    volume, encoding = volumes[index].volume, volumes[index].encoding
    one_stack = all(np.array_equal(v.volume.affine_lps, volume.affine_lps) for v in volumes)
    return FrameDescription(
        frame_type=style.image_type(volume, protocol),
        component=style.component(volume),
        contrast=style.contrasts.get(protocol.name, style.usual_contrast),
        echo_time_ms=volume.echo_time_ms,
        stack="1" if one_stack else str(index + 1),
        in_stack=k + 1,
        index_values=style.index_values([v.volume for v in volumes], index, k),
        position_mm=tuple(float(v) for v in (volume.affine_lps @ (0, 0, k, 1))[:3]),
        orientation=orientation_text(volume.affine_lps),
        rescale=encoding.rescale or ("1", "0", "US"),
    )
