"""What Philips adds to the functional groups: under (2005,xx0F) of `Philips MR Imaging DD 005` each frame's classic header."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from pydicom.dataset import Dataset

from myofed_demo.dicom_header import decimal
from myofed_demo.exam import Exam

DIMENSIONS = (
    ("InStackPositionNumber", "FrameContentSequence"),
    ("FrameType", "MRImageFrameTypeSequence"),
)


@dataclass(frozen=True)
class ClassicCopy:
    """What a frame repeats of a classic header.

    Attributes:
        key: Tells the frames of an exam apart; its UID follows from it.
        image_type: ImageType as classic exports of the same scan have it.
        echo_time_ms: EchoTime.
        number: InstanceNumber.
        scale_slope: (2005,xx0E): stored value per unit of the scanner's floating point signal, over RescaleSlope.
        position_mm: The frame's ImagePositionPatient.
        orientation: The frame's ImageOrientationPatient.
        spacing_mm: Distance of voxel centres along a row and along a column.
        image_kind: (2005,xx11), the kind of image in Philips' own word; left out where None.
    """

    key: str
    image_type: tuple[str, ...]
    echo_time_ms: float
    number: int
    scale_slope: float
    position_mm: tuple[float, ...]
    orientation: tuple[str, ...]
    spacing_mm: tuple[float, float]
    image_kind: str | None = None

    @property
    def corner_mm(self) -> tuple[float, ...]:
        """The copy's ImagePositionPatient: half a voxel off along rows and columns, as in real files."""
        axes = np.array([float(v) for v in self.orientation]).reshape(2, 3)
        half = (axes * np.array(self.spacing_mm)[:, None] / 2).sum(axis=0)
        return tuple(float(p - h) for p, h in zip(self.position_mm, half, strict=True))


def add_object_block(dataset: Dataset, exam: Exam) -> None:
    """The object has Philips' own blocks, with the patient's name where real exports have it."""
    block = dataset.private_block(0x2001, "Philips Imaging DD 001", create=True)
    block.add_new(0xC8, "LO", f"thigh {exam.patient.name}")
    private = dataset.private_block(0x2005, "Philips MR Imaging DD 001", create=True)
    private.add_new(0x1E, "SH", exam.patient.name.split("^")[0][:16])


def add_classic_copy(groups: Dataset, exam: Exam, copy: ClassicCopy) -> None:
    """The frame repeats its classic header."""
    item = Dataset()
    item.ImageType = list(copy.image_type)
    item.SOPInstanceUID = exam.uid(copy.key)
    item.ImageComments = exam.patient.comment
    item.EchoTime = decimal(copy.echo_time_ms)
    item.InstanceNumber = copy.number
    item.ImagePositionPatient = [decimal(v) for v in copy.corner_mm]
    private = item.private_block(0x2005, "Philips MR Imaging DD 001", create=True)
    private.add_new(0x0D, "FL", 0.0)
    private.add_new(0x0E, "FL", copy.scale_slope)
    if copy.image_kind is not None:
        private.add_new(0x11, "CS", copy.image_kind)
    block = groups.private_block(0x2005, "Philips MR Imaging DD 005", create=True)
    block.add_new(0x0F, "SQ", [item])
