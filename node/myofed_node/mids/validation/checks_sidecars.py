"""Named checks of what a sidecar says about its image. Each returns the numbers it found wrong."""

from __future__ import annotations

import re
from itertools import pairwise

from pydantic import ValidationError

from myofed_node.mids.validation.checks import SIDECAR, Found
from myofed_node.mids.validation.dataset_view import ImageView, as_number
from myofed_schemas.mids import PROFILE, Part, Suffix
from myofed_schemas.rules import Rule
from myofed_schemas.sidecar import AnatomicalLevel

_NUMBERS = (
    "InversionTime",
    "PixelBandwidth",
    "ImagingFrequency",
    "MagneticFieldStrength",
    "WaterFatShift",
    "SliceThickness",
    "RefocusingFlipAngle",
    "ParallelReductionFactorInPlane",
    "BandwidthPerPixelPhaseEncode",
)
"""EchoTime, RepetitionTime and FlipAngle have rules of their own."""
_MOST_SHOWN = 8
_SPECIAL = re.compile(r"[^a-z]")


@SIDECAR.needs()
def names_profile(image: ImageView, _rule: Rule) -> Found:
    """The sidecar names our profile."""
    return () if image.sidecar.get("Profile") == PROFILE else ("another or none",)


@SIDECAR.needs()
def numbers_are_numbers(image: ImageView, _rule: Rule) -> Found:
    """What should be a number is one, or a list of such (one a slice, as the reference implementation writes)."""
    return tuple(key for key in _NUMBERS if key in image.sidecar and not _is_numeric(image.sidecar[key]))


def _is_numeric(value: object) -> bool:
    items = value if isinstance(value, list) else [value]
    return bool(items) and all(as_number(item) is not None for item in items)


@SIDECAR.needs()
def units_agree(image: ImageView, _rule: Rule) -> Found:
    """Units are those of the suffix, and said where they are not arbitrary."""
    expected = "rad" if image.name.part is Part.PHASE else image.kind.unit
    said = image.sidecar.get("Units", "arbitrary")
    return () if said == expected else (f"no {expected}",)


@SIDECAR.needs()
def has_echo_time(image: ImageView, _rule: Rule) -> Found:
    """EchoTime is there."""
    return () if image.echo_times_ms else ("none",)


@SIDECAR.needs("low_ms", "high_ms")
def echo_time_in_ms(image: ImageView, rule: Rule) -> Found:
    """Every echo time is one that milliseconds can be."""
    outside = [t for t in image.echo_times_ms if not rule.limits["low_ms"] <= t <= rule.limits["high_ms"]]
    return (_listed(outside),) if outside else ()


def _listed(numbers: list[float] | tuple[float, ...]) -> str:
    shown = ", ".join(f"{number:g}" for number in numbers[:_MOST_SHOWN])
    return f"{shown} and {len(numbers) - _MOST_SHOWN} more" if len(numbers) > _MOST_SHOWN else shown


@SIDECAR.needs()
def echo_count_agrees(image: ImageView, _rule: Rule) -> Found:
    """There are as many echo times as volumes."""
    if image.header is None or image.header.ndim != 4 or not image.echo_times_ms:
        return ()
    count, volumes = len(image.echo_times_ms), image.header.shape[3]
    return () if count == volumes else (f"{count} for {volumes} volumes",)


@SIDECAR.needs()
def echoes_increase(image: ImageView, _rule: Rule) -> Found:
    """Each echo comes after the one before."""
    good = all(first < second for first, second in pairwise(image.echo_times_ms))
    return () if good else (_listed(image.echo_times_ms),)


@SIDECAR.needs("echoes", "relative_tolerance")
def echoes_are_a_train(image: ImageView, rule: Rule) -> Found:
    """There are enough echoes, and each comes at its number times the first, as after equal refocusing pulses (CPMG)."""
    echoes = image.echo_times_ms
    if not echoes:
        return ()
    if len(echoes) < rule.limits["echoes"]:
        return (f"{len(echoes)}",)
    expected = [echoes[0] * number for number in range(1, len(echoes) + 1)]
    tolerance = rule.limits["relative_tolerance"]
    even = all(abs(time - due) <= tolerance * abs(due) for time, due in zip(echoes, expected, strict=True))
    return () if even else (_listed(echoes),)


@SIDECAR.needs()
def fourth_dimension_is_named(image: ImageView, _rule: Rule) -> Found:
    """The sidecar says what the fourth dimension is."""
    return () if image.sidecar.get("FourthDimension") == "EchoTime" else ("another or none",)


@SIDECAR.needs()
def has_repetition_time(image: ImageView, _rule: Rule) -> Found:
    """RepetitionTime is there."""
    return () if image.number("RepetitionTime") is not None else ("none",)


@SIDECAR.needs()
def repetition_exceeds_echo(image: ImageView, _rule: Rule) -> Found:
    """The last echo comes before the next excitation."""
    repetition, echoes = image.number("RepetitionTime"), image.echo_times_ms
    if repetition is None or not echoes or repetition > max(echoes):
        return ()
    return (f"{repetition:g} and {max(echoes):g}",)


@SIDECAR.needs("low_ms", "high_ms")
def inversion_time_in_ms(image: ImageView, rule: Rule) -> Found:
    """The inversion time is one that milliseconds can be; 0 says that there is no inversion."""
    time = image.number("InversionTime")
    good = not time or rule.limits["low_ms"] <= time <= rule.limits["high_ms"]
    return () if good else (f"{time:g}",)


@SIDECAR.needs()
def has_flip_angle(image: ImageView, _rule: Rule) -> Found:
    """FlipAngle is there."""
    return () if image.number("FlipAngle") is not None else ("none",)


@SIDECAR.needs("high_degrees")
def flip_angle_in_range(image: ImageView, rule: Rule) -> Found:
    """The flip angle is one that degrees can be."""
    angle = image.number("FlipAngle")
    return () if angle is None or 0 < angle <= rule.limits["high_degrees"] else (f"{angle:g}",)


@SIDECAR.needs("low_degrees", "high_degrees")
def refocusing_angle_in_range(image: ImageView, rule: Rule) -> Found:
    """Every refocusing flip angle is one that degrees can be."""
    value = image.sidecar.get("RefocusingFlipAngle")
    angles = [as_number(item) for item in (value if isinstance(value, list) else [value])]
    low, high = rule.limits["low_degrees"], rule.limits["high_degrees"]
    outside = [angle for angle in angles if angle is not None and not low <= angle <= high]
    return (_listed(outside),) if outside else ()


@SIDECAR.needs("low_tesla", "high_tesla")
def field_in_range(image: ImageView, rule: Rule) -> Found:
    """The field is one that tesla can be."""
    tesla = image.number("MagneticFieldStrength")
    good = tesla is None or rule.limits["low_tesla"] <= tesla <= rule.limits["high_tesla"]
    return () if good else (f"{tesla:g}",)


@SIDECAR.needs("mhz_per_tesla", "relative_tolerance")
def frequency_fits_field(image: ImageView, rule: Rule) -> Found:
    """Frequency and field belong together."""
    tesla, frequency = image.number("MagneticFieldStrength"), image.number("ImagingFrequency")
    if not tesla or frequency is None:
        return ()
    off = abs(frequency / (tesla * rule.limits["mhz_per_tesla"]) - 1)
    return () if off <= rule.limits["relative_tolerance"] else (f"{frequency:g} MHz at {tesla:g} T",)


@SIDECAR.needs("ppm", "relative_tolerance")
def water_fat_shift_fits(image: ImageView, rule: Rule) -> Found:
    """The shift follows from frequency and bandwidth."""
    shift, frequency = image.number("WaterFatShift"), image.number("ImagingFrequency")
    bandwidth = image.number("PixelBandwidth")
    if shift is None or not frequency or not bandwidth:
        return ()
    expected = rule.limits["ppm"] * frequency / bandwidth
    agrees = abs(shift - expected) <= rule.limits["relative_tolerance"] * abs(expected)
    return () if agrees else (f"{shift:g} where {expected:g} follows",)


@SIDECAR.needs()
def pulse_sequence_is_dess(image: ImageView, _rule: Rule) -> Found:
    """The sidecar names the sequence."""
    return () if image.sidecar.get("PulseSequenceType") == "DESS" else ("another or none",)


@SIDECAR.needs()
def readout_mode_is_told(image: ImageView, _rule: Rule) -> Found:
    """ReadoutMode is one of two words, and stands with several gradient echoes only."""
    return _one_of_two(image, "ReadoutMode", ("monopolar", "bipolar"))


@SIDECAR.needs()
def precession_is_told(image: ImageView, _rule: Rule) -> Found:
    """PrecessionDirection is one of two words, and stands with several gradient echoes only."""
    return _one_of_two(image, "PrecessionDirection", ("clockwise", "counterclockwise"))


def _one_of_two(image: ImageView, key: str, words: tuple[str, str]) -> Found:
    """Spelling is not what matters here: the draft itself writes Counter-/Clockwise."""
    if key not in image.sidecar:
        return ()
    if image.kind is not Suffix.MEGRE:
        return (f"one beside {image.kind.value}",)
    value = image.sidecar[key]
    return () if isinstance(value, str) and _SPECIAL.sub("", value.lower()) in words else ("another value",)


@SIDECAR.needs()
def phase_encoding_is_an_axis(image: ImageView, _rule: Rule) -> Found:
    """PhaseEncodingDirection is i or j."""
    value = image.sidecar.get("PhaseEncodingDirection")
    return () if value is None or (isinstance(value, str) and value in {"i", "j"}) else ("another value",)


@SIDECAR.needs()
def level_has_one_number_a_slice(image: ImageView, _rule: Rule) -> Found:
    """AnatomicalLevel names a bone or a landmark and has one finite number for each slice."""
    value = image.sidecar.get("AnatomicalLevel")
    if value is None:
        return ()
    try:
        level = AnatomicalLevel.model_validate(value)
    except ValidationError:
        return ("another form",)
    told = [numbers for numbers in (level.percent_of_length, level.distance_to_landmark_mm) if numbers is not None]
    if not all(as_number(number) is not None for numbers in told for number in numbers):
        return ("what is no number",)
    slices = image.header.shape[2] if image.header and image.header.ndim > 2 else None
    wrong = [len(numbers) for numbers in told if slices is not None and len(numbers) != slices]
    return (f"{wrong[0]} numbers for {slices} slices",) if wrong else ()
