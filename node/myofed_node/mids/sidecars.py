"""The sidecar of an image: acquisition from the headers, provenance from the run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from myofed_node.mids.dicom_input.frames import Acquisition, Vendor
from myofed_node.mids.judging.classify import PlannedImage
from myofed_node.mids.judging.levels import anatomical_level
from myofed_node.mids.judging.overrides import CONTRADICTION, PrecessionDirection, ReadoutMode
from myofed_node.mids.refusal import SeriesRefusedError
from myofed_schemas.mids import Part, Suffix, Unit
from myofed_schemas.sidecar import AnatomicalLevel, Provenance, Sidecar

WATER_FAT_SHIFT_PPM = 3.35
"""Chemical shift of fat as the reference implementation of ORMIR-MIDS uses it."""
PULSE_SEQUENCE_TYPE = {
    Suffix.MEGRE: "Multi-echo Gradient Echo",
    Suffix.MESE: "Multi-echo Spin Echo",
    **dict.fromkeys((Suffix.DESS, Suffix.DESS_FID, Suffix.DESS_ECHO), "DESS"),
}
"""As the reference implementation of ORMIR-MIDS writes them."""
AXIS_OF_PHASE_ENCODING: dict[str, Literal["i", "j"]] = {"ROW": "i", "COL": "j", "COLUMN": "j"}
"""(0018,1312) ROW: phase encoding along a row, that is along our first axis (column index); COL, in Enhanced objects COLUMN (PS3.3
C.8.13.5.3): along the second. Of OTHER the axis is not told."""
READOUT_MODES: dict[float | None, ReadoutMode] = {1.0: "Monopolar", 2.0: "Bipolar"}
"""Siemens' ucReadOutMode as dcm2niix and two reconstruction packages read it; it means something with several echoes only."""

MIN_REFOCUSING_DEGREES = 91.0
"""Siemens writes the refocusing angle into FlipAngle of a spin-echo train (as the reference implementation reads it); 90 degrees
and less would be an excitation."""

ECHO_PULSE_SEQUENCES = {"SPIN": ("SE",), "GRADIENT": ("GR",), "BOTH": ("SE", "GR")}
"""EchoPulseSequence (0018,9008) in the words of ScanningSequence (0018,0020)."""

SideNumbers = Mapping[str, tuple[float, ...]]
"""What one file's side record tells, by the vendor's name."""


def sidecar(
    image: PlannedImage, acquisition: Acquisition, *, provenance: Provenance, numbers: Sequence[SideNumbers] = ()
) -> Sidecar:
    """All that headers and side records tell about the image, in the units of ORMIR-MIDS (ms, degrees, MHz, T, Hz/pixel).

    Args:
        image: The image as planned.
        acquisition: Facts of its series, for an image that does not have its own.
        provenance: From the run.
        numbers: Of each file of the image; a number that differs between them is not told.

    Raises:
        SeriesRefusedError: OVERRIDE_CONTRADICTS_HEADERS, the side record tells another readout than the site's file.
    """
    acquisition = image.acquisition or acquisition
    stacked = image.suffix.stacks_echoes
    first = image.stack.frames[0][0]
    return Sidecar(
        echo_time_ms=_echo_time(image),
        repetition_time_ms=acquisition.repetition_time_ms,
        flip_angle_degrees=acquisition.flip_angle_degrees,
        inversion_time_ms=acquisition.inversion_time_ms,
        scanning_sequence=_joined(_scanning_sequence(acquisition)),
        sequence_variant=_joined(acquisition.sequence_variant),
        scan_options=_joined(acquisition.scan_options),
        sequence_name=acquisition.sequence_name or None,
        acquisition_type=acquisition.acquisition_type or None,
        parallel_reduction_factor_in_plane=acquisition.parallel_reduction_factor_in_plane,
        parallel_acquisition_technique=acquisition.parallel_acquisition_technique or None,
        pixel_bandwidth_hz=acquisition.pixel_bandwidth_hz,
        manufacturer=acquisition.manufacturer or None,
        model=acquisition.model or None,
        imaging_frequency_mhz=acquisition.imaging_frequency_mhz,
        magnetic_field_strength_tesla=acquisition.magnetic_field_strength_tesla,
        image_type=_joined(first.image_type),
        phase_encoding_direction=AXIS_OF_PHASE_ENCODING.get(acquisition.in_plane_phase_encoding_direction),
        slice_thickness_mm=first.plane.slice_thickness_mm,
        body_part_examined=acquisition.body_part_examined or None,
        pulse_sequence_type=PULSE_SEQUENCE_TYPE.get(image.suffix),
        water_fat_shift_pixels=_water_fat_shift(acquisition) if image.suffix is Suffix.MEGRE else None,
        readout_mode=_readout_mode(image, numbers),
        precession_direction=_precession_direction(image),
        refocusing_flip_angle_degrees=_refocusing_angle(image, acquisition),
        anatomical_level=_level(image),
        bandwidth_per_pixel_phase_encode_hz=_agreed("BandwidthPerPixelPhaseEncode", numbers),
        fourth_dimension="EchoTime" if stacked else None,
        units=_units(image),
        provenance=provenance,
    )


def _echo_time(image: PlannedImage) -> float | tuple[float, ...] | None:
    if image.suffix.stacks_echoes:
        return image.stack.echo_times_ms
    return image.stack.echo_times_ms[0] if image.stack.echo_times_ms else None


def _scanning_sequence(acquisition: Acquisition) -> tuple[str, ...]:
    """ScanningSequence, or what EchoPulseSequence and InversionRecovery of an Enhanced object say in its words."""
    told = ECHO_PULSE_SEQUENCES.get(acquisition.echo_pulse_sequence, ())
    inverted = ("IR",) if told and acquisition.inversion_recovery == "YES" else ()
    return acquisition.scanning_sequence or (*told, *inverted)


def _joined(words: tuple[str, ...]) -> str | None:
    return "/".join(words) or None


def _agreed(name: str, numbers: Sequence[SideNumbers]) -> float | None:
    """The one number that every file tells under this name; None where one is silent or tells another."""
    told = {file.get(name, ()) for file in numbers}
    only = told.pop() if len(told) == 1 else ()
    return only[0] if len(only) == 1 else None


def _readout_mode(image: PlannedImage, numbers: Sequence[SideNumbers]) -> ReadoutMode | None:
    if image.suffix is not Suffix.MEGRE:
        return None
    told = READOUT_MODES.get(_agreed("ucReadOutMode", numbers))
    said = image.override.readout_mode if image.override else None
    if told and said and told != said:
        raise SeriesRefusedError(CONTRADICTION, f"ucReadOutMode={told}", "override=readout_mode")
    return told or said


def _precession_direction(image: PlannedImage) -> PrecessionDirection | None:
    """No header of any vendor tells it."""
    return image.override.precession_direction if image.override and image.suffix is Suffix.MEGRE else None


def _refocusing_angle(image: PlannedImage, acquisition: Acquisition) -> float | None:
    angle = acquisition.flip_angle_degrees
    if image.suffix is not Suffix.MESE or acquisition.vendor is not Vendor.SIEMENS or angle is None:
        return None
    return angle if angle >= MIN_REFOCUSING_DEGREES else None


def _level(image: PlannedImage) -> AnatomicalLevel | None:
    level = image.override.level if image.override else None
    return anatomical_level(level, image.stack) if level else None


def _water_fat_shift(acquisition: Acquisition) -> float | None:
    frequency, bandwidth = acquisition.imaging_frequency_mhz, acquisition.pixel_bandwidth_hz
    return round(WATER_FAT_SHIFT_PPM * frequency / bandwidth, 6) if frequency and bandwidth else None


def _units(image: PlannedImage) -> Unit:
    return "rad" if image.part is Part.PHASE else image.suffix.unit
