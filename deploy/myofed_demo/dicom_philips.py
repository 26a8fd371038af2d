"""Philips enhanced export: in-phase, opposed-phase, water and fat as frames of one Enhanced MR Image (PS3.3 A.36).

As in R5 and later: functional groups; every kind of frame with its own rescale slope; under (2005,xx0F) of `Philips MR Imaging
DD 005` each frame repeats its classic header, in which ImagePositionPatient is half a voxel off the standard position and the
scale slope stands in (2005,xx0E) of `Philips MR Imaging DD 001`. Private content is made up.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom.uid import EnhancedMRImageStorage

from myofed_demo.dicom_classic import AXIAL
from myofed_demo.dicom_header import Equipment, Series, header, series_uid, write_instance
from myofed_demo.dicom_philips_groups import FrameKind, FramePlace, add_object_attributes, frame_groups, shared_groups
from myofed_demo.exam import Exam, WrittenSeries
from myofed_demo.phantom import Subject, in_phase
from myofed_demo.scanner import dixon_products

EQUIPMENT = {
    1.5: Equipment("Philips Medical Systems", "Ingenia", "5.4.1\\5.4.1.2", "ISO_IR 192"),
    3.0: Equipment("Philips Medical Systems", "Ingenia Elition X", "5.7.1\\5.7.1.1", "ISO_IR 192"),
}
FULL_SCALE = 4000
LOST_POSITION = 1
DISPLAYED_IN_PHASE = 1500.0
"""Displayed value of the brightest in-phase voxel."""


@dataclass(frozen=True, eq=False)
class Frames:
    """All frames of one kind.

    Attributes:
        kind: How they are marked.
        volume: (i, j, k) magnitudes in displayed units.
    """

    kind: FrameKind
    volume: NDArray[np.float32]


def write_images(folder: Path, exam: Exam, subject: Subject) -> tuple[WrittenSeries, ...]:
    """The subject's Dixon object lies in `folder`; a reader labels its in-phase frames."""
    series = Series(401, "mDIXON FFE thigh", EnhancedMRImageStorage)
    groups = list(_dixon_frames(subject))
    positions = range(subject.preset.shape[2])
    chosen = [(frames, k) for frames in groups for k in positions]
    return (_write_object(folder, exam, subject, series, chosen),)


def write_quarantine(folder: Path, exam: Exam, subject: Subject) -> WrittenSeries:
    """An export that lost frames: the second position lacks water and fat, so their spacing is not uniform."""
    series = Series(501, "mDIXON FFE thigh repeat", EnhancedMRImageStorage)
    chosen = [
        (frames, k)
        for frames in _dixon_frames(subject)
        for k in range(subject.preset.shape[2])
        if k != LOST_POSITION or frames.kind.frame_type in {"IN_PHASE", "OPP_PHASE"}
    ]
    written = _write_object(folder, exam, subject, series, chosen)
    return WrittenSeries("quarantine", written.series_instance_uid, written.files)


def _dixon_frames(subject: Subject) -> Iterator[Frames]:
    water, fat = dixon_products(subject.acquisition, subject.preset)
    index_in = subject.preset.in_phase_echo
    te_opposed, te_in = subject.preset.echo_times_ms[1 - index_in], subject.preset.echo_times_ms[index_in]
    image = in_phase(subject)
    displayed = np.float32(DISPLAYED_IN_PHASE / float(image.max()))
    opposed = np.abs(subject.echoes[..., 1 - index_in])
    yield Frames(FrameKind("WATER", "W", te_in), water * displayed)
    yield Frames(FrameKind("FAT", "F", te_in), fat * displayed)
    yield Frames(FrameKind("IN_PHASE", "IP", te_in), image * displayed)
    yield Frames(FrameKind("OPP_PHASE", "OP", te_opposed), opposed * displayed)


def _write_object(
    folder: Path, exam: Exam, subject: Subject, series: Series, chosen: list[tuple[Frames, int]]
) -> WrittenSeries:
    """One Enhanced MR Image with these frames, in this order, lies in `folder`."""
    dataset = header(exam, series, EQUIPMENT[subject.preset.field_tesla])
    dataset.SOPInstanceUID = exam.uid(f"series {series.number} instance 1")
    add_object_attributes(dataset, exam, subject.preset, frames=len(chosen))
    dataset.SharedFunctionalGroupsSequence = [shared_groups(subject.preset)]
    kinds = list(dict.fromkeys(frames.kind for frames, _ in chosen))
    items, pixels = [], []
    for number, (frames, k) in enumerate(chosen, start=1):
        slope = float(frames.volume.max()) / FULL_SCALE
        position = tuple(float(v) for v in (subject.affine_lps @ (0, 0, k, 1))[:3])
        place = FramePlace(number, k + 1, kinds.index(frames.kind) + 1, position, AXIAL)
        items.append(frame_groups(exam, subject.preset, frames.kind, place, rescale_slope=slope))
        pixels.append(np.rint(frames.volume[:, :, k].T / slope).astype("<u2").tobytes())
    dataset.PerFrameFunctionalGroupsSequence = items
    dataset.PixelData = b"".join(pixels)
    folder.mkdir(parents=True, exist_ok=True)
    write_instance(
        dataset, folder / f"XX_{series.number:04d}_{exam.patient.name.split('^')[0]}", station=exam.hospital.station
    )
    return WrittenSeries("image", series_uid(exam, series), 1, labelled=True)
