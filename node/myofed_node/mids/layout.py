"""Where images go: labels of subjects and sessions, and a free run number for every image; nothing is overwritten."""

from __future__ import annotations

import base64
import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from myofed_node.mids.dicom_input.frames import Acquisition, Series
from myofed_node.mids.earlier_images import EarlierImage, earlier_images
from myofed_node.mids.judging.classify import PlannedImage
from myofed_node.mids.nifti_file import GRID_TOLERANCE_MM
from myofed_node.mids.refusal import SeriesRefusedError
from myofed_schemas.ids import SessionLabel, SubjectLabel
from myofed_schemas.mids import ImageName, Part

SESSION_LABEL_LENGTH = 10
_LABEL = re.compile(r"[A-Za-z0-9]{1,32}")
_PAIRS: Final = ((None, Part.PHASE), (None, Part.REAL), (None, Part.IMAG), (Part.REAL, Part.IMAG))
"""What is looked for together, in this order: magnitude (None) and its components, then the two that can do without one."""


@dataclass(frozen=True)
class NamedImage:
    """A planned image with the name it will have."""

    name: ImageName
    image: PlannedImage


def session_label(study_uid: str) -> SessionLabel:
    """The session's label: ten base32 characters of SHA-256 of the new StudyInstanceUID; the same in any process.

    The UID is keyed already, so that the label tells nothing of the old one.
    """
    return base64.b32encode(hashlib.sha256(study_uid.encode()).digest()).decode()[:SESSION_LABEL_LENGTH]


def subject_label(series: Series) -> SubjectLabel:
    """The de-identified PatientID, which is the subject's label.

    Raises:
        SeriesRefusedError: SUBJECT_LABEL_INVALID.
    """
    if not _LABEL.fullmatch(series.subject):
        raise SeriesRefusedError("SUBJECT_LABEL_INVALID", "PatientID=not letters and digits only")
    return series.subject


@dataclass(frozen=True)
class _Grid:
    """What images of one measurement have in common.

    Attributes:
        shape: Columns, rows, slices.
        affine_ras: (4, 4), voxel index -> mm, RAS.
    """

    echo_times_ms: tuple[float, ...]
    shape: tuple[int, ...]
    affine_ras: NDArray[np.float64]

    def agrees(self, other: _Grid) -> bool:
        """Same echo times, same voxels in space."""
        return (
            self.echo_times_ms == other.echo_times_ms
            and self.shape == other.shape
            and bool(np.allclose(self.affine_ras, other.affine_ras, atol=GRID_TOLERANCE_MM))
        )


@dataclass(eq=False)
class _Item:
    """One image of this call, with the name that is being found for it.

    Attributes:
        name: Final once `placed`.
        followers: Its components, where it is the image that leads them.
        led: Another image leads it.
    """

    series: Series
    image: PlannedImage
    name: ImageName
    grid: _Grid
    placed: bool = False
    followers: list[_Item] = field(default_factory=list)
    led: bool = False

    @property
    def number(self) -> int:
        """SeriesNumber."""
        return self.series.number

    @property
    def facts(self) -> Acquisition:
        """As its own frames tell them."""
        return self.image.acquisition or self.series.acquisition


@dataclass(frozen=True)
class _Pair:
    lead: _Item
    follower: _Item

    @property
    def is_proven(self) -> bool:
        """Whether both came of one acquisition, as far as headers can prove it: of one series, or told alike in every fact.

        Time and number of the acquisition do not survive de-identification. Protocol, echo times, grid and every fact of the
        acquisition are those of a repeat, too: which one is meant, only neighbouring SeriesNumbers tell (`_is_habit`).
        """
        one, other = self.lead.series, self.follower.series
        names = {series.protocol_name.strip().casefold() for series in (one, other)}
        return one.uid == other.uid or (len(names) == 1 and self.lead.facts == self.follower.facts)


def name_images(
    planned: Sequence[tuple[Series, tuple[PlannedImage, ...]]], *, dataset: Path
) -> dict[str, tuple[NamedImage, ...]]:
    """A name for every image of one session, by new SeriesInstanceUID; the same in whatever order the series come.

    An image that the data set already holds from this series keeps its name. Magnitudes are numbered in order of
    SeriesNumber. A phase, real or imaginary image takes the run of its magnitude where headers prove that they are of one
    acquisition and only one can be meant; otherwise a run that no other image of its suffix has. Nothing is proven of an
    image that came with an earlier call: its sidecar does not say which of several repeats it is.

    Args:
        planned: All series of one subject and session.
        dataset: May hold images of earlier calls.

    Raises:
        SeriesRefusedError: SUBJECT_LABEL_INVALID.
        MyofedError: SESSION_NOT_OURS.
    """
    ordered = sorted(planned, key=lambda item: (item[0].number, item[0].uid))
    items = [_item(series, image) for series, group in ordered for image in group]
    taken = _earlier(dataset, items[0].name) if items else []
    for item in items:
        kept = _kept_run(item, taken)
        item.name, item.placed = kept or item.name, kept is not None
    held = {one.name for one in taken}
    _lead_all(items, held)
    _Runs(items, held).give_all()
    named: dict[str, list[NamedImage]] = {}
    for item in sorted(items, key=lambda one: one.image.part is not Part.MAG):
        named.setdefault(item.series.uid, []).append(NamedImage(item.name, item.image))
    return {uid: tuple(images) for uid, images in named.items()}


def _item(series: Series, image: PlannedImage) -> _Item:
    part = None if image.part is Part.MAG else image.part
    name = ImageName(subject_label(series), session_label(series.study_uid), image.suffix, part)
    rows, columns = image.stack.frames[0][0].plane.shape
    shape = (columns, rows, len(image.stack.frames))
    return _Item(series, image, name, _Grid(image.stack.echo_times_ms, shape, image.stack.affine_ras))


def _earlier(dataset: Path, name: ImageName) -> list[EarlierImage]:
    """Images of this subject's session that are complete (their sidecar is there)."""
    return [one for one in earlier_images(dataset, name.session) if one.name.subject == name.subject]


def _kept_run(item: _Item, taken: Iterable[EarlierImage]) -> ImageName | None:
    source = item.series.uid
    return next((t.name for t in taken if t.source == source and replace(t.name, run=1) == item.name), None)


def _lead_all(items: Sequence[_Item], held: set[ImageName]) -> None:
    """Images of this call that belong together know it."""
    for leading, part in _PAIRS:
        for group in _groups(items):
            leads = [one for one in group if one.name.part is leading and _is_free(one, part, held) and not one.led]
            followers = [one for one in group if one.name.part is part and _is_free(one, leading, held) and not one.led]
            for pair in _pairs(leads, followers, group):
                pair.lead.followers.append(pair.follower)
                pair.follower.led = True


def _is_free(item: _Item, part: Part | None, held: set[ImageName]) -> bool:
    """Whether the data set does not hold the other image of its run yet."""
    return not item.placed or replace(item.name, part=part) not in held


def _groups(items: Iterable[_Item]) -> list[list[_Item]]:
    """Images of one suffix, with the same echo times and grid."""
    groups: list[list[_Item]] = []
    for item in items:
        for group in groups:
            if group[0].name.suffix is item.name.suffix and group[0].grid.agrees(item.grid):
                group.append(item)
                break
        else:
            groups.append([item])
    return groups


def _pairs(leads: Sequence[_Item], followers: Sequence[_Item], group: Sequence[_Item]) -> list[_Pair]:
    """Pairs that are proven and of which no image can belong to another: of one series, then by the vendors' habit.

    A lone magnitude and a lone phase that no habit joins may be of two repeats, and the patient may have moved between them.
    """
    candidates = [pair for lead in leads for one in followers if (pair := _Pair(lead, one)).is_proven]
    pairs = _unique([pair for pair in candidates if pair.lead.series.uid == pair.follower.series.uid])
    left = _without(candidates, pairs)
    rest = [one for one in group if not _holds(pairs, one)]
    for chain in _chains(rest):
        inside = [pair for pair in left if pair.lead in chain and pair.follower in chain]
        by_habit = _unique([pair for pair in inside if _is_habit(pair, chain)])
        if not _without(inside, by_habit):
            pairs += by_habit
    return pairs


def _unique(pairs: Sequence[_Pair]) -> list[_Pair]:
    count = Counter(id(one) for pair in pairs for one in (pair.lead, pair.follower))
    return [pair for pair in pairs if count[id(pair.lead)] == count[id(pair.follower)] == 1]


def _holds(pairs: Iterable[_Pair], item: _Item) -> bool:
    return any(item is pair.lead or item is pair.follower for pair in pairs)


def _without(candidates: Iterable[_Pair], made: Sequence[_Pair]) -> list[_Pair]:
    """Candidates of images that are in none of the pairs made."""
    return [pair for pair in candidates if not _holds(made, pair.lead) and not _holds(made, pair.follower)]


def _chains(items: Iterable[_Item]) -> list[list[_Item]]:
    """Images whose SeriesNumbers follow each other without a gap."""
    chains: list[list[_Item]] = []
    for item in sorted(items, key=lambda one: one.number):
        if chains and item.number - chains[-1][-1].number <= 1:
            chains[-1].append(item)
        else:
            chains.append([item])
    return chains


def _is_habit(pair: _Pair, chain: Sequence[_Item]) -> bool:
    """The follower comes with its lead or next after it; only other components of the same lead may come between."""
    return 0 < pair.lead.number <= pair.follower.number and not _between(pair, chain)


def _between(pair: _Pair, items: Iterable[_Item]) -> bool:
    """Whether another magnitude, or another image of one of the two parts, was taken between these two."""
    low, high = sorted((pair.lead.number, pair.follower.number))
    parts = {None, pair.lead.name.part, pair.follower.name.part}
    return any(low < one.number < high and one.name.part in parts for one in items)


@dataclass(frozen=True)
class _Runs:
    """Runs for the images that have none yet.

    Attributes:
        held: Names that the data set holds.
    """

    items: Sequence[_Item]
    held: set[ImageName]

    def give_all(self) -> None:
        """Magnitudes first, so that what stands alone never has the run of one."""
        leads = [item for item in self.items if not item.led]
        for item in sorted(leads, key=lambda one: one.name.part is not None):
            self._give(item)

    def _give(self, lead: _Item) -> None:
        runs = {one.name.run for one in lead.followers if one.placed}
        if not lead.placed:
            self._place(lead, runs.pop() if len(runs) == 1 else self._fresh(lead.name))
        for one in lead.followers:
            if not one.placed:
                self._place(one, lead.name.run)

    def _place(self, item: _Item, run: int) -> None:
        name = replace(item.name, run=run)
        used = self.held | {one.name for one in self.items if one.placed}
        item.name = replace(item.name, run=self._fresh(item.name)) if name in used else name
        item.placed = True

    def _fresh(self, name: ImageName) -> int:
        used = self.held | {one.name for one in self.items if one.placed}
        busy = {one.run for one in used if one.suffix is name.suffix}
        return next(run for run in range(1, len(busy) + 2) if run not in busy)
