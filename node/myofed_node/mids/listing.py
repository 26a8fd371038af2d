"""What lies where in a data set: images and label maps by name, and every other file with the reason why it is not read."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path, PurePosixPath
from typing import Final, NoReturn

from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode
from myofed_schemas.mids import ImageName, Part

IMAGE_ENDING: Final = ".nii.gz"
SIDECAR_ENDING: Final = ".json"
LABEL_MARK: Final = "_dseg"
"""End of the stem of a label map; before it stands the stem of its image."""
TABLE_ENDINGS: Final = ("_sessions.tsv", "_scans.tsv")
NIFTI_ENDINGS: Final = (".nii", IMAGE_ENDING)
DERIVATIVES: Final = "derivatives"


class UnreadReason(StrEnum):
    """Why a file of a data set is not one of its images."""

    NAME = "NAME"
    """Its name is none of profile myofed-1 (no `ses-`, a prefix, an unknown suffix)."""
    PLACE = "PLACE"
    """It does not lie in sub-<label>/ses-<label>/mr-*."""
    NAME_OF_ANOTHER_FOLDER = "NAME_OF_ANOTHER_FOLDER"
    """Its name tells another subject or session than its folders."""
    NAME_TWICE = "NAME_TWICE"
    """Two files have the same entities, e.g. `_MEGRE` and `_megre`: which one is meant cannot be known."""
    NOT_COMPRESSED = "NOT_COMPRESSED"
    """A NIfTI file that does not end in .nii.gz."""
    NO_IMAGE_BESIDE = "NO_IMAGE_BESIDE"
    """Neither an image nor the sidecar of one."""
    LINKED_FOLDER = "LINKED_FOLDER"
    """A link to a folder; it is not followed."""


@dataclass(frozen=True, order=True)
class Unread:
    """A file (or linked folder) that is not read.

    Attributes:
        path: Relative to the data set.
        reason: Why.
    """

    path: PurePosixPath
    reason: UnreadReason


@dataclass(frozen=True)
class Named:
    """A file whose name and folders agree.

    Attributes:
        path: Relative to the data set.
        name: Entities of the image; of a label map those of the image it was drawn on. Magnitude has part None.
    """

    path: PurePosixPath
    name: ImageName


@dataclass(frozen=True)
class Listing:
    """One session, sorted by path."""

    images: tuple[Named, ...] = ()
    label_maps: tuple[Named, ...] = ()
    unread: tuple[Unread, ...] = ()


def folders(parent: Path, start: str) -> tuple[str, ...]:
    """Names of the folders of `parent` that begin so, sorted; links to folders are left out.

    Raises:
        MyofedError: DATASET_UNREADABLE.
    """
    try:
        with os.scandir(parent) as entries:
            return tuple(
                sorted(e.name for e in entries if e.name.startswith(start) and e.is_dir(follow_symlinks=False))
            )
    except FileNotFoundError:
        return ()
    except OSError:
        _unreadable()


def list_session(root: Path, subject: str, session: str) -> Listing:
    """The files of one session; it is empty where there is no such session.

    Hidden files are left out: writers of this project give a file its name last.

    Args:
        root: The data set, or one pipeline's folder below derivatives.
        subject: Label without `sub-`.
        session: Label without `ses-`.

    Raises:
        MyofedError: DATASET_UNREADABLE.
    """
    top = root / f"sub-{subject}" / f"ses-{session}"
    files, unread = _files(root, [top / folder for folder in folders(top, "mr-")])
    images, label_maps = [], []
    for path in files:
        named = _named(path)
        if isinstance(named, Unread):
            unread.append(named)
        elif named is not None and _is_label_map(path):
            label_maps.append(named)
        elif named is not None:
            images.append(named)
    kept_images, twice_images = _once(images)
    kept_maps, twice_maps = _once(label_maps)
    stems = {_stem(named.path) for named in (*images, *label_maps)}
    unread += [*twice_images, *twice_maps, *_alone(files, stems)]
    return Listing(kept_images, kept_maps, tuple(sorted(unread)))


def list_outside(root: Path) -> tuple[Unread, ...]:
    """Every file that lies outside the sessions and could be taken for an image, sorted.

    Below sub-* these are all files but tables of sessions and scans, elsewhere NIfTI files; derivatives are data sets of
    their own.

    Raises:
        MyofedError: DATASET_UNREADABLE.
    """
    return tuple(sorted(_outside(root)))


def _outside(root: Path) -> Iterator[Unread]:
    for folder, below, names in os.walk(root, onerror=_unreadable):
        place = PurePosixPath(Path(folder).relative_to(root).as_posix())
        linked = [name for name in below if Path(folder, name).is_symlink()]
        yield from (Unread(place / name, UnreadReason.LINKED_FOLDER) for name in linked if not name.startswith("."))
        below[:] = sorted(n for n in below if n not in linked and not n.startswith(".") and not _own(place / n))
        for name in names:
            if not name.startswith(".") and _could_be_an_image(place, name):
                yield Unread(place / name, UnreadReason.PLACE)


def _own(folder: PurePosixPath) -> bool:
    """Whether this folder is listed by others: a session's folder of images, or one pipeline's derivatives."""
    parts = folder.parts
    if parts[0] == DERIVATIVES:
        return len(parts) == 2
    return len(parts) == 3 and all(p.startswith(s) for p, s in zip(parts, ("sub-", "ses-", "mr-"), strict=True))


def _could_be_an_image(folder: PurePosixPath, name: str) -> bool:
    of_subject = folder.parts != () and folder.parts[0].startswith("sub-")
    return name.endswith(NIFTI_ENDINGS) or (of_subject and not name.endswith(TABLE_ENDINGS))


def _files(root: Path, places: Iterable[Path]) -> tuple[list[PurePosixPath], list[Unread]]:
    """All files below folders of images, sorted, and the linked folders there."""
    files, linked = [], []
    for folder, below, names in (step for place in places for step in os.walk(place, onerror=_unreadable)):
        path = PurePosixPath(Path(folder).relative_to(root).as_posix())
        files += [path / name for name in names if not name.startswith(".")]
        linked += [Unread(path / n, UnreadReason.LINKED_FOLDER) for n in below if Path(folder, n).is_symlink()]
    return sorted(files), linked


def _named(path: PurePosixPath) -> Named | Unread | None:
    """The file as an image or label map, the reason why it is none, or None where it may be what belongs to one."""
    if not path.name.endswith(NIFTI_ENDINGS):
        return None
    if not path.name.endswith(IMAGE_ENDING):
        return Unread(path, UnreadReason.NOT_COMPRESSED)
    if len(path.parts) != 4:
        return Unread(path, UnreadReason.PLACE)
    try:
        name = ImageName.parse(_stem(path).name.removesuffix(LABEL_MARK))
    except MyofedError:
        return Unread(path, UnreadReason.NAME)
    if path.parts[:2] != (f"sub-{name.subject}", f"ses-{name.session}"):
        return Unread(path, UnreadReason.NAME_OF_ANOTHER_FOLDER)
    return Named(path, replace(name, part=None) if name.part is Part.MAG else name)


def _is_label_map(path: PurePosixPath) -> bool:
    return _stem(path).name.endswith(LABEL_MARK)


def _stem(path: PurePosixPath) -> PurePosixPath:
    name = path.name
    for ending in (IMAGE_ENDING, SIDECAR_ENDING, ".tsv"):
        name = name.removesuffix(ending)
    return path.with_name(name)


def _once(found: list[Named]) -> tuple[tuple[Named, ...], list[Unread]]:
    times = Counter(named.name for named in found)
    twice = [Unread(named.path, UnreadReason.NAME_TWICE) for named in found if times[named.name] > 1]
    return tuple(named for named in found if times[named.name] == 1), twice


def _alone(files: list[PurePosixPath], stems: set[PurePosixPath]) -> Iterator[Unread]:
    """Files that belong to no image or label map."""
    for path in files:
        if path.name.endswith((*NIFTI_ENDINGS, *TABLE_ENDINGS)):
            continue
        if path.suffix not in {SIDECAR_ENDING, ".tsv"} or _stem(path) not in stems:
            yield Unread(path, UnreadReason.NO_IMAGE_BESIDE)


def _unreadable(_error: OSError | None = None) -> NoReturn:
    raise MyofedError(
        "DATASET_UNREADABLE",
        "expected folders of a data set that can be listed, found one that cannot",
        hint="check permissions",
        exit_code=ExitCode.BAD_INPUT,
    ) from None
