"""Named checks of an image and its sidecar. Each returns the numbers it found wrong; nothing when all is well or cannot be asked."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np

from myofed_node.mids.checks_files import Found
from myofed_node.mids.dataset_view import ImageView
from myofed_schemas.mids import PROFILE, Part
from myofed_schemas.rules import Rule

ImageCheck = Callable[[ImageView, Rule], Found]


def is_readable(image: ImageView, _rule: Rule) -> Found:
    """Header and voxels can be read."""
    return ("a damaged file",) if image.values is None else ()


def digest_agrees(image: ImageView, _rule: Rule) -> Found:
    """The file is the one that was converted."""
    provenance = image.sidecar.get("Provenance")
    said = provenance.get("ImageDigest") if isinstance(provenance, dict) else None
    return ("another digest",) if said is not None and said != image.sha256 else ()


def names_profile(image: ImageView, _rule: Rule) -> Found:
    """The sidecar names our profile."""
    return () if image.sidecar.get("Profile") == PROFILE else ("another or none",)


def ndim_agrees(image: ImageView, _rule: Rule) -> Found:
    """Echoes are the fourth dimension, and there is no other."""
    if image.nifti is None:
        return ()
    expected = 4 if image.name.suffix.stacks_echoes else 3
    return () if image.nifti.ndim == expected else (f"{image.nifti.ndim} dimensions",)


def affine_is_valid(image: ImageView, _rule: Rule) -> Found:
    """The affine is finite and not singular."""
    if image.nifti is None:
        return ()
    affine = np.asarray(image.nifti.affine)
    good = np.isfinite(affine).all() and abs(np.linalg.det(affine[:3, :3])) > 1e-9
    return () if good else ("a singular or infinite one",)


def sform_equals_qform(image: ImageView, rule: Rule) -> Found:
    """Both ways of saying the geometry are given and say the same."""
    if image.nifti is None:
        return ()
    header: Any = image.nifti.header
    if int(header["sform_code"]) < 1 or int(header["qform_code"]) < 1:
        return ("a code of 0",)
    corner = np.append(np.asarray(image.nifti.shape[:3]) - 1, 1.0)
    apart = np.abs((header.get_sform() - header.get_qform()) @ np.stack([corner, [0, 0, 0, 1.0]]).T).max()
    return () if apart <= rule.limits["tolerance_mm"] else (f"{apart:.4f} mm apart",)


def unit_is_mm(image: ImageView, _rule: Rule) -> Found:
    """The header says millimetres."""
    if image.nifti is None:
        return ()
    unit = str(image.nifti.header.get_xyzt_units()[0])
    return () if unit == "mm" else (unit,)


def values_are_finite(image: ImageView, _rule: Rule) -> Found:
    """No voxel is NaN or infinite."""
    if image.values is None or image.values.dtype.kind != "f":
        return ()
    bad = int(np.count_nonzero(~np.isfinite(image.values.astype(np.float64))))
    return (f"{bad} that are not",) if bad else ()


def phase_in_radians(image: ImageView, rule: Rule) -> Found:
    """A phase image lies within half a turn."""
    if image.name.part is not Part.PHASE or image.values is None:
        return ()
    largest = float(np.abs(image.values.astype(np.float64)).max(initial=0.0))
    return () if largest <= math.pi + rule.limits["tolerance_radians"] else (f"{largest:g}",)


def values_in_range(image: ImageView, rule: Rule) -> Found:
    """Voxels lie between low and high, and the largest is at least `reached` (a fraction is no percentage)."""
    if image.values is None:
        return ()
    low, high = float(image.values.astype(np.float64).min()), float(image.values.astype(np.float64).max())
    good = rule.limits["low"] <= low and rule.limits["reached"] <= high <= rule.limits["high"]
    return () if good else (f"{low:g}..{high:g}",)


def has_echo_time(image: ImageView, _rule: Rule) -> Found:
    """EchoTime is there."""
    return () if image.echo_times_ms else ("none",)


def echo_time_in_ms(image: ImageView, rule: Rule) -> Found:
    """Every echo time is one that milliseconds can be."""
    outside = [t for t in image.echo_times_ms if not rule.limits["low_ms"] <= t <= rule.limits["high_ms"]]
    return (", ".join(f"{t:g}" for t in outside),) if outside else ()


def echo_count_agrees(image: ImageView, _rule: Rule) -> Found:
    """There are as many echo times as volumes."""
    if image.nifti is None or image.nifti.ndim != 4:
        return ()
    count, volumes = len(image.echo_times_ms), image.nifti.shape[3]
    return () if count == volumes else (f"{count} for {volumes} volumes",)


def echoes_increase(image: ImageView, _rule: Rule) -> Found:
    """Each echo comes after the one before."""
    good = all(first < second for first, second in pairwise(image.echo_times_ms))
    return () if good else (", ".join(f"{t:g}" for t in image.echo_times_ms),)


def fourth_dimension_is_named(image: ImageView, _rule: Rule) -> Found:
    """The sidecar says what the fourth dimension is."""
    return () if image.sidecar.get("FourthDimension") == "EchoTime" else ("another or none",)


def has_repetition_time(image: ImageView, _rule: Rule) -> Found:
    """RepetitionTime is there."""
    return () if image.number("RepetitionTime") is not None else ("none",)


def repetition_exceeds_echo(image: ImageView, _rule: Rule) -> Found:
    """The last echo comes before the next excitation."""
    repetition, echoes = image.number("RepetitionTime"), image.echo_times_ms
    if repetition is None or not echoes or repetition > max(echoes):
        return ()
    return (f"{repetition:g} and {max(echoes):g}",)


def has_flip_angle(image: ImageView, _rule: Rule) -> Found:
    """FlipAngle is there."""
    return () if image.number("FlipAngle") is not None else ("none",)


def flip_angle_in_range(image: ImageView, rule: Rule) -> Found:
    """The flip angle is one that degrees can be."""
    angle = image.number("FlipAngle")
    return () if angle is None or 0 < angle <= rule.limits["high_degrees"] else (f"{angle:g}",)


def field_in_range(image: ImageView, rule: Rule) -> Found:
    """The field is one that tesla can be."""
    tesla = image.number("MagneticFieldStrength")
    good = tesla is None or rule.limits["low_tesla"] <= tesla <= rule.limits["high_tesla"]
    return () if good else (f"{tesla:g}",)


def frequency_fits_field(image: ImageView, rule: Rule) -> Found:
    """Frequency and field belong together."""
    tesla, frequency = image.number("MagneticFieldStrength"), image.number("ImagingFrequency")
    if not tesla or frequency is None:
        return ()
    off = abs(frequency / (tesla * rule.limits["mhz_per_tesla"]) - 1)
    return () if off <= rule.limits["relative_tolerance"] else (f"{frequency:g} MHz at {tesla:g} T",)


def water_fat_shift_fits(image: ImageView, rule: Rule) -> Found:
    """The shift follows from frequency and bandwidth."""
    shift, frequency = image.number("WaterFatShift"), image.number("ImagingFrequency")
    bandwidth = image.number("PixelBandwidth")
    if shift is None or not frequency or not bandwidth:
        return ()
    expected = rule.limits["ppm"] * frequency / bandwidth
    return () if abs(shift / expected - 1) <= rule.limits["relative_tolerance"] else (f"{shift:g}",)


IMAGE_CHECKS: dict[str, ImageCheck] = {
    check.__name__: check
    for check in (
        is_readable,
        digest_agrees,
        names_profile,
        ndim_agrees,
        affine_is_valid,
        sform_equals_qform,
        unit_is_mm,
        values_are_finite,
        phase_in_radians,
        values_in_range,
        has_echo_time,
        echo_time_in_ms,
        echo_count_agrees,
        echoes_increase,
        fourth_dimension_is_named,
        has_repetition_time,
        repetition_exceeds_echo,
        has_flip_angle,
        flip_angle_in_range,
        field_in_range,
        frequency_fits_field,
        water_fat_shift_fits,
    )
}
