"""What the converter knows of a series: facts that hold for all of it, and one record a frame; headers only, no pixels."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from enum import Enum
from typing import NewType

FileIndex = NewType("FileIndex", int)
"""Position of a file in the list the series was read from; names nothing."""


class Vendor(Enum):
    """By Manufacturer (0008,0070), which sites spell in many ways."""

    SIEMENS = "Siemens"
    PHILIPS = "Philips"
    GE = "GE"
    CANON = "Canon"
    UNITED_IMAGING = "United Imaging"
    OTHER = "other"


MANUFACTURERS = {
    "SIEMENS": Vendor.SIEMENS,
    "PHILIPS": Vendor.PHILIPS,
    "GE": Vendor.GE,
    "CANON": Vendor.CANON,
    "TOSHIBA": Vendor.CANON,
    "UIH": Vendor.UNITED_IMAGING,
    "UNITED IMAGING": Vendor.UNITED_IMAGING,
}
"""How Manufacturer begins, in upper case; Toshiba's scanners became Canon's."""


@dataclass(frozen=True)
class Plane:
    """Where one frame lies (PS3.3 C.7.6.2.1.1), LPS, mm.

    Attributes:
        position_lps: ImagePositionPatient: centre of the first voxel.
        orientation_lps: ImageOrientationPatient: unit vectors of growing column index, then of growing row index.
        pixel_spacing_mm: Between rows, between columns.
        shape: Rows, columns.
        slice_thickness_mm: SliceThickness; None where absent.
    """

    position_lps: tuple[float, float, float]
    orientation_lps: tuple[float, float, float, float, float, float]
    pixel_spacing_mm: tuple[float, float]
    shape: tuple[int, int]
    slice_thickness_mm: float | None


@dataclass(frozen=True)
class RealWorldValue:
    """A linear RealWorldValueMapping (PS3.3 C.7.6.16.2.11): stored * slope + intercept, in a unit of UCUM."""

    slope: float
    intercept: float
    unit: str


@dataclass(frozen=True)
class ValueMapping:
    """How stored values become real ones.

    Attributes:
        slope: RescaleSlope, 1 where absent.
        intercept: RescaleIntercept, 0 where absent.
        rescale_type: RescaleType in upper case.
        philips_scale_slope: (2005,xx0E) of `Philips MR Imaging DD 001`.
        real_world: The frame's one RealWorldValueMapping with a unit; None where there is none or several.
        bits_stored: BitsStored.
        signed: PixelRepresentation is 1.
    """

    slope: float
    intercept: float
    rescale_type: str
    philips_scale_slope: float | None
    real_world: RealWorldValue | None
    bits_stored: int
    signed: bool


@dataclass(frozen=True)
class Frame:
    """One frame.

    Attributes:
        file: The file it is in.
        index: Its index in that file, 0 for classic objects.
        image_type: Frame Type or ImageType, upper case.
        component: ComplexImageComponent, upper case or empty.
        raw_data_type: GE's (0043,xx2F): 0 magnitude, 1 phase, 2 real, 3 imaginary; None where absent.
        echo_time_ms: EchoTime or EffectiveEchoTime.
        b_value: DiffusionBValue, s/mm2; None where absent.
        stack_id: StackID of an Enhanced object, or empty.
        stack_position: InStackPositionNumber; None where absent.
    """

    file: FileIndex
    index: int
    image_type: tuple[str, ...]
    component: str
    raw_data_type: int | None
    echo_time_ms: float | None
    b_value: float | None
    plane: Plane
    mapping: ValueMapping
    stack_id: str = ""
    stack_position: int | None = None


@dataclass(frozen=True)
class Acquisition:
    """Facts of the acquisition, taken from one file; names are the DICOM keywords', times in ms.

    Empty tuples and strings and None mean that the header does not say.
    """

    manufacturer: str
    model: str
    scanning_sequence: tuple[str, ...]
    sequence_variant: tuple[str, ...]
    scan_options: tuple[str, ...]
    acquisition_type: str
    echo_pulse_sequence: str
    echo_planar: str
    inversion_recovery: str
    spectral_selection: str
    spectral_suppression: str
    acquisition_contrast: str
    sequence_name: str
    multiple_spin_echo: str
    repetition_time_ms: float | None
    flip_angle_degrees: float | None
    inversion_time_ms: float | None
    echo_train_length: int | None
    parallel_reduction_factor_in_plane: float | None
    parallel_acquisition_technique: str
    pixel_bandwidth_hz: float | None
    imaging_frequency_mhz: float | None
    magnetic_field_strength_tesla: float | None
    in_plane_phase_encoding_direction: str
    spacing_between_slices_mm: float | None
    body_part_examined: str
    anatomic_region_code: str

    @property
    def vendor(self) -> Vendor:
        """The vendor whose conventions apply."""
        name = self.manufacturer.upper()
        return next((vendor for start, vendor in MANUFACTURERS.items() if name.startswith(start)), Vendor.OTHER)


@dataclass(frozen=True)
class Stated:
    """What one file says of how much there should be; None where it does not.

    Attributes:
        frames: NumberOfFrames (1 in a classic object).
        frames_described: Items of PerFrameFunctionalGroupsSequence (1 in a classic object).
        images_in_acquisition: ImagesInAcquisition (0020,1002).
        images_in_series: GE's (0025,xx07) of `GEMS_SERS_01`.
        slices: Philips' (2001,xx18) of `Philips Imaging DD 001`.
        concatenation: ConcatenationUID, new; empty where the object is whole.
        concatenation_parts: InConcatenationTotalNumber or, where it is absent, InConcatenationNumber.
    """

    frames: int | None = None
    frames_described: int = 1
    images_in_acquisition: int | None = None
    images_in_series: int | None = None
    slices: int | None = None
    concatenation: str = ""
    concatenation_parts: int | None = None


@dataclass(frozen=True)
class Series:
    """One series of de-identified DICOM.

    Attributes:
        uid: New SeriesInstanceUID.
        study_uid: New StudyInstanceUID.
        subject: De-identified PatientID.
        number: SeriesNumber, 0 where absent.
        varying: Fields of the acquisition that differ between files.
        protocol_name: ProtocolName as de-identification left it; for a site's override file only, it proves nothing.
        description: SeriesDescription, likewise.
        stated: One a file, in the order of the files; empty where series were joined.
        told: Facts as each frame tells them, in the order of `frames`; empty where all tell `acquisition`.
    """

    uid: str
    study_uid: str
    subject: str
    number: int
    acquisition: Acquisition
    varying: tuple[str, ...]
    frames: tuple[Frame, ...]
    protocol_name: str = ""
    description: str = ""
    stated: tuple[Stated, ...] = ()
    told: tuple[Acquisition, ...] = ()

    def facts_of(self, number: int) -> Acquisition:
        """Facts as the frame at this place of `frames` tells them."""
        return self.told[number] if self.told else self.acquisition


def differing(facts: Iterable[Acquisition]) -> tuple[str, ...]:
    """Names of the fields that are not the same in all of these."""
    different = set(facts)
    if len(different) < 2:
        return ()
    return tuple(f.name for f in fields(Acquisition) if len({getattr(fact, f.name) for fact in different}) > 1)
