r"""Siemens: 12 bit unsigned pixels, magnitudes without rescale, phases with slope 2 and intercept -4096.

Classic as in syngo VE11: `ImageType` holds M or P, magnitude and phase are series of their own, all echoes of one component are one
series, each Dixon product is one (`DERIVED\PRIMARY\M\NORM\IN_PHASE\DIS3D\DIS2D` stands in published headers of this release).
Enhanced as in XA30: one object a volume, Dixon products as `DERIVED\PRIMARY\DIXON\WATER`, no CSA header, `Siemens Healthineers`.
The fat fraction has no unit in any header.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar

from pydicom.dataset import Dataset
from typing_extensions import override

from myofed_demo import dicom_siemens, protocols
from myofed_demo.dicom_classic import Stored
from myofed_demo.dicom_header import Equipment
from myofed_demo.exam import Exam
from myofed_demo.protocols import Kind, ScanProtocol, Volume
from myofed_demo.vendor_style import Encoding, Shot, Style

XA30 = Equipment("Siemens Healthineers", "MAGNETOM Prisma Fit", "syngo MR XA30", "ISO_IR 100")
STORED = Stored(bits=12, signed=False, full_scale=3900)
HALF_TURN = 4096.0
"""Displayed value of pi."""
PER_PERCENT = 10.0
"""Stored steps of a percent of fat, which no element tells."""
PRODUCTS = {
    Kind.WATER: "WATER",
    Kind.FAT: "FAT",
    Kind.IN_PHASE: "IN_PHASE",
    Kind.OPPOSED_PHASE: "OPP_PHASE",
    Kind.FAT_FRACTION: "FAT_FRACTION",
}
SEQUENCE_NAMES = {
    "megre": "*fl2d6",
    "dixon": "*fl3d2",
    "mese": "*se2d17",
    "t1w": "*tse2d1_3",
    "stir": "*tir2d1_11",
    "pdt2": "*tse2d2_7",
    "b0": "*fm2d2r",
    "localizer": "*fl2d1",
}


class SiemensStyle(Style):
    """Prisma, VE11 or XA30."""

    vendor: ClassVar[str] = "siemens"

    @property
    @override
    def equipment(self) -> Equipment:
        return dicom_siemens.EQUIPMENT[protocols.FIELD_TESLA] if self.form == "classic" else XA30

    @override
    def protocols(self) -> tuple[ScanProtocol, ...]:
        return (
            protocols.localizer(), protocols.megre(), protocols.dixon(), protocols.mese(), protocols.t1w(),
            protocols.stir(), protocols.pd_t2(), protocols.phase_difference(),
        )  # fmt: skip

    @override
    def split(self, volumes: Sequence[Volume]) -> list[list[Volume]]:
        """A series for each component and each product."""
        return [[v for v in volumes if v.kind is kind] for kind in dict.fromkeys(v.kind for v in volumes)]

    @override
    def encoding(self, volume: Volume, brightest: float) -> Encoding:
        if volume.kind is Kind.PHASE:
            step = math.pi / HALF_TURN
            return Encoding(STORED, (0.5 / step, HALF_TURN / 2), (2 * step, -math.pi), ("2", "-4096", "US"))
        rescale = None if self.form == "classic" else ("1", "0", "US")
        if volume.kind is Kind.FAT_FRACTION:
            return Encoding(STORED, (PER_PERCENT, 0.0), (1 / PER_PERCENT, 0.0), rescale)
        factor = STORED.full_scale / brightest
        return Encoding(STORED, (factor, 0.0), (1.0, 0.0), rescale)

    @override
    def image_type(self, volume: Volume, protocol: ScanProtocol) -> tuple[str, ...]:
        product = PRODUCTS.get(volume.kind)
        letter = "P" if volume.kind is Kind.PHASE else "M"
        if self.form == "enhanced":
            return ("DERIVED", "PRIMARY", "DIXON", product) if product else ("ORIGINAL", "PRIMARY", letter, "NONE")
        if product:
            return ("DERIVED", "PRIMARY", "M", "NORM", product, "DIS3D", "DIS2D")
        return ("ORIGINAL", "PRIMARY", letter, "ND")

    @override
    def add_series_block(self, dataset: Dataset, exam: Exam, protocol: ScanProtocol) -> None:
        if self.form == "classic":
            dataset.SequenceName = SEQUENCE_NAMES[protocol.name]
            dicom_siemens.add_private(dataset, exam)
            return
        series = dataset.private_block(0x0021, "SIEMENS MR SDR 01", create=True)
        series.add_new(0x01, "LO", "ACQUISITION")

    @override
    def mark_frame(self, groups: Dataset, shot: Shot) -> None:
        """ImageTypeText, which keeps the classic words."""
        super().mark_frame(groups, shot)
        letter = "P" if shot.stored.volume.kind is Kind.PHASE else "M"
        item = Dataset()
        words = item.private_block(0x0021, "SIEMENS MR SDI 02", create=True)
        words.add_new(0x75, "CS", ["ORIGINAL", "PRIMARY", letter, "ND"])
        groups.private_block(0x0021, "SIEMENS MR SDI 02", create=True).add_new(0xFE, "SQ", [item])

    @override
    def objects(self, volumes: int) -> list[list[int]]:
        """One object a volume."""
        return [[volume] for volume in range(volumes)]

    @override
    def index_values(self, volumes: Sequence[Volume], volume: int, k: int) -> tuple[int, ...]:
        return (1, k + 1, 1)

    @override
    def file_name(self, exam: Exam, series: int, number: int) -> str:
        if self.form == "enhanced":
            return f"MR.{exam.uid('console')}.{series}.{number}.dcm"
        return f"{exam.patient.name.replace('^', '_')}.MR.{series:04d}.{number:04d}.IMA"
