"""Canonical label values (MuscleMap: left and right differ by one) -> what they say about the network's classes at a site."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from myofed_schemas.anatomy import Muscle, Side
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode
from myofed_schemas.muscle_sets import Structure, structure_of_label_value, structures
from myofed_schemas.study import StudyManifest
from myofed_schemas.study_options import SiteLabels

BACKGROUND = 0


@dataclass(frozen=True)
class LabelSpace:
    """What each target of a site's label maps allows: one class where a muscle was drawn singly, several where it was not.

    A target is a structure that the site draws, so that a set cannot become one of its members: there is no such target.

    Attributes:
        muscles: Ids of the study's muscles; class k+1 of the network is muscle k, class 0 background.
        structures: What the site draws of them; target t+1 is structure t, target 0 what it left undrawn.
        allowed: For each target the classes that its pixels may be. Target 0: background, and muscles that the site does
            not draw. A set with members outside the study allows background as well: at other sites they are that.
    """

    muscles: tuple[str, ...]
    structures: tuple[str, ...]
    allowed: tuple[tuple[int, ...], ...]

    @property
    def is_single(self) -> bool:
        """Every muscle of the study is drawn singly: targets are classes."""
        return self.allowed == tuple((k,) for k in range(len(self.muscles) + 1))

    @property
    def whole(self) -> tuple[bool, ...]:
        """For each target but 0, whether nothing of background is in it."""
        return tuple(BACKGROUND not in classes for classes in self.allowed[1:])

    @property
    def draws_sets(self) -> bool:
        """Some drawn structure may be more than one class."""
        return any(len(classes) > 1 for classes in self.allowed[1:])

    def targets_of(self, classes: Iterable[int]) -> tuple[int, ...] | None:
        """Targets that together are exactly these classes; None where the site's labels cannot say."""
        wanted = set(classes)
        found = [t for t, allowed in enumerate(self.allowed) if t != BACKGROUND and set(allowed) <= wanted]
        return tuple(found) if wanted == {c for t in found for c in self.allowed[t]} and wanted else None


def label_space(muscles: Sequence[str], labels: SiteLabels | None = None) -> LabelSpace:
    """The space of a site that draws these structures, or, without `labels`, every muscle singly.

    Args:
        muscles: Muscle ids of the manifest, in its order.
        labels: The site's part of the manifest's `mixed_labels`; structures without a muscle of the study are left out.
    """
    place = {name: index + 1 for index, name in enumerate(muscles)}
    names = tuple(muscles) if labels is None else labels.structures
    drawn = tuple(n for n in names if set(structures()[n].members) & place.keys())
    allowed = [_allowed(structures()[name], place) for name in drawn]
    undrawn = set(place.values()) - {c for classes in allowed for c in classes}
    return LabelSpace(tuple(muscles), drawn, ((BACKGROUND, *sorted(undrawn)), *allowed))


def site_labels(manifest: StudyManifest, site: str) -> SiteLabels | None:
    """What the manifest says that this site draws; None where it draws every muscle singly."""
    named = manifest.mixed_labels.sites if manifest.mixed_labels else ()
    return next((labels for labels in named if labels.site == site), None)


def sets_of_study(manifest: StudyManifest) -> dict[str, tuple[int, ...]]:
    """Sets that some site draws as one and that lie in the study as a whole -> the classes of their members."""
    place = {name: index + 1 for index, name in enumerate(manifest.muscles)}
    named = manifest.mixed_labels.sites if manifest.mixed_labels else ()
    drawn = sorted({name for labels in named for name in labels.structures})
    members = {name: structures()[name].members for name in drawn if not isinstance(structures()[name], Muscle)}
    return {n: tuple(sorted(place[m] for m in ms)) for n, ms in members.items() if set(ms) <= place.keys()}


def _allowed(structure: Structure, place: dict[str, int]) -> tuple[int, ...]:
    inside = sorted(place[m] for m in structure.members if m in place)
    return tuple(inside) if len(inside) == len(structure.members) else (BACKGROUND, *inside)


def class_map(values: npt.NDArray[np.integer], *, space: LabelSpace, side: Side) -> npt.NDArray[np.uint8]:
    """Target t+1 where the label map holds structure t of this side or a part of it, 0 elsewhere.

    A muscle may be taken as part of a set; a set is never taken for a part of itself. What the study does not name, and
    everything of the other side, becomes 0.

    Args:
        values: Canonical label map, any shape, integers.
        space: What this site draws.
        side: Whose muscles to take.

    Returns:
        The targets, same shape, uint8.

    Raises:
        MyofedError: LABEL_VALUE_UNKNOWN where a value stands for no muscle and no set; LABEL_TOO_COARSE where a set holds
            a muscle that the site is said to draw more finely.
    """
    known = [int(v) for v in np.unique(values) if v != BACKGROUND]
    drawn = _drawn(known)
    table = np.zeros(max([BACKGROUND, *known]) + 1, dtype=np.uint8)
    for value, (structure, its_side) in drawn.items():
        target = _target(structure, space)
        table[value] = target if its_side is side else BACKGROUND
    targets: npt.NDArray[np.uint8] = table[values]
    return targets


def _drawn(values: Sequence[int]) -> dict[int, tuple[Structure, Side]]:
    found = {}
    for value in values:
        try:
            found[value] = structure_of_label_value(value)
        except KeyError:
            continue
    if len(found) < len(values):
        raise MyofedError(
            "LABEL_VALUE_UNKNOWN",
            f"expected values of muscles.tsv and muscle_groups.tsv in the label map, found {len(values) - len(found)} others",
            hint="import the label map again with its table",
            exit_code=ExitCode.BAD_INPUT,
        )
    return found


def _target(structure: Structure, space: LabelSpace) -> int:
    """The target that holds all of this structure, 0 where the site draws nothing of it."""
    members = set(structure.members)
    for index, name in enumerate(space.structures):
        if members <= set(structures()[name].members):
            return index + 1
    if members & {m for name in space.structures for m in structures()[name].members} & set(space.muscles):
        raise MyofedError(
            "LABEL_TOO_COARSE",
            "expected the structures that the study names for this site, found a set of them drawn as one",
            hint="draw them apart, or ask for a version of the study that says what this site draws",
            exit_code=ExitCode.BAD_INPUT,
        )
    return BACKGROUND
