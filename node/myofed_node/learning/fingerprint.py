"""What a site would tell of its labelled images before a study exists: percentiles over subjects, suppressed by its policy."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from myofed_node.disclosure import common_categories, protect_count
from myofed_node.learning.channels import ChannelImage, channel_images
from myofed_node.learning.exclusions import ABOUT_ONE_SUBJECT
from myofed_node.learning.transforms import canonical, foreground, thigh_grids
from myofed_node.mids.dataset import Dataset
from myofed_node.mids.image import LabelMap
from myofed_schemas.catalog import DisclosurePolicy
from myofed_schemas.errors import MyofedError
from myofed_schemas.mids import Suffix
from myofed_schemas.muscle_sets import structure_of_label_value, structures
from myofed_schemas.planning import Fingerprint, percentiles
from myofed_schemas.study import Channel

T = TypeVar("T", float, str, Channel)
CHANNELS: tuple[Channel, ...] = ("in-phase", "water", "fat", "t1w")
STEPS = {
    "spacing_mm": 0.1,
    "slice_mm": 0.5,
    "size_px": 16.0,
    "thigh_mm": 10.0,
    "intensity_50": 10.0,
    "intensity_spread": 0.5,
}
"""Values are rounded to multiples of these before anything else."""


@dataclass(frozen=True)
class SubjectFacts:
    """Of one subject's first labelled session; never leaves this process.

    Attributes:
        numbers: One value for each key of `STEPS`.
        echo_times_ms: Of its multi-echo images, to 0.1 ms.
        channels: What the session has.
        structures: Names of what is drawn.
    """

    numbers: dict[str, float]
    echo_times_ms: frozenset[float]
    channels: frozenset[Channel]
    structures: frozenset[str]


def fingerprint(dataset: Path, *, site: str, policy: DisclosurePolicy) -> Fingerprint:
    """What would leave this site; subjects whose files cannot be used do not count.

    Args:
        dataset: ORMIR-MIDS folder.
        site: Its name.
        policy: The site's k and rounding.

    Raises:
        MyofedError: DATASET_UNREADABLE.
    """
    opened = Dataset(dataset)
    subjects = sorted({label_map.name.subject for label_map in opened.label_maps()})
    return suppressed([f for s in subjects for f in _usable(opened, s)], site=site, policy=policy)


def suppressed(facts: Sequence[SubjectFacts], *, site: str, policy: DisclosurePolicy) -> Fingerprint:
    """What may be told of these subjects."""
    told = {name: percentiles([f.numbers[name] for f in facts], step=step, k=policy.k) for name, step in STEPS.items()}
    return Fingerprint(
        site=site,
        policy=policy,
        subjects=protect_count(len(facts), policy=policy),
        **told,
        echo_times_ms=tuple(sorted(_common(facts, lambda f: f.echo_times_ms, policy))),
        channels=tuple(c for c in CHANNELS if c in _common(facts, lambda f: f.channels, policy)),
        structures=tuple(s for s in structures() if s in _common(facts, lambda f: f.structures, policy)),
    )


def _common(
    facts: Sequence[SubjectFacts], of: Callable[[SubjectFacts], Iterable[T]], policy: DisclosurePolicy
) -> frozenset[T]:
    return common_categories(Counter(item for f in facts for item in of(f)), policy=policy)


def _usable(dataset: Dataset, subject: str) -> list[SubjectFacts]:
    try:
        return _facts(dataset, subject)
    except MyofedError as error:
        if error.code.startswith(ABOUT_ONE_SUBJECT):
            return []
        raise


def _facts(dataset: Dataset, subject: str) -> list[SubjectFacts]:
    for session in sorted({m.name.session for m in dataset.label_maps(subject=subject)}):
        candidates = channel_images(dataset, subject, session, channels=CHANNELS)
        for chosen in candidates:
            labels = chosen.image.find_labels()
            if labels is not None:
                return [_facts_of(chosen, labels, candidates)]
    return []


def _facts_of(chosen: ChannelImage, labels: LabelMap, candidates: Sequence[ChannelImage]) -> SubjectFacts:
    echoes = [c.image for c in candidates if c.image.suffix is Suffix.MEGRE]
    return SubjectFacts(
        numbers=_numbers(chosen),
        echo_times_ms=frozenset(round(t, 1) for image in echoes for t in image.keys.numbers("EchoTime")),
        channels=frozenset(c.channel for c in candidates),
        structures=frozenset(_structures(labels.on_image_grid())),
    )


def _numbers(chosen: ChannelImage) -> dict[str, float]:
    spacing = chosen.image.spacing_mm
    values = chosen.image.values(chosen.volume).astype(np.float32)
    volume = canonical(np.nan_to_num(values), affine_ras=chosen.image.affine_ras)
    mask = foreground(volume.values)
    grids = thigh_grids(mask)  # refused where there is no tissue
    low, middle, high = (float(v) for v in np.percentile(volume.values[mask], (5, 50, 95)))
    return {
        "spacing_mm": max(volume.spacing_mm),
        "slice_mm": spacing[2],
        "size_px": float(max(volume.values.shape[:2])),
        "thigh_mm": max(_extent_mm(mask[slice(*grid.half)], volume.spacing_mm) for grid in grids),
        "intensity_50": middle,
        "intensity_spread": high / max(low, 1e-6),
    }


def _extent_mm(mask: npt.NDArray[np.bool_], spacing_mm: tuple[float, float]) -> float:
    """Larger side of the tissue of the largest slice: (x, y, z) bool; single voxels of noise do not count."""
    sides = []
    for axis, spacing in ((1, spacing_mm[0]), (0, spacing_mm[1])):
        profile = mask.sum(axis=axis)
        sides.append(float((profile > 0.05 * profile.max(initial=1)).sum(axis=0).max()) * spacing)
    return max(sides)


def _structures(values: npt.NDArray[np.integer]) -> set[str]:
    """Ids of muscles and names of sets; a value that is neither says nothing here."""
    found = set()
    for value in np.unique(values[values != 0]):
        with suppress(KeyError):
            found.add(structure_of_label_value(int(value))[0].id)
    return found
