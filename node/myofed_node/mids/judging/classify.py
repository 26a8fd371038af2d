"""What a series is, from its headers alone: never from file names, descriptions, InstanceNumber or EchoNumber.

A site's override file may say what headers do not; it never goes against what they prove, and never past a proof of geometry
or completeness.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from myofed_node.mids.dicom_input.frames import Acquisition, Frame, Series, differing
from myofed_node.mids.geometry import Stack, echo_times, orientations, stack
from myofed_node.mids.judging import contrast
from myofed_node.mids.judging.completeness import refuse_incomplete
from myofed_node.mids.judging.contradictions import refuse_keys, refuse_suffix
from myofed_node.mids.judging.image_type import part_of, product_of, refuse_other_kinds
from myofed_node.mids.judging.levels import anatomical_level
from myofed_node.mids.judging.overrides import CONTRADICTION, SeriesOverride, maps_meant
from myofed_node.mids.judging.quantity import Quantity, quantity_of
from myofed_node.mids.refusal import SeriesRefusedError
from myofed_schemas.mids import Part, Suffix

MAX_LOCALIZER_FRAMES = 60
CONSTANT = ("repetition_time_ms", "flip_angle_degrees", "inversion_time_ms")
"""Of every series: images of several repetition times, flip or inversion angles are a measurement of their own."""
DIXON = frozenset({Suffix.WAT, Suffix.FAT, Suffix.INPH, Suffix.OUTPH, Suffix.FF})
"""Of a gradient echo; those of a turbo spin echo have the contrast of that, and no fraction comes of them."""
DECIDING = (
    *("scanning_sequence", "echo_pulse_sequence", "sequence_name", "scan_options", "multiple_spin_echo"),
    *("acquisition_contrast", "spectral_selection", "spectral_suppression", "inversion_recovery", "acquisition_type"),
)
"""Of a series whose kind they decide; products and maps are told by their own words."""


@dataclass(frozen=True)
class PlannedImage:
    """One image that a series will become.

    Attributes:
        suffix: What it is.
        part: Component; magnitude is said here, though not in the name.
        part_assumed: No header says magnitude, but the vendor's default or the site; to be confirmed by the voxels.
        stack: Its frames in order, with the affine.
        evidence: Keywords and numbers that decided.
        quantity: Of a map; None of an image in arbitrary units and of a phase.
        override: What the site's file said of the series; None where it said nothing.
        acquisition: Facts as its own frames tell them, which may be others than the series' (a map beside its magnitude).
    """

    suffix: Suffix
    part: Part
    part_assumed: bool
    stack: Stack
    evidence: tuple[str, ...]
    quantity: Quantity | None = None
    override: SeriesOverride | None = None
    acquisition: Acquisition | None = None


@dataclass(frozen=True)
class _Group:
    """Frames of one product and component.

    Attributes:
        product: Dixon product or map by the header's words; None where they tell none.
        assumed: No header says that it is a magnitude.
        facts: Different acquisitions that its frames tell.
        override: What the site's file says of these frames.
    """

    product: Suffix | None
    part: Part
    assumed: bool
    frames: tuple[Frame, ...]
    facts: frozenset[Acquisition]
    override: SeriesOverride | None = None

    @property
    def acquisition(self) -> Acquisition:
        """One of them, the same in whatever order the frames come."""
        return next(iter(self.facts)) if len(self.facts) == 1 else min(self.facts, key=repr)

    def refuse_varying(self, names: Sequence[str]) -> None:
        """These facts are the same in all frames."""
        varying = [name for name in differing(self.facts) if name in names]
        if varying:
            raise SeriesRefusedError("PARAMETERS_VARY", *(f"{name}=differs within the series" for name in varying))


def classify(series: Series, override: SeriesOverride | None = None) -> tuple[PlannedImage, ...]:
    """The images this series will become, at least one; the whole series or nothing.

    Args:
        series: Headers; the order of files and frames does not matter.
        override: What the site's file says of it (`Candidate.override`).

    Returns:
        One image for each product and component, in the order of their names.

    Raises:
        SeriesRefusedError: Skipped or quarantined, with its code (docs/conversion.md).
    """
    if not series.frames:
        raise SeriesRefusedError("NO_FRAMES", "NumberOfFrames=0")
    said = _Said.of(series, override)
    refuse_other_kinds(series.frames, named=said.names_all)
    _refuse_scout_planes(series.frames)
    if contrast.is_echo_planar(series.acquisition):
        raise SeriesRefusedError("ECHO_PLANAR", "EchoPlanarPulseSequence=YES", outcome="skipped")
    refuse_incomplete(series)
    planned = tuple(_plan(group) for group in _groups(series, said))
    if override is not None:
        refuse_keys(override, {image.suffix for image in planned}, {image.part for image in planned})
    return planned


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


@dataclass(frozen=True)
class _Said:
    """What the site's file says of each image of a series.

    Attributes:
        maps: Maps of the series that its suffix and unit are said of; empty where they are said of all there is.
    """

    override: SeriesOverride | None
    maps: frozenset[Suffix] = frozenset()

    @classmethod
    def of(cls, series: Series, override: SeriesOverride | None) -> Self:
        """One series may hold a map beside the images it was computed from: what is said of the map is not said of them."""
        if override is None or override.unit is None:
            return cls(override)
        return cls(override, maps_meant(map(product_of, series.frames), override.suffix, override.unit))

    @property
    def names_all(self) -> bool:
        """Whether every image has its suffix from the file."""
        return self.override is not None and self.override.suffix is not None and not self.maps

    def about(self, product: Suffix | None) -> SeriesOverride | None:
        """What is said of this product, or of what is none."""
        if self.override is None or not self.maps or product in self.maps:
            return self.override
        return self.override.without_map()


def _groups(series: Series, said: _Said) -> list[_Group]:
    found: dict[tuple[Suffix | None, Part], list[tuple[Frame, bool, Acquisition]]] = {}
    for number, frame in enumerate(series.frames):
        facts = series.facts_of(number)
        product = product_of(frame)
        part, assumed = _component(frame, facts, said.about(product))
        found.setdefault((product, part), []).append((frame, assumed, facts))
    return [
        _Group(
            product,
            part,
            any(assumed for _, assumed, _ in members),
            tuple(frame for frame, _, _ in members),
            frozenset({id(facts): facts for _, _, facts in members}.values()),
            said.about(product),
        )
        for (product, part), members in sorted(found.items(), key=lambda item: (item[0][0] or "", item[0][1]))
    ]


def _component(frame: Frame, acquisition: Acquisition, override: SeriesOverride | None) -> tuple[Part, bool]:
    part, assumed = part_of(frame, acquisition)
    if override is not None and override.suffix is not None and override.suffix.unit != "arbitrary":
        if part not in {None, Part.MAG} and override.suffix is not Suffix.B0:  # a phase difference may be a field in Hz
            raise SeriesRefusedError(CONTRADICTION, f"component={part}", f"override=suffix {override.suffix}")
        return Part.MAG, False
    if override is not None and override.part is not None:
        if part is not None and not assumed and part is not override.part:
            raise SeriesRefusedError(CONTRADICTION, f"component={part}", f"override=part {override.part}")
        return override.part, override.part is Part.MAG and (part is None or assumed)
    if part is None:
        raise SeriesRefusedError("COMPONENT_UNKNOWN", "ComplexImageComponent and ImageType=do not say")
    return part, assumed


def _plan(group: _Group) -> PlannedImage:
    override = group.override
    group.refuse_varying(CONSTANT)
    acquisition = group.acquisition
    times = echo_times(group.frames)
    ordered: Stack | None = None
    if len(times) < 2:  # repeats of one echo are no contrast, so that completeness is looked at first
        ordered = stack(group.frames, spacing_between_slices_mm=acquisition.spacing_between_slices_mm)
    suffix = _suffix(group)
    quantity = quantity_of(group.frames, suffix, override)
    ordered = ordered or stack(group.frames, spacing_between_slices_mm=acquisition.spacing_between_slices_mm)
    if override is not None and override.level is not None:
        anatomical_level(override.level, ordered)
    return PlannedImage(
        suffix=suffix,
        part=group.part,
        part_assumed=group.assumed,
        stack=ordered,
        evidence=(*_evidence(group, acquisition), *(override.evidence if override else ())),
        quantity=quantity,
        override=override,
        acquisition=acquisition,
    )


def _suffix(group: _Group) -> Suffix:
    times, override = echo_times(group.frames), group.override
    if override is not None and override.suffix is not None:
        if group.product is not None and group.product is not override.suffix:
            raise SeriesRefusedError(CONTRADICTION, f"ImageType={group.product}", f"override=suffix {override.suffix}")
        refuse_suffix(override.suffix, group.acquisition, times, group.part)
        return override.suffix
    if group.product is not None:
        return _product(group, times)
    group.refuse_varying(DECIDING)
    if len(times) > 1:
        suffix = contrast.multi_echo_suffix(group.acquisition, times)
        if suffix is Suffix.MESE and group.part is not Part.MAG:
            raise SeriesRefusedError("COMPONENT_NOT_IN_PROFILE", f"component={group.part}", "suffix=MESE")
        return suffix
    return _single_echo(group)


def _product(group: _Group, times: Sequence[float]) -> Suffix:
    assert group.product is not None, "asked of products only"
    if group.part is not Part.MAG:
        raise SeriesRefusedError("DIXON_PRODUCT_NOT_MAGNITUDE", f"component={group.part}")
    if len(times) > 1:
        raise SeriesRefusedError("DIXON_PRODUCT_AMBIGUOUS", f"EchoTime={len(times)} different within one product")
    if group.product in DIXON and contrast.is_spin_echo(group.acquisition):
        raise SeriesRefusedError("DIXON_SPIN_ECHO", f"ImageType={group.product}", "ScanningSequence=SE")
    return group.product


def _single_echo(group: _Group) -> Suffix:
    if group.part is Part.PHASE:
        raise SeriesRefusedError("PHASE_DIFFERENCE", "EchoTime=1 different", "component=phase")
    if group.part is not Part.MAG:
        raise SeriesRefusedError("SINGLE_ECHO_COMPLEX", f"component={group.part}", "EchoTime=1 different")
    return contrast.single_echo_suffix(group.acquisition, next(iter(echo_times(group.frames)), None))


def _evidence(group: _Group, acquisition: Acquisition) -> tuple[str, ...]:
    times = echo_times(group.frames)
    told = contrast.timing_evidence(acquisition, None)
    echoes = ("EchoTime=" + ",".join(f"{time:g}" for time in times),) if times else ()
    words = (f"ImageType={group.product}",) if group.product else ()
    return (*words, *echoes, *told, f"component={group.part}", f"frames={len(group.frames)}")
