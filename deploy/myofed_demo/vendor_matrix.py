"""Every protocol of every vendor in classic and enhanced form, with the truth: what a right conversion gives, or its refusal."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from myofed_demo.exam import Exam
from myofed_demo.identities import make_hospital_identity, make_patient_identity
from myofed_demo.phantom import subject_rng
from myofed_demo.protocols import Kind, ScanProtocol, Volume
from myofed_demo.style_ge import GeStyle
from myofed_demo.style_others import CanonStyle, UnitedImagingStyle
from myofed_demo.style_philips import PhilipsR12Style, PhilipsStyle
from myofed_demo.style_siemens import SiemensStyle
from myofed_demo.vendor_series import WrittenVolumes, write_series
from myofed_demo.vendor_style import StoredVolume, Style
from myofed_schemas.mids import Part, Suffix

STYLES: tuple[Style, ...] = (
    SiemensStyle("classic"),
    SiemensStyle("enhanced"),
    PhilipsStyle("classic"),
    PhilipsStyle("enhanced"),
    PhilipsR12Style("enhanced"),
    GeStyle("classic"),
    GeStyle("enhanced"),
    UnitedImagingStyle("classic"),
    CanonStyle("classic"),
)
SUFFIXES = {
    Kind.WATER: Suffix.WAT,
    Kind.FAT: Suffix.FAT,
    Kind.IN_PHASE: Suffix.INPH,
    Kind.OPPOSED_PHASE: Suffix.OUTPH,
    Kind.FAT_FRACTION: Suffix.FF,
    Kind.OFF_RESONANCE: Suffix.B0,
    Kind.T2: Suffix.T2,
}
MARKED = frozenset({Kind.MAGNITUDE, Kind.WATER, Kind.IN_PHASE})
Outcome = Literal["converted", "skipped", "quarantined"]


@dataclass(frozen=True, eq=False)
class ImageTruth:
    """One image that must come out of a series.

    Attributes:
        suffix: What it is.
        part: Its component.
        echo_times_ms: One a volume, increasing.
        values: (i, j, k, echo) float64, after rescale, in the suffix's unit (phase: radians).
        affine_lps: (4, 4), voxel index (i, j, k, 1) -> mm LPS; the image may have its axes in another order.
        markers_mm: Centres of the bright blocks, LPS; none where nothing is brighter than the rest.
    """

    suffix: Suffix
    part: Part
    echo_times_ms: tuple[float, ...]
    values: NDArray[np.float64] = field(repr=False)
    affine_lps: NDArray[np.float64] = field(repr=False)
    markers_mm: tuple[tuple[float, float, float], ...]


@dataclass(frozen=True, eq=False)
class SeriesTruth:
    """One series and its one right outcome.

    Attributes:
        case: Vendor, form, protocol and, where a protocol makes several series, what this one shows.
        written: Files, UID and stored volumes.
        outcome: What must become of it.
        code: Why, where it is not converted.
        images: What must come out where it is.
    """

    case: str
    written: WrittenVolumes = field(repr=False)
    outcome: Outcome
    code: str | None
    images: tuple[ImageTruth, ...]


def make_exam(key: str) -> Exam:
    """A made-up visit of a made-up patient; another key is another patient of another hospital."""
    hospital = make_hospital_identity(subject_rng(0, hospital=key, subject=-1))
    return Exam(hospital, make_patient_identity(hospital, subject_rng(0, hospital=key, subject=0)), key)


@dataclass(frozen=True, eq=False)
class Case:
    """One series to be written.

    Attributes:
        name: Vendor, form, protocol and, where a protocol makes several series, what this one shows.
        style: The vendor.
        protocol: Of which scan.
        volumes: What the series holds.
        number: SeriesNumber.
    """

    name: str
    style: Style
    protocol: ScanProtocol
    volumes: tuple[Volume, ...]
    number: int


def cases_of(style: Style) -> Iterator[Case]:
    """All series of one visit at this scanner."""
    number = 0
    for protocol in style.protocols():
        groups = style.split(protocol.volumes)
        for volumes in groups:
            number += 1
            kinds = f" {volumes[0].kind}" if len(groups) > 1 else ""
            name = f"{style.vendor} {style.form} {protocol.name}{kinds}"
            yield Case(name, style, protocol, tuple(volumes), number)


def write_matrix(folder: Path) -> tuple[SeriesTruth, ...]:
    """`folder` holds one patient a vendor and form, with all its protocols; the same bytes in any run."""
    return tuple(truth for style in STYLES for truth in write_exam(folder, style))


def write_exam(folder: Path, style: Style) -> Iterator[SeriesTruth]:
    """`folder` holds the visit of one patient at this scanner."""
    exam = make_exam(f"vendor matrix {style.vendor} {style.form}")
    for case in cases_of(style):
        yield write_case(folder / exam.folder_name / f"S{case.number:03d}", exam, case)


def write_case(folder: Path, exam: Exam, case: Case) -> SeriesTruth:
    """`folder` holds this series of the visit."""
    written = write_series(folder, exam, case.style, case.protocol, volumes=case.volumes, number=case.number)
    return truth_of(case.name, written)


def truth_of(case: str, written: WrittenVolumes) -> SeriesTruth:
    """What must become of the series."""
    outcome, code = expected_outcome(written)
    images = tuple(_images(written)) if outcome == "converted" else ()
    return SeriesTruth(case, written, outcome, code, images)


def expected_outcome(written: WrittenVolumes) -> tuple[Outcome, str | None]:
    """What the headers prove, and where they do not, why not (docs/conversion.md)."""
    vendor, protocol = written.style.vendor, written.protocol.name
    kinds = {stored.volume.kind for stored in written.volumes}
    refused: str | None = {
        "localizer": "LOCALIZER",
        "pdt2": "DUAL_ECHO_SPIN_ECHO",
    }.get(protocol)
    if kinds == {Kind.FAT_FRACTION}:
        refused = "FAT_FRACTION_UNIT_UNKNOWN"
    if protocol.startswith("b0") and vendor != "philips":
        refused = "PHASE_DIFFERENCE" if vendor == "siemens" else "REPEATED_POSITIONS"
    if protocol == "b0 with magnitude" and vendor == "philips" and written.style.form == "classic":
        refused = "CONTRAST_UNPROVEN"
    if vendor == "canon":
        refused = "COMPONENT_UNKNOWN"
    if refused is None:
        return "converted", None
    return ("skipped" if refused == "LOCALIZER" else "quarantined"), refused


def _images(written: WrittenVolumes) -> Iterator[ImageTruth]:
    by_kind: dict[Kind, list[StoredVolume]] = {}
    for stored in written.volumes:
        by_kind.setdefault(stored.volume.kind, []).append(stored)
    for kind, volumes in by_kind.items():
        yield _image(kind, sorted(volumes, key=lambda s: s.volume.echo_time_ms), written)


def _image(kind: Kind, volumes: list[StoredVolume], written: WrittenVolumes) -> ImageTruth:
    protocol, style = written.protocol, written.style
    told = style.contrasts.get(protocol.name, style.usual_contrast) if style.form == "enhanced" else ""
    suffix = SUFFIXES.get(kind, protocol.suffix) or {"T1": Suffix.T1W}.get(told)
    assert suffix is not None, f"{protocol.name}: its magnitude has no suffix and must be refused"
    affine = volumes[0].volume.affine_lps
    return ImageTruth(
        suffix=suffix,
        part=Part.PHASE if kind is Kind.PHASE else Part.MAG,
        echo_times_ms=tuple(s.volume.echo_time_ms for s in volumes),
        values=np.stack([s.real for s in volumes], axis=-1),
        affine_lps=affine,
        markers_mm=tuple(m.centre_mm(affine) for m in protocol.markers) if kind in MARKED else (),
    )
