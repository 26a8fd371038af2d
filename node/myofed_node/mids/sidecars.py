"""The sidecar of an image: acquisition from the headers, provenance from the run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from myofed_node.mids.classify import PlannedImage
from myofed_node.mids.frames import Acquisition
from myofed_schemas.mids import Part, Suffix, Unit
from myofed_schemas.sidecar import Provenance, Sidecar

WATER_FAT_SHIFT_PPM = 3.35
"""Chemical shift of fat as the reference implementation of ORMIR-MIDS uses it."""
PULSE_SEQUENCE_TYPE = {Suffix.MEGRE: "Multi-echo Gradient Echo", Suffix.MESE: "Multi-echo Spin Echo"}
AXIS_OF_PHASE_ENCODING: dict[str, Literal["i", "j"]] = {"ROW": "i", "COL": "j"}
"""(0018,1312) ROW: phase encoding along a row, that is along our first axis (column index); COL: along the second."""
READOUT_MODES: dict[float | None, Literal["Monopolar", "Bipolar"]] = {1.0: "Monopolar", 2.0: "Bipolar"}
"""Siemens' ucReadOutMode as dcm2niix and two reconstruction packages read it; it means something with several echoes only."""

SideNumbers = Mapping[str, tuple[float, ...]]
"""What one file's side record tells, by the vendor's name."""


def sidecar(
    image: PlannedImage, acquisition: Acquisition, *, provenance: Provenance, numbers: Sequence[SideNumbers] = ()
) -> Sidecar:
    """All that headers and side records tell about the image, in the units of ORMIR-MIDS (ms, degrees, MHz, T, Hz/pixel).

    Args:
        image: The image as planned.
        acquisition: Facts of its series.
        provenance: From the run.
        numbers: Of each file of the image; a number that differs between them is not told.
    """
    stacked = image.suffix.stacks_echoes
    first = image.stack.frames[0][0]
    return Sidecar(
        echo_time_ms=_echo_time(image),
        repetition_time_ms=acquisition.repetition_time_ms,
        flip_angle_degrees=acquisition.flip_angle_degrees,
        inversion_time_ms=acquisition.inversion_time_ms,
        scanning_sequence=_joined(acquisition.scanning_sequence),
        sequence_variant=_joined(acquisition.sequence_variant),
        scan_options=_joined(acquisition.scan_options),
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
        readout_mode=READOUT_MODES.get(_agreed("ucReadOutMode", numbers)) if image.suffix is Suffix.MEGRE else None,
        bandwidth_per_pixel_phase_encode_hz=_agreed("BandwidthPerPixelPhaseEncode", numbers),
        fourth_dimension="EchoTime" if stacked else None,
        units=_units(image),
        provenance=provenance,
    )


def _echo_time(image: PlannedImage) -> float | tuple[float, ...] | None:
    if image.suffix.stacks_echoes:
        return image.stack.echo_times_ms
    return image.stack.echo_times_ms[0] if image.stack.echo_times_ms else None


def _joined(words: tuple[str, ...]) -> str | None:
    return "/".join(words) or None


def _agreed(name: str, numbers: Sequence[SideNumbers]) -> float | None:
    """The one number that every file tells under this name; None where one is silent or tells another."""
    told = {file.get(name, ()) for file in numbers}
    only = told.pop() if len(told) == 1 else ()
    return only[0] if len(only) == 1 else None


def _water_fat_shift(acquisition: Acquisition) -> float | None:
    frequency, bandwidth = acquisition.imaging_frequency_mhz, acquisition.pixel_bandwidth_hz
    return round(WATER_FAT_SHIFT_PPM * frequency / bandwidth, 6) if frequency and bandwidth else None


def _units(image: PlannedImage) -> Unit:
    return "rad" if image.part is Part.PHASE else image.suffix.unit
