r"""Philips: 12 bit unsigned pixels, a rescale for every kind of image, the scale slope in (2005,xx0E), several kinds in one series.

Classic as in R5.7: `ORIGINAL\PRIMARY\M_FFE\M\FFE`, `PHASE MAP\P\FFE`, `W\W\DERIVED`, `B0 MAP\B0\UNSPECIFIED`; RescaleType normalized,
mrad, Hz, ms. Phases are milliradians: slope 1.53455, intercept -3142. Enhanced: RescaleType is US and the unit stands in a real-world
value mapping; each frame repeats its classic header, with a position half a voxel off. Value 4 of FrameType is `OP` in R5.7,
`OUT_OF_PHASE` in R12, and R12 leaves the index of the echo time at 0 in all frames (dcm2niix notes on Philips Dixon and on its issue
809). `%` as the unit of fat fractions is not from a sample.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np
from pydicom.dataset import Dataset
from typing_extensions import override

from myofed_demo import protocols
from myofed_demo.dicom_classic import Stored, orientation_text
from myofed_demo.dicom_enhanced import one
from myofed_demo.dicom_header import Equipment, decimal
from myofed_demo.dicom_philips_groups import ClassicCopy, add_classic_copy, add_object_block
from myofed_demo.exam import Exam
from myofed_demo.protocols import UNITS, Kind, ScanProtocol, Volume
from myofed_demo.vendor_style import Encoding, Shot, StoredVolume, Style, ranks

R57 = Equipment("Philips Medical Systems", "Ingenia Elition X", "5.7.1\\5.7.1.1", "ISO_IR 192")
R12 = Equipment("Philips", "Ingenia Elition X", "12.3.0\\12.3.0.0", "ISO_IR 192")
STORED = Stored(bits=12, signed=False, full_scale=4095)
PHASE_SLOPE, PHASE_INTERCEPT, PHASE_SCALE_SLOPE = "1.53455", "-3142", 651.74
"""As published headers have them; 1 / (slope * scale slope) is a thousandth: radians."""
DISPLAYED = 1500.0
"""Displayed value of the brightest voxel of a series."""
FLOATING = 3.0e5
"""The scanner's floating point signal of that voxel."""
TOKENS = {
    Kind.WATER: ("W", "WATER"),
    Kind.FAT: ("F", "FAT"),
    Kind.IN_PHASE: ("IP", "IN_PHASE"),
    Kind.OPPOSED_PHASE: ("OP", "OUT_OF_PHASE"),
    Kind.FAT_FRACTION: ("FF", "FAT_FRACTION"),
}
"""Dixon products in classic words and in those of R12."""
RANGES = {Kind.FAT_FRACTION: (0.0, 100.0), Kind.OFF_RESONANCE: (-500.0, 500.0), Kind.T2: (0.0, 200.0)}
"""What the 12 bits of a map span."""


class PhilipsStyle(Style):
    """Ingenia, R5.7; (2001,xx18) counts the slices of a series."""

    vendor: ClassVar[str] = "philips"
    filtering: ClassVar[str] = "RIESZ"
    components: ClassVar[Mapping[Kind, str]] = {Kind.PHASE: "PHASE", Kind.OFF_RESONANCE: "REAL"}
    dimensions: ClassVar[tuple[tuple[str, str], ...]] = (
        ("StackID", "FrameContentSequence"),
        ("InStackPositionNumber", "FrameContentSequence"),
        ("EffectiveEchoTime", "MREchoSequence"),
        ("0x20051011", "0x2005140F"),
    )

    contrasts: ClassVar[Mapping[str, str]] = {"stir": "STIR", "pdt2": "UNKNOWN", "mese": "T2", "t2 map": "T2"}
    usual_contrast: ClassVar[str] = "T1"
    word: ClassVar[int] = 0
    """Which of `TOKENS` a frame's type has."""

    @property
    @override
    def equipment(self) -> Equipment:
        return R57

    @override
    def protocols(self) -> tuple[ScanProtocol, ...]:
        return (
            protocols.localizer(), protocols.megre(), protocols.dixon(), protocols.mese(), protocols.t1w(),
            protocols.stir(), protocols.pd_t2(), protocols.field_map(magnitude=False),
            protocols.field_map(magnitude=True), protocols.t2_map(),
        )  # fmt: skip

    @override
    def order(self, volumes: int, slices: int) -> list[tuple[int, int]]:
        """From the last slice to the first, all volumes of each."""
        return [(volume, k) for k in reversed(range(slices)) for volume in range(volumes)]

    @override
    def encoding(self, volume: Volume, brightest: float) -> Encoding:
        if volume.kind is Kind.PHASE:
            slope, intercept = float(PHASE_SLOPE), float(PHASE_INTERCEPT)
            forward = (1000.0 / slope, -intercept / slope)
            rescale = (PHASE_SLOPE, PHASE_INTERCEPT, "mrad")
            return Encoding(STORED, forward, (slope / 1000, intercept / 1000), rescale, PHASE_SCALE_SLOPE)
        if volume.kind in RANGES:
            return _map_encoding(volume.kind)
        own = float(volume.values.max()) / brightest
        slope_text = decimal(own * DISPLAYED / STORED.full_scale)
        scale_slope = float(np.float32(STORED.full_scale / (own * FLOATING)))
        forward = (STORED.full_scale / float(volume.values.max()), 0.0)
        return Encoding(STORED, forward, (1 / scale_slope, 0.0), (slope_text, "0", "normalized"), scale_slope)

    @override
    def image_type(self, volume: Volume, protocol: ScanProtocol) -> tuple[str, ...]:
        return self._frame_type(volume, protocol) if self.form == "enhanced" else _classic_type(volume, protocol)

    def _frame_type(self, volume: Volume, protocol: ScanProtocol) -> tuple[str, ...]:
        if volume.kind in TOKENS:
            return ("DERIVED", "PRIMARY", "DIXON", TOKENS[volume.kind][self.word])
        value_4 = {Kind.OFF_RESONANCE: "FIELD_MAP", Kind.T2: "T2_MAP"}.get(volume.kind, "NONE")
        return ("ORIGINAL", "PRIMARY", self.contrasts.get(protocol.name, self.usual_contrast), value_4)

    @override
    def add_series_block(self, dataset: Dataset, exam: Exam, protocol: ScanProtocol) -> None:
        add_object_block(dataset, exam)
        slices = protocol.volumes[0].values.shape[2]
        dataset.private_block(0x2001, "Philips Imaging DD 001").add_new(0x18, "SL", slices)

    @override
    def mark(self, dataset: Dataset, stored: StoredVolume) -> None:
        """Scanning sequence of the image and its scale slope."""
        super().mark(dataset, stored)
        if stored.volume.kind is Kind.MAGNITUDE and dataset.ScanningSequence == "RM":
            dataset.ScanningSequence = "GR"
        elif stored.volume.kind is Kind.OFF_RESONANCE:
            dataset.ScanningSequence = "RM"
        block = dataset.private_block(0x2005, "Philips MR Imaging DD 001")
        block.add_new(0x0D, "FL", 0.0)
        block.add_new(0x0E, "FL", stored.encoding.scale_slope)

    @override
    def mark_frame(self, groups: Dataset, shot: Shot) -> None:
        """The classic copy, and of a map its unit."""
        super().mark_frame(groups, shot)
        volume, protocol = shot.stored.volume, shot.protocol
        copy = ClassicCopy(
            key=f"classic copy {protocol.name} {shot.number}",
            image_type=_classic_type(volume, protocol),
            echo_time_ms=volume.echo_time_ms,
            number=shot.number,
            scale_slope=shot.stored.encoding.scale_slope or 0.0,
            position_mm=tuple(float(v) for v in groups.PlanePositionSequence[0].ImagePositionPatient),
            orientation=orientation_text(volume.affine_lps),
            spacing_mm=protocol.technique.spacing_mm[:2],
            image_kind=_classic_type(volume, protocol)[3],
        )
        add_classic_copy(groups, shot.exam, copy)
        if volume.kind in RANGES:
            groups.RealWorldValueMappingSequence = [_real_world(shot.stored)]

    @override
    def index_values(self, volumes: Sequence[Volume], volume: int, k: int) -> tuple[int, ...]:
        return (1, k + 1, *ranks(volumes, volume))

    @override
    def file_name(self, exam: Exam, series: int, number: int) -> str:
        return f"{'IM' if self.form == 'classic' else 'XX'}_{series:04d}_{number:04d}"


class PhilipsR12Style(PhilipsStyle):
    """Ingenia, R12: what differs from R5.7 in enhanced objects."""

    vendor: ClassVar[str] = "philips r12"
    word: ClassVar[int] = 1

    @property
    @override
    def equipment(self) -> Equipment:
        return R12

    @override
    def protocols(self) -> tuple[ScanProtocol, ...]:
        return (protocols.megre(), protocols.dixon(), protocols.mese())

    @override
    def index_values(self, volumes: Sequence[Volume], volume: int, k: int) -> tuple[int, ...]:
        stack, place, _echo, kind = super().index_values(volumes, volume, k)
        return (stack, place, 0, kind)


def _map_encoding(kind: Kind) -> Encoding:
    low, high = RANGES[kind]
    slope_text, intercept_text = decimal((high - low) / STORED.full_scale), decimal(low)
    slope = float(slope_text)
    rescale = (slope_text, intercept_text, UNITS[kind])
    return Encoding(STORED, (1 / slope, -low / slope), (slope, low), rescale, float(np.float32(1 / slope)))


def _classic_type(volume: Volume, protocol: ScanProtocol) -> tuple[str, ...]:
    sequence = protocol.technique.scanning_sequence
    family = "IR" if "IR" in sequence else "SE" if protocol.technique.is_spin_echo else "FFE"
    if volume.kind in TOKENS:
        token = TOKENS[volume.kind][0]
        return ("DERIVED", "PRIMARY", token, token, "DERIVED")
    if volume.kind is Kind.OFF_RESONANCE:
        return ("ORIGINAL", "PRIMARY", "B0 MAP", "B0", "UNSPECIFIED")
    if volume.kind is Kind.T2:
        return ("ORIGINAL", "PRIMARY", "T2 MAP", "T2", "UNSPECIFIED")
    if volume.kind is Kind.PHASE:
        return ("ORIGINAL", "PRIMARY", "PHASE MAP", "P", family)
    return ("ORIGINAL", "PRIMARY", f"M_{family}", "M", family)


def _real_world(stored: StoredVolume) -> Dataset:
    slope, intercept, unit = stored.encoding.rescale or ("1", "0", "1")
    units = one(CodeValue=unit, CodingSchemeDesignator="UCUM", CodeMeaning=unit)
    mapping = one(
        RealWorldValueFirstValueMapped=0,
        RealWorldValueLastValueMapped=2**stored.encoding.stored.bits - 1,
        RealWorldValueIntercept=float(intercept),
        RealWorldValueSlope=float(slope),
        LUTExplanation="",
        LUTLabel="Philips",
        MeasurementUnitsCodeSequence=units,
    )
    return mapping[0]
