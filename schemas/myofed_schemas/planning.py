"""Federated planning: what a site tells of its images before a study exists, and the input and network that follow from it.

Spacing at the median, depth from the size: nnU-Net's rules (Isensee 2021, Nature Methods 18:203, supplementary note 2).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Annotated, Literal

from pydantic import Field

from myofed_schemas.catalog import DisclosurePolicy, SuppressedCount
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode
from myofed_schemas.ids import MuscleId, SiteId
from myofed_schemas.study import Channel
from myofed_schemas.study_options import StructureId
from myofed_schemas.study_planning import Normalisation
from myofed_schemas.wire import WireModel

LEVELS: tuple[int, ...] = (10, 50, 90)
"""Percentiles over subjects."""
SPACING_STEP_MM = 0.25
MIN_EDGE_PX = 4
"""The smallest feature map is not smaller than this."""
MAX_LEVELS = 6
BASE_CHANNELS, MAX_CHANNELS = 16, 256
SPACING_RANGE_MM = (0.5, 5.0)
SIZE_RANGE_PX = (16, 1024)


class Percentile(WireModel):
    """A value below which so many percent of a site's subjects lie, rounded; at least k subjects on either side."""

    percent: int = Field(ge=1, le=99)
    value: float = Field(ge=-1e18, le=1e18, allow_inf_nan=False)


Percentiles = Annotated[tuple[Percentile, ...], Field(max_length=len(LEVELS))]


class Fingerprint(WireModel):
    """What one site tells; everything is over subjects, and what fewer than k of them share is not here.

    Attributes:
        site: Who tells.
        policy: How counts and percentiles were protected.
        subjects: Labelled subjects whose images can be used.
        spacing_mm: In-plane spacing.
        slice_mm: Distance of slices.
        size_px: Larger side of the image.
        thigh_mm: Larger side of one thigh's tissue in a slice.
        intensity_50: Median of the tissue in the image's own unit.
        intensity_spread: 95th percentile of the tissue divided by its 5th.
        echo_times_ms: Of multi-echo gradient echoes, to 0.1 ms.
        channels: Sequences that sessions have.
        structures: Muscles and muscle sets that are drawn.
    """

    schema_version: Literal["myofed-fingerprint-1"] = "myofed-fingerprint-1"
    site: SiteId
    policy: DisclosurePolicy
    subjects: SuppressedCount
    spacing_mm: Percentiles = ()
    slice_mm: Percentiles = ()
    size_px: Percentiles = ()
    thigh_mm: Percentiles = ()
    intensity_50: Percentiles = ()
    intensity_spread: Percentiles = ()
    echo_times_ms: tuple[Annotated[float, Field(allow_inf_nan=False)], ...] = Field(default=(), max_length=512)
    channels: tuple[Channel, ...] = Field(default=(), max_length=4)
    structures: tuple[StructureId, ...] = Field(default=(), max_length=256)


class Plan(WireModel):
    """A draft for the manifest; people decide.

    Attributes:
        sites: Sites whose fingerprints told enough to count.
        spacing_mm: Median over sites of their median spacing.
        size_px: Rows and columns that hold nine of ten thighs of every site.
        normalisation: Whatever unit and spread the sites' intensities have.
        channels: Sequences that some site has.
        channels_everywhere: Those that all of these sites tell of.
        network_channels: Features of each level of a U-Net.
        strides: One fewer.
        muscles: Muscles that some site draws singly.
        muscles_everywhere: Those that all of these sites draw singly.
    """

    sites: tuple[SiteId, ...]
    spacing_mm: float
    size_px: tuple[int, int]
    normalisation: Normalisation
    channels: tuple[Channel, ...]
    channels_everywhere: tuple[Channel, ...]
    network_channels: tuple[int, ...]
    strides: tuple[int, ...]
    muscles: tuple[MuscleId, ...]
    muscles_everywhere: tuple[MuscleId, ...]

    @property
    def levels(self) -> int:
        """Depth of the network."""
        return len(self.network_channels)


def percentiles(values: Sequence[float], *, step: float, k: int) -> tuple[Percentile, ...]:
    """The percentiles that no fewer than k subjects share on either side, each rounded to a multiple of `step`.

    Args:
        values: One a subject.
        step: Values are rounded first, so that a told one is nobody's own.
        k: The site's threshold.
    """
    rounded = sorted(round(value / step) for value in values)
    found = []
    for percent in LEVELS if rounded else ():
        place = rounded[min(len(rounded) - 1, len(rounded) * percent // 100)]
        if min(sum(r <= place for r in rounded), sum(r >= place for r in rounded)) >= k:
            found.append(Percentile(percent=percent, value=round(place * step, 6)))
    return tuple(found)


def propose(fingerprints: Iterable[Fingerprint], *, muscle_ids: Iterable[str]) -> Plan:
    """The plan that follows from these sites; the same in any order.

    Args:
        fingerprints: One a site.
        muscle_ids: Ids of single muscles, in the order of `muscles.tsv`; other structures are sets.

    Raises:
        MyofedError: PLAN_TOO_FEW where no site tells spacing and size of the thigh.
    """
    telling = sorted((f for f in fingerprints if _middle(f.spacing_mm) and f.thigh_mm), key=lambda f: f.site)
    if not telling:
        raise MyofedError(
            "PLAN_TOO_FEW",
            "expected a site that tells the spacing of its images and the size of a thigh, found none",
            hint="a site tells what at least k of its subjects share; see the site's policy",
            exit_code=ExitCode.BAD_INPUT,
        )
    middles = sorted(_middle(f.spacing_mm) for f in telling)
    spacing = _within(round(middles[len(middles) // 2] / SPACING_STEP_MM) * SPACING_STEP_MM, SPACING_RANGE_MM)
    widest_mm = max(p.value for f in telling for p in f.thigh_mm)
    least = math.ceil(_within(widest_mm / spacing, SIZE_RANGE_PX))
    levels = max(2, min(MAX_LEVELS, 1 + int(math.log2(least / MIN_EDGE_PX))))
    size = min(-(-least // 2 ** (levels - 1)) * 2 ** (levels - 1), SIZE_RANGE_PX[1])
    drawn = [set(f.structures) for f in telling]
    ids = tuple(muscle_ids)
    return Plan(
        sites=tuple(f.site for f in telling),
        spacing_mm=spacing,
        size_px=(size, size),
        normalisation="z-score",
        channels=tuple(sorted({c for f in telling for c in f.channels})),
        channels_everywhere=tuple(sorted(set.intersection(*(set(f.channels) for f in telling)))),
        network_channels=tuple(min(BASE_CHANNELS * 2**level, MAX_CHANNELS) for level in range(levels)),
        strides=(2,) * (levels - 1),
        muscles=tuple(m for m in ids if m in set().union(*drawn)),
        muscles_everywhere=tuple(m for m in ids if m in set.intersection(*drawn)),
    )


def _middle(told: Sequence[Percentile]) -> float:
    """The median, 0 where it is withheld."""
    return next((p.value for p in told if p.percent == 50), 0.0)


def _within(value: float, limits: tuple[float, float]) -> float:
    return min(max(value, limits[0]), limits[1])
