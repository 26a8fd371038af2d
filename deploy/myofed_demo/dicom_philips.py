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

from myofed_demo.dicom_classic import AXIAL, Stored
from myofed_demo.dicom_enhanced import (
    FrameDescription,
    ObjectDescription,
    add_object_attributes,
    frame_groups,
    shared_groups,
)
from myofed_demo.dicom_header import Equipment, Series, decimal, header, series_uid, write_instance
from myofed_demo.dicom_philips_groups import DIMENSIONS, ClassicCopy, add_classic_copy, add_object_block
from myofed_demo.dicom_technique import technique_of
from myofed_demo.exam import Exam, WrittenSeries
from myofed_demo.phantom import Subject, in_phase
from myofed_demo.scanner import dixon_products

EQUIPMENT = {
    1.5: Equipment("Philips Medical Systems", "Ingenia", "5.4.1\\5.4.1.2", "ISO_IR 192"),
    3.0: Equipment("Philips Medical Systems", "Ingenia Elition X", "5.7.1\\5.7.1.1", "ISO_IR 192"),
}
FULL_SCALE = 4000
STORED = Stored(bits=12, signed=False, full_scale=FULL_SCALE)
SCALE_SLOPE = 0.0043
"""Stored value per unit of the scanner's floating point signal; Philips keeps it in (2005,xx0E)."""
LOST_POSITION = 1
DISPLAYED_IN_PHASE = 1500.0
"""Displayed value of the brightest in-phase voxel."""


@dataclass(frozen=True)
class FrameKind:
    """What a frame shows.

    Attributes:
        frame_type: Value 4 of FrameType: WATER, FAT, IN_PHASE or OPP_PHASE.
        classic_token: Value 3 and 4 of the classic ImageType: W, F, IP or OP.
        echo_time_ms: EffectiveEchoTime.
    """

    frame_type: str
    classic_token: str
    echo_time_ms: float

    @property
    def frame_type_values(self) -> tuple[str, ...]:
        """FrameType; Dixon products are derived from the echoes."""
        return ("DERIVED", "PRIMARY", "DIXON", self.frame_type)


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
    technique = technique_of(subject.preset)
    dataset = header(exam, series, EQUIPMENT[subject.preset.field_tesla])
    dataset.SOPInstanceUID = exam.uid(f"series {series.number} instance 1")
    add_object_attributes(dataset, exam, technique, _description(len(chosen)))
    add_object_block(dataset, exam)
    dataset.SharedFunctionalGroupsSequence = [shared_groups(technique)]
    kinds = list(dict.fromkeys(frames.kind for frames, _ in chosen))
    items, pixels = [], []
    for number, (frames, k) in enumerate(chosen, start=1):
        slope = float(frames.volume.max()) / FULL_SCALE
        position = tuple(float(v) for v in (subject.affine_lps @ (0, 0, k, 1))[:3])
        index = (k + 1, kinds.index(frames.kind) + 1)
        groups = frame_groups(exam, technique, _frame(frames.kind, index, position, slope))
        copy = ClassicCopy(
            key=f"classic copy {frames.kind.frame_type} {number}",
            image_type=("DERIVED", "PRIMARY", frames.kind.classic_token, frames.kind.classic_token, "FFE"),
            echo_time_ms=frames.kind.echo_time_ms,
            number=number,
            scale_slope=SCALE_SLOPE,
            position_mm=position,
            orientation=AXIAL,
            spacing_mm=technique.spacing_mm[:2],
        )
        add_classic_copy(groups, exam, copy)
        items.append(groups)
        pixels.append(np.rint(frames.volume[:, :, k].T / slope).astype("<u2").tobytes())
    dataset.PerFrameFunctionalGroupsSequence = items
    dataset.PixelData = b"".join(pixels)
    folder.mkdir(parents=True, exist_ok=True)
    write_instance(
        dataset, folder / f"XX_{series.number:04d}_{exam.patient.name.split('^')[0]}", station=exam.hospital.station
    )
    return WrittenSeries("image", series_uid(exam, series), 1, labelled=True)


def _description(frames: int) -> ObjectDescription:
    return ObjectDescription(
        image_type=("DERIVED", "PRIMARY", "DIXON", "MIXED"),
        component="MAGNITUDE",
        contrast="T1",
        sequence_name="FFE",
        filtering="RIESZ",
        stored=STORED,
        frames=frames,
        dimensions=DIMENSIONS,
    )


def _frame(kind: FrameKind, index: tuple[int, int], position: tuple[float, ...], slope: float) -> FrameDescription:
    return FrameDescription(
        frame_type=kind.frame_type_values,
        component="MAGNITUDE",
        contrast="T1",
        echo_time_ms=kind.echo_time_ms,
        stack="1",
        in_stack=index[0],
        index_values=index,
        position_mm=position,
        orientation=AXIAL,
        rescale=(decimal(slope), "0", "US"),
    )
