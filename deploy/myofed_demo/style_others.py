r"""United Imaging and Canon, classic magnitudes only: of their phases no scale is published.

United Imaging as in R002: `ORIGINAL\PRIMARY\M\UCA`, private group 0065. Canon as in V6.0: `ORIGINAL\PRIMARY\GDC`, and no element says
which component an image is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from pydicom.dataset import Dataset
from typing_extensions import override

from myofed_demo import protocols
from myofed_demo.dicom_classic import Stored
from myofed_demo.dicom_header import Equipment
from myofed_demo.exam import Exam
from myofed_demo.protocols import Kind, ScanProtocol, Volume
from myofed_demo.vendor_style import Encoding, Style

STORED = Stored(bits=12, signed=False, full_scale=3900)


class _MagnitudeStyle(Style):
    """Magnitudes of the multi-echo gradient echo, stored as they are."""

    scanner: ClassVar[Equipment]
    words: ClassVar[tuple[str, ...]]

    @property
    @override
    def equipment(self) -> Equipment:
        return self.scanner

    @override
    def protocols(self) -> tuple[ScanProtocol, ...]:
        scan = protocols.megre()
        magnitudes = tuple(v for v in scan.volumes if v.kind is Kind.MAGNITUDE)
        return (ScanProtocol(scan.name, scan.description, scan.suffix, scan.technique, magnitudes, scan.markers),)

    @override
    def encoding(self, volume: Volume, brightest: float) -> Encoding:
        return Encoding(STORED, (STORED.full_scale / brightest, 0.0), (1.0, 0.0), ("1", "0", "US"))

    @override
    def image_type(self, volume: Volume, protocol: ScanProtocol) -> tuple[str, ...]:
        return ("ORIGINAL", "PRIMARY", *self.words)

    @override
    def index_values(self, volumes: Sequence[Volume], volume: int, k: int) -> tuple[int, ...]:
        return (1, k + 1, 1)

    @override
    def file_name(self, exam: Exam, series: int, number: int) -> str:
        return f"{series:04d}{number:04d}.dcm"


class UnitedImagingStyle(_MagnitudeStyle):
    """uMR 770."""

    vendor: ClassVar[str] = "uih"
    scanner: ClassVar[Equipment] = Equipment("UIH", "uMR 770", "R002", "ISO_IR 100")
    words: ClassVar[tuple[str, ...]] = ("M", "UCA")

    @override
    def add_series_block(self, dataset: Dataset, exam: Exam, protocol: ScanProtocol) -> None:
        dataset.SequenceName = "gre"
        block = dataset.private_block(0x0065, "Image Private Header", create=True)
        block.add_new(0x02, "LO", "Tra>Cor")
        block.add_new(0x05, "SH", "A->P")
        block.add_new(0x29, "SH", exam.patient.operator.split("^")[0][:16])


class CanonStyle(_MagnitudeStyle):
    """Galan 3T."""

    vendor: ClassVar[str] = "canon"
    scanner: ClassVar[Equipment] = Equipment("CANON_MEC", "Galan_3T", "V6.0SP2000", "ISO_IR 100")
    words: ClassVar[tuple[str, ...]] = ("GDC",)

    @override
    def add_series_block(self, dataset: Dataset, exam: Exam, protocol: ScanProtocol) -> None:
        dataset.SequenceName = "FE2D"
