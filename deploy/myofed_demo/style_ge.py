r"""GE: 16 bit signed pixels without rescale, `ORIGINAL\PRIMARY\OTHER` for every component, all echoes of a position in a row.

Classic as in MR29: (0043,xx2F) says magnitude (0) or phase (1), phases are signed milliradians, Dixon products are
`DERIVED\PRIMARY\DIXON\WATER`, each a series, (0020,1002) and (0025,xx07) count the images of the series. A field map (sequence
B0map) is a series of two volumes, the map in Hz and a magnitude, that no element tells apart. Enhanced: the component stands in the
standard element; no public sample of a GE enhanced multi-echo series was found. The fat fraction has no unit in any header.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from pydicom.dataset import Dataset
from typing_extensions import override

from myofed_demo import dicom_ge, protocols
from myofed_demo.dicom_classic import Stored
from myofed_demo.dicom_header import Equipment
from myofed_demo.exam import Exam
from myofed_demo.protocols import Kind, ScanProtocol, Volume
from myofed_demo.vendor_style import Encoding, StoredVolume, Style, ranks

MR30 = Equipment("GE MEDICAL SYSTEMS", "SIGNA Premier", "30\\LX\\MR Software release:MR30.1", "ISO_IR 100")
STORED = Stored(bits=16, signed=True, full_scale=12000)
PER_PERCENT = 10.0
"""Stored steps of a percent of fat, which no element tells."""
PRODUCTS = {
    Kind.WATER: "WATER",
    Kind.FAT: "FAT",
    Kind.IN_PHASE: "IN_PHASE",
    Kind.OPPOSED_PHASE: "OUT_PHASE",
    Kind.FAT_FRACTION: "FAT_FRACTION",
}
RAW_DATA_TYPES = {Kind.PHASE: 1}
"""(0043,xx2F); 0 for all other kinds."""


class GeStyle(Style):
    """Premier, MR29 or MR30."""

    vendor: ClassVar[str] = "ge"
    dimensions: ClassVar[tuple[tuple[str, str], ...]] = (
        ("StackID", "FrameContentSequence"),
        ("InStackPositionNumber", "FrameContentSequence"),
        ("EffectiveEchoTime", "MREchoSequence"),
        ("ComplexImageComponent", "MRImageFrameTypeSequence"),
    )

    @property
    @override
    def equipment(self) -> Equipment:
        return dicom_ge.EQUIPMENT[protocols.FIELD_TESLA] if self.form == "classic" else MR30

    @override
    def protocols(self) -> tuple[ScanProtocol, ...]:
        return (
            protocols.localizer(), protocols.megre(), protocols.dixon(), protocols.mese(), protocols.t1w(),
            protocols.stir(), protocols.pd_t2(), protocols.field_map(magnitude=True),
        )  # fmt: skip

    @override
    def split(self, volumes: Sequence[Volume]) -> list[list[Volume]]:
        """A series for each Dixon product; all else together."""
        products = [[v] for v in volumes if v.kind in PRODUCTS]
        others = [v for v in volumes if v.kind not in PRODUCTS]
        return [*([others] if others else []), *products]

    @override
    def order(self, volumes: int, slices: int) -> list[tuple[int, int]]:
        """All volumes of a position, then the next position."""
        return [(volume, k) for k in range(slices) for volume in range(volumes)]

    @override
    def encoding(self, volume: Volume, brightest: float) -> Encoding:
        rescale = None if self.form == "classic" else ("1", "0", "US")
        if volume.kind is Kind.PHASE:
            return Encoding(STORED, (1000.0, 0.0), (0.001, 0.0), rescale)
        if volume.kind is Kind.OFF_RESONANCE:
            return Encoding(STORED, (1.0, 0.0), (1.0, 0.0), rescale)
        if volume.kind is Kind.FAT_FRACTION:
            return Encoding(STORED, (PER_PERCENT, 0.0), (1 / PER_PERCENT, 0.0), rescale)
        return Encoding(STORED, (STORED.full_scale / brightest, 0.0), (1.0, 0.0), rescale)

    @override
    def image_type(self, volume: Volume, protocol: ScanProtocol) -> tuple[str, ...]:
        if volume.kind in PRODUCTS:
            return ("DERIVED", "PRIMARY", "DIXON", PRODUCTS[volume.kind])
        return ("ORIGINAL", "PRIMARY", "OTHER") if self.form == "classic" else ("ORIGINAL", "PRIMARY", "OTHER", "NONE")

    @override
    def add_series_block(self, dataset: Dataset, exam: Exam, protocol: ScanProtocol) -> None:
        dicom_ge.add_private(dataset, exam, echoes=len({v.echo_index for v in protocol.volumes}))
        if self.form == "enhanced":
            del dataset[0x0043, 0x102F]
            return
        dataset.ScanOptions = ["FAST_GEMS", "ACC_GEMS"]
        volumes = self.split(protocol.volumes)[0]
        dataset.ImagesInAcquisition = sum(v.values.shape[2] for v in volumes)
        dataset.private_block(0x0025, "GEMS_SERS_01").add_new(0x07, "SL", dataset.ImagesInAcquisition)

    @override
    def mark(self, dataset: Dataset, stored: StoredVolume) -> None:
        """The component."""
        super().mark(dataset, stored)
        block = dataset.private_block(0x0043, "GEMS_PARM_01")
        block.add_new(0x2F, "SS", RAW_DATA_TYPES.get(stored.volume.kind, 0))

    @override
    def index_values(self, volumes: Sequence[Volume], volume: int, k: int) -> tuple[int, ...]:
        return (1, k + 1, *ranks(volumes, volume))

    @override
    def file_name(self, exam: Exam, series: int, number: int) -> str:
        return f"i{9_000_000 + series * 1000 - number}.MRDC.{number}"
