"""Named checks of an image's voxels, and of images against each other. Each returns the numbers it found wrong."""

from __future__ import annotations

import math

from myofed_node.mids.validation.checks import IMAGE, Found
from myofed_node.mids.validation.checks_labels import corners_apart_mm
from myofed_node.mids.validation.dataset_view import ImageView, Sibling, echo_times_ms, sibling
from myofed_schemas.mids import Part
from myofed_schemas.rules import Rule

_PARTNERS = {Part.REAL: Part.IMAG, Part.IMAG: Part.REAL}


@IMAGE.needs()
def ndim_agrees(image: ImageView, _rule: Rule) -> Found:
    """Echoes are the fourth dimension, and there is no other."""
    if image.header is None:
        return ()
    expected = 4 if image.kind.stacks_echoes else 3
    return () if image.header.ndim == expected else (f"{image.header.ndim} dimensions",)


@IMAGE.needs()
def digest_agrees(image: ImageView, _rule: Rule) -> Found:
    """The file is the one that was converted."""
    provenance = image.sidecar.get("Provenance")
    said = provenance.get("ImageDigest") if isinstance(provenance, dict) else None
    if said is None or not image.sha256:
        return ()
    return () if said == image.sha256 else ("another digest",)


@IMAGE.needs()
def values_are_finite(image: ImageView, _rule: Rule) -> Found:
    """No voxel is NaN or infinite."""
    return (f"{image.scan.not_finite} that are not",) if image.scan and image.scan.not_finite else ()


@IMAGE.needs()
def values_differ(image: ImageView, _rule: Rule) -> Found:
    """There is something to see."""
    blank = image.scan is not None and image.scan.not_finite == 0 and image.scan.low == image.scan.high
    return (f"{image.scan.low:g} everywhere",) if blank and image.scan else ()


@IMAGE.needs("tolerance_radians")
def phase_in_radians(image: ImageView, rule: Rule) -> Found:
    """A phase image lies within half a turn."""
    if image.name.part is not Part.PHASE or image.scan is None or not _has_values(image):
        return ()
    largest = max(abs(image.scan.low), abs(image.scan.high))
    return (
        () if largest <= math.pi + rule.limits["tolerance_radians"] else (f"{image.scan.low:g}..{image.scan.high:g}",)
    )


def _has_values(image: ImageView) -> bool:
    return image.scan is not None and math.isfinite(image.scan.low)


@IMAGE.needs("low", "high", "reached")
def values_in_range(image: ImageView, rule: Rule) -> Found:
    """Voxels of a map lie between low and high, and the largest size is at least `reached` (a fraction is no percentage)."""
    if image.name.part is not None or image.scan is None or not _has_values(image):
        return ()
    low, high = image.scan.low, image.scan.high
    good = rule.limits["low"] <= low and high <= rule.limits["high"] and max(-low, high) >= rule.limits["reached"]
    return () if good else (f"{low:g}..{high:g}",)


@IMAGE.needs("relative_tolerance")
def signal_decays(image: ImageView, rule: Rule) -> Found:
    """The mean signal falls from each echo to the next; the second may exceed the first by its stimulated echo."""
    if image.name.part is not None or image.scan is None or len(image.scan.volumes) < 2:
        return ()
    means = [volume.mean for volume in image.scan.volumes]
    tolerance = 1 + rule.limits["relative_tolerance"]
    rising = [number for number in range(2, len(means)) if means[number] > means[number - 1] * tolerance]
    if means[-1] >= max(means[:2]):
        return (f"echo {len(means)} as bright as the first",)
    return (f"echo {rising[0] + 1} brighter than echo {rising[0]}",) if rising else ()


@IMAGE.needs()
def is_no_copy(image: ImageView, _rule: Rule) -> Found:
    """No image before had the same voxels."""
    if image.scan is None:
        return ()
    first = image.dataset.first_with.setdefault(image.scan.digest, image.path)
    return () if first == image.path else (f"those of {first}",)


@IMAGE.needs("tolerance_mm")
def part_grid_agrees(image: ImageView, rule: Rule) -> Found:
    """A phase, real or imaginary image lies on the grid of its magnitude."""
    magnitude = _magnitude(image)
    if magnitude is None or image.header is None or magnitude.header is None:
        return ()
    if image.header.shape != magnitude.header.shape:
        return ("another shape",)
    apart = corners_apart_mm(image.header, magnitude.header)
    return () if apart is None or apart <= rule.limits["tolerance_mm"] else (f"corners {apart:.4g} mm apart",)


@IMAGE.needs("tolerance_ms")
def part_echoes_agree(image: ImageView, rule: Rule) -> Found:
    """A phase, real or imaginary image has the echo times of its magnitude."""
    magnitude = _magnitude(image)
    ours, theirs = image.echo_times_ms, echo_times_ms(magnitude.sidecar) if magnitude else ()
    if not ours or not theirs:
        return ()
    same = len(ours) == len(theirs) and all(
        abs(one - other) <= rule.limits["tolerance_ms"] for one, other in zip(ours, theirs, strict=True)
    )
    return () if same else (f"{_listed(ours)} and {_listed(theirs)}",)


@IMAGE.needs()
def part_has_partner(image: ImageView, _rule: Rule) -> Found:
    """Real and imaginary come together."""
    partner = _PARTNERS.get(image.name.part) if image.name.part else None
    there = partner is None or image.name.with_part(partner) in image.dataset.paths
    return () if there else (f"no {partner}",)


@IMAGE.needs()
def part_has_magnitude(image: ImageView, _rule: Rule) -> Found:
    """A component has its magnitude, or real and imaginary images from which it can be computed."""
    if image.name.part in {None, Part.MAG}:
        return ()
    paths = image.dataset.paths
    if {image.name.magnitude, image.name.with_part(Part.MAG)} & set(paths):
        return ()
    whole = all(image.name.with_part(part) in paths for part in _PARTNERS)
    return () if whole else (f"{image.name.part} alone",)


def _magnitude(image: ImageView) -> Sibling | None:
    return sibling(image.dataset, image.name.magnitude) if image.name.part else None


def _listed(numbers: tuple[float, ...]) -> str:
    return ", ".join(f"{number:g}" for number in numbers)
