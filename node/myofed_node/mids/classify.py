"""What a series is, from its headers alone: never from file names, descriptions, InstanceNumber or EchoNumber."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from myofed_node.mids import contrast
from myofed_node.mids.frames import Acquisition, Frame, Series
from myofed_node.mids.geometry import Stack, echo_times, orientations, stack
from myofed_node.mids.image_type import dixon_product, part_of, refuse_other_kinds
from myofed_node.mids.refusal import SeriesRefusedError
from myofed_schemas.mids import Part, Suffix

MAX_LOCALIZER_FRAMES = 60
PERCENT_WORDS = frozenset({"%", "PERCENT", "PCT"})
CONSTANT_KEYWORDS = ("repetition_time_ms", "flip_angle_degrees", "inversion_time_ms")


@dataclass(frozen=True)
class PlannedImage:
    """One image that a series will become.

    Attributes:
        suffix: What it is.
        part: Component; magnitude is said here, though not in the name.
        part_assumed: The component is the vendor's default, to be confirmed by the voxels.
        stack: Its frames in order, with the affine.
        evidence: Keywords and numbers that decided.
    """

    suffix: Suffix
    part: Part
    part_assumed: bool
    stack: Stack
    evidence: tuple[str, ...]


def classify(series: Series) -> tuple[PlannedImage, ...]:
    """The images this series will become, at least one; the whole series or nothing.

    Args:
        series: Headers; the order of files and frames does not matter.

    Returns:
        One image for each Dixon product and component, in the order of their names.

    Raises:
        SeriesRefusedError: Skipped or quarantined, with its code (docs/conversion.md).
    """
    if not series.frames:
        raise SeriesRefusedError("NO_FRAMES", "NumberOfFrames=0")
    refuse_other_kinds(series.frames)
    _refuse_scout_planes(series.frames)
    if contrast.is_echo_planar(series.acquisition):
        raise SeriesRefusedError("ECHO_PLANAR", "EchoPlanarPulseSequence=YES", outcome="skipped")
    varying = [keyword for keyword in CONSTANT_KEYWORDS if keyword in series.varying]
    if varying:
        raise SeriesRefusedError("PARAMETERS_VARY", *(f"{keyword}=differs between files" for keyword in varying))
    return tuple(
        _plan(frames, series.acquisition, product=product, part=part)
        for (product, part), frames in _groups(series).items()
    )


def _refuse_scout_planes(frames: Sequence[Frame]) -> None:
    """Planes at right angles in one short series are a localizer, whatever ImageType says."""
    found = orientations(frames)
    if len(found) < 2 or len(frames) > MAX_LOCALIZER_FRAMES:
        return
    normals = np.asarray([np.cross(cosines[0], cosines[1]) for cosines in found])
    if np.abs(np.triu(normals @ normals.T, k=1)).max() < 0.1:
        raise SeriesRefusedError(
            "LOCALIZER", f"ImageOrientationPatient={len(found)} at right angles", outcome="skipped"
        )


def _groups(series: Series) -> dict[tuple[Suffix | None, Part], list[Frame]]:
    groups: dict[tuple[Suffix | None, Part], list[Frame]] = {}
    for frame in series.frames:
        part, _assumed = part_of(frame, series.acquisition)
        if part is None:
            raise SeriesRefusedError("COMPONENT_UNKNOWN", "ComplexImageComponent and ImageType=do not say")
        groups.setdefault((dixon_product(frame), part), []).append(frame)
    return dict(sorted(groups.items(), key=lambda item: (item[0][0] or "", item[0][1])))


def _plan(frames: Sequence[Frame], acquisition: Acquisition, *, product: Suffix | None, part: Part) -> PlannedImage:
    times = echo_times(frames)
    if product is not None:
        suffix = _dixon_suffix(frames, product, part)
    elif len(times) > 1:
        suffix = contrast.multi_echo_suffix(acquisition, times)
        _refuse_component(suffix, part)
    else:
        suffix = _single_echo(frames, acquisition, part)
    return PlannedImage(
        suffix=suffix,
        part=part,
        part_assumed=any(part_of(frame, acquisition)[1] for frame in frames),
        stack=stack(frames, spacing_between_slices_mm=acquisition.spacing_between_slices_mm),
        evidence=_evidence(frames, acquisition, part),
    )


def _dixon_suffix(frames: Sequence[Frame], product: Suffix, part: Part) -> Suffix:
    if part is not Part.MAG:
        raise SeriesRefusedError("DIXON_PRODUCT_NOT_MAGNITUDE", f"ComplexImageComponent={part.name}")
    if len(echo_times(frames)) > 1:
        raise SeriesRefusedError("DIXON_PRODUCT_AMBIGUOUS", "EchoTime=differs within one product")
    if product is Suffix.FF and not all(_is_percent(frame) for frame in frames):
        raise SeriesRefusedError("FAT_FRACTION_UNIT_UNKNOWN", "RescaleType, RealWorldValueMapping=no percent")
    return product


def _is_percent(frame: Frame) -> bool:
    return frame.mapping.rescale_type in PERCENT_WORDS or frame.mapping.unit == "%"


def _refuse_component(suffix: Suffix, part: Part) -> None:
    if suffix is Suffix.MESE and part is not Part.MAG:
        raise SeriesRefusedError("COMPONENT_NOT_IN_PROFILE", f"ComplexImageComponent={part.name}", "suffix=MESE")


def _single_echo(frames: Sequence[Frame], acquisition: Acquisition, part: Part) -> Suffix:
    """The contrast of one echo; completeness is looked at first, because repeats of one echo are no contrast."""
    stack(frames, spacing_between_slices_mm=acquisition.spacing_between_slices_mm)
    if part is Part.PHASE:
        raise SeriesRefusedError("PHASE_DIFFERENCE", "EchoTime=1 different", "ComplexImageComponent=PHASE")
    if part is not Part.MAG:
        raise SeriesRefusedError("SINGLE_ECHO_COMPLEX", f"ComplexImageComponent={part.name}", "EchoTime=1 different")
    return contrast.single_echo_suffix(acquisition, frames[0].echo_time_ms)


def _evidence(frames: Sequence[Frame], acquisition: Acquisition, part: Part) -> tuple[str, ...]:
    times = echo_times(frames)
    told = contrast.timing_evidence(acquisition, None)
    echoes = ("EchoTime=" + ",".join(f"{time:g}" for time in times),) if times else ()
    return (*echoes, *told, f"component={part}", f"frames={len(frames)}")
