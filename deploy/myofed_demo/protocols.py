"""What a muscle protocol's sequences make of the marked phantom: real values of every volume, before any vendor stores them.

Echo times are those of muscle protocols at 3 T (six echoes for fat fraction, seventeen for water T2).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from myofed_demo.anatomy_geometry import Float32
from myofed_demo.dicom_technique import Technique
from myofed_demo.marked_phantom import MarkedPhantom, Marker, marked_phantom, oblique_affine
from myofed_demo.scanner import MEGAHERTZ_PER_TESLA, fat_phasor
from myofed_schemas.mids import Suffix

FIELD_TESLA = 3.0
MEGRE_ECHO_TIMES_MS = (1.15, 2.30, 3.45, 4.60, 5.75, 6.90)
MESE_ECHO_TIMES_MS = tuple(11.0 * n for n in range(1, 18))
PD_T2_ECHO_TIMES_MS = (11.0, 92.0)
FIELD_MAP_ECHO_TIME_MS = 4.60
R2STAR_PER_S = 37.0
SHAPE = (24, 20, 5)
SPACING_MM = (1.7, 2.3, 6.5)
THICKNESS_MM = 5.0
TILT_DEGREES = (11.0, -7.0, 16.0)
CENTRE_MM = (31.0, -17.0, 44.0)
"""Left of the isocentre: a mirrored image is nowhere near."""


class Kind(StrEnum):
    """What a volume shows."""

    MAGNITUDE = "magnitude"
    PHASE = "phase"
    WATER = "water"
    FAT = "fat"
    IN_PHASE = "in phase"
    OPPOSED_PHASE = "opposed phase"
    FAT_FRACTION = "fat fraction"
    OFF_RESONANCE = "off-resonance"
    T2 = "T2"


UNITS = {Kind.PHASE: "rad", Kind.FAT_FRACTION: "%", Kind.OFF_RESONANCE: "Hz", Kind.T2: "ms"}
"""Of the values; of all other kinds they are arbitrary."""


@dataclass(frozen=True, eq=False)
class Volume:
    """One volume of a series.

    Attributes:
        kind: What it shows.
        echo_index: From 0.
        echo_time_ms: EchoTime.
        values: (i, j, k) float64 in the unit of its kind.
        affine_lps: (4, 4), voxel index -> mm LPS.
    """

    kind: Kind
    echo_index: int
    echo_time_ms: float
    values: NDArray[np.float64] = field(repr=False)
    affine_lps: NDArray[np.float64] = field(repr=False)


@dataclass(frozen=True, eq=False)
class ScanProtocol:
    """One entry of the scanner's list.

    Attributes:
        name: Short, unique.
        description: What the console shows; technical words only.
        suffix: Of its magnitudes; None where they have no place in the profile.
        technique: How it scans.
        volumes: What comes out.
        markers: Bright blocks of its magnitudes, water and in-phase images.
    """

    name: str
    description: str
    suffix: Suffix | None
    technique: Technique
    volumes: tuple[Volume, ...] = field(repr=False)
    markers: tuple[Marker, ...] = ()


@dataclass(frozen=True, eq=False)
class _Scan:
    """The phantom in one plane."""

    phantom: MarkedPhantom
    affine_lps: NDArray[np.float64]

    def volumes(self, kind: Kind, images: Sequence[tuple[float, NDArray[np.floating]]]) -> tuple[Volume, ...]:
        return tuple(
            Volume(kind, index, echo_time, np.asarray(values, np.float64), self.affine_lps)
            for index, (echo_time, values) in enumerate(images)
        )

    def echo(self, echo_time_ms: float) -> NDArray[np.complex128]:
        """A spoiled gradient echo with water, six fat peaks, off-resonance and decay (module `scanner`)."""
        seconds = 1e-3 * echo_time_ms
        signal = self.phantom.water + self.phantom.fat * fat_phasor(echo_time_ms, MEGAHERTZ_PER_TESLA * FIELD_TESLA)
        turn = np.exp((2j * np.pi * self.phantom.off_resonance_hz - R2STAR_PER_S) * seconds)
        return np.asarray(signal * turn, np.complex128)

    def spin_echo(self, echo_time_ms: float) -> Float32:
        return np.asarray(self.phantom.water * np.exp(-echo_time_ms / self.phantom.t2_ms), np.float32)


def _scan(plane: str, shape: tuple[int, int, int], seed: int) -> _Scan:
    affine = oblique_affine(plane, shape=shape, spacing_mm=SPACING_MM, tilt_degrees=TILT_DEGREES, centre_mm=CENTRE_MM)
    return _Scan(marked_phantom(shape, seed=seed), affine)


GRADIENT_ECHO = Technique(
    scanning_sequence=("GR",),
    sequence_variant=("SP",),
    repetition_time_ms=102.0,
    flip_angle_degrees=3.0,
    echo_train_length=6,
    field_tesla=FIELD_TESLA,
    columns=SHAPE[0],
    rows=SHAPE[1],
    spacing_mm=SPACING_MM,
    slice_thickness_mm=THICKNESS_MM,
)
SPIN_ECHO = replace(GRADIENT_ECHO, scanning_sequence=("SE",), sequence_variant=("SK", "SP"), flip_angle_degrees=150.0)


def megre(*, shape: tuple[int, int, int] = SHAPE, echo_times_ms: Sequence[float] = MEGRE_ECHO_TIMES_MS) -> ScanProtocol:
    """Multi-echo gradient echo, magnitude and phase."""
    scan = _scan("transverse", shape, seed=1)
    echoes = [(te, scan.echo(te)) for te in echo_times_ms]
    magnitudes = scan.volumes(Kind.MAGNITUDE, [(te, np.abs(e)) for te, e in echoes])
    phases = scan.volumes(Kind.PHASE, [(te, np.angle(e)) for te, e in echoes])
    technique = replace(GRADIENT_ECHO, echo_train_length=len(echoes), columns=shape[0], rows=shape[1])
    return ScanProtocol(
        "megre", "thigh gre me6 tra", Suffix.MEGRE, technique, magnitudes + phases, scan.phantom.markers
    )


def dixon() -> ScanProtocol:
    """What a Dixon reconstruction gives: water, fat, in phase, opposed phase, fat fraction."""
    scan = _scan("coronal", SHAPE, seed=2)
    water, fat = scan.phantom.water, scan.phantom.fat
    opposed, in_phase = MEGRE_ECHO_TIMES_MS[:2]
    products = (
        (Kind.WATER, in_phase, water),
        (Kind.FAT, in_phase, fat),
        (Kind.IN_PHASE, in_phase, water + fat),
        (Kind.OPPOSED_PHASE, opposed, np.abs(water - fat)),
        (Kind.FAT_FRACTION, in_phase, 100.0 * fat / (water + fat)),
    )
    volumes = tuple(v for kind, te, image in products for v in scan.volumes(kind, [(te, image)]))
    technique = replace(GRADIENT_ECHO, echo_train_length=2, acquisition_type="3D", repetition_time_ms=9.0)
    return ScanProtocol("dixon", "thigh vibe dixon cor", None, technique, volumes, scan.phantom.markers)


def mese() -> ScanProtocol:
    """Multi-echo spin echo for water T2."""
    scan = _scan("transverse", (SHAPE[0], SHAPE[1], 3), seed=3)
    volumes = scan.volumes(Kind.MAGNITUDE, [(te, scan.spin_echo(te)) for te in MESE_ECHO_TIMES_MS])
    technique = replace(
        SPIN_ECHO, flip_angle_degrees=180.0, repetition_time_ms=3000.0, echo_train_length=len(MESE_ECHO_TIMES_MS)
    )
    return ScanProtocol("mese", "thigh se mc17 tra", Suffix.MESE, technique, volumes, scan.phantom.markers)


def t1w() -> ScanProtocol:
    """T1-weighted turbo spin echo; its export lacks the phase encoding direction."""
    scan = _scan("sagittal", SHAPE, seed=4)
    image = 0.5 * scan.phantom.water + 0.8 * scan.phantom.fat
    technique = replace(SPIN_ECHO, repetition_time_ms=600.0, echo_train_length=3, phase_encoding=None)
    volumes = scan.volumes(Kind.MAGNITUDE, [(11.0, image)])
    return ScanProtocol("t1w", "thigh t1 tse sag", Suffix.T1W, technique, volumes, scan.phantom.markers)


def stir() -> ScanProtocol:
    """Short inversion time: fat is nulled."""
    scan = _scan("coronal", SHAPE, seed=5)
    technique = replace(
        SPIN_ECHO,
        scanning_sequence=("SE", "IR"),
        repetition_time_ms=4200.0,
        inversion_time_ms=220.0,
        echo_train_length=11,
        phase_encoding="ROW",
    )
    volumes = scan.volumes(Kind.MAGNITUDE, [(42.0, scan.spin_echo(42.0))])
    return ScanProtocol("stir", "thigh stir cor", Suffix.T2W_FS, technique, volumes, scan.phantom.markers)


def pd_t2() -> ScanProtocol:
    """Turbo spin echo of two echoes: no T2 map comes out of it."""
    scan = _scan("transverse", (SHAPE[0], SHAPE[1], 3), seed=6)
    volumes = scan.volumes(Kind.MAGNITUDE, [(te, scan.spin_echo(te)) for te in PD_T2_ECHO_TIMES_MS])
    technique = replace(SPIN_ECHO, repetition_time_ms=3200.0, echo_train_length=7)
    return ScanProtocol("pdt2", "thigh pd t2 tse tra", None, technique, volumes, scan.phantom.markers)


def field_map(*, magnitude: bool) -> ScanProtocol:
    """Off-resonance as the scanner computed it, with or without the magnitude it came from."""
    scan = _scan("transverse", (SHAPE[0], SHAPE[1], 3), seed=7)
    volumes = scan.volumes(Kind.OFF_RESONANCE, [(FIELD_MAP_ECHO_TIME_MS, scan.phantom.off_resonance_hz)])
    if magnitude:
        image = np.abs(scan.echo(FIELD_MAP_ECHO_TIME_MS))
        volumes += scan.volumes(Kind.MAGNITUDE, [(FIELD_MAP_ECHO_TIME_MS, image)])
    technique = replace(GRADIENT_ECHO, scanning_sequence=("RM",), echo_train_length=2, flip_angle_degrees=12.0)
    name = "b0 with magnitude" if magnitude else "b0"
    return ScanProtocol(name, "thigh b0", None, technique, volumes, scan.phantom.markers)


def phase_difference() -> ScanProtocol:
    """A field map as a phase: the difference of two echoes, with the later one's echo time."""
    scan = _scan("transverse", (SHAPE[0], SHAPE[1], 3), seed=7)
    early, late = (scan.echo(te) for te in MEGRE_ECHO_TIMES_MS[1:4:2])
    volumes = scan.volumes(Kind.PHASE, [(FIELD_MAP_ECHO_TIME_MS, np.angle(late * np.conj(early)))])
    technique = replace(GRADIENT_ECHO, echo_train_length=0, flip_angle_degrees=60.0)
    return ScanProtocol("b0", "thigh gre field", None, technique, volumes, scan.phantom.markers)


def t2_map() -> ScanProtocol:
    """T2 as the scanner computed it."""
    scan = _scan("transverse", (SHAPE[0], SHAPE[1], 3), seed=8)
    volumes = scan.volumes(Kind.T2, [(MESE_ECHO_TIMES_MS[0], scan.phantom.t2_ms)])
    technique = replace(SPIN_ECHO, scanning_sequence=("RM",), repetition_time_ms=3000.0)
    return ScanProtocol("t2 map", "thigh t2 map", None, technique, volumes, scan.phantom.markers)


def localizer() -> ScanProtocol:
    """Three planes at right angles, tilted together."""
    scans = [_scan(plane, (SHAPE[0], SHAPE[1], 1), seed=9) for plane in ("transverse", "coronal", "sagittal")]
    volumes = tuple(v for scan in scans for v in scan.volumes(Kind.MAGNITUDE, [(2.3, np.abs(scan.echo(2.3)))]))
    technique = replace(GRADIENT_ECHO, repetition_time_ms=8.6, flip_angle_degrees=20.0, echo_train_length=1)
    return ScanProtocol("localizer", "localizer", None, technique, volumes)
