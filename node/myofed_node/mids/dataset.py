"""`open_dataset`: an ORMIR-MIDS data set as subjects, sessions, images and label maps; names now, voxels when asked for."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Final, Literal

from myofed_node.mids.image import Image, LabelMap
from myofed_node.mids.listing import DERIVATIVES, Listing, Unread, UnreadReason, folders, list_outside, list_session
from myofed_node.mids.nifti_file import SidecarKeys
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode
from myofed_schemas.mids import Part, Suffix

__all__ = [
    "ANY_PART",
    "Dataset",
    "Derivative",
    "Description",
    "Every",
    "Image",
    "LabelMap",
    "Session",
    "SidecarKeys",
    "Subject",
    "Unread",
    "UnreadReason",
    "open_dataset",
]

DESCRIPTION: Final = "dataset_description.json"


class Every(Enum):
    """What selects everything."""

    PART = "part"


ANY_PART: Final = Every.PART
"""Selects images of every part; None selects magnitudes and maps (as in names)."""
PartChoice = Part | Literal[Every.PART] | None


@dataclass(frozen=True)
class Description:
    """dataset_description.json; what it does not tell is None or empty.

    Attributes:
        name: Of the data set.
        format: `ORMIR-MIDS` in data sets that say so.
        profile: Version of the profile, e.g. `myofed-1`; None in data sets of other makers.
        dataset_type: `raw` or `derivative`.
        tools: (name, version) of what made it.
    """

    name: str | None = None
    format: str | None = None
    profile: str | None = None
    dataset_type: str | None = None
    tools: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class _Tree:
    """A folder that holds sub-*: the data set, or one pipeline's derivatives."""

    root: Path

    @cached_property
    def description(self) -> Description:
        """What dataset_description.json tells; all None where there is none.

        Raises:
            MyofedError: DESCRIPTION_INVALID.
        """
        try:
            content = json.loads((self.root / DESCRIPTION).read_bytes())
        except FileNotFoundError:
            return Description()
        except (OSError, ValueError):
            content = None
        if not isinstance(content, dict):
            raise _refused("DESCRIPTION_INVALID", f"expected a JSON object in {DESCRIPTION}, found something else")
        told, made_by = SidecarKeys(content), content.get("GeneratedBy")
        tools = [SidecarKeys(tool) for tool in (made_by if isinstance(made_by, list) else []) if isinstance(tool, dict)]
        return Description(
            name=told.text("Name"),
            format=told.text("Format"),
            profile=told.text("Profile"),
            dataset_type=told.text("DatasetType"),
            tools=tuple((tool.text("Name") or "", tool.text("Version") or "") for tool in tools),
        )

    def _listed(self, subject: str | None, session: str | None) -> Iterator[Listing]:
        subjects = folders(self.root, "sub-") if subject is None else (f"sub-{subject}",)
        for folder in subjects:
            below = () if (self.root / folder).is_symlink() else folders(self.root / folder, "ses-")
            for label in (name.removeprefix("ses-") for name in below):
                if session in {None, label}:
                    yield list_session(self.root, folder.removeprefix("sub-"), label)

    def images(
        self,
        *,
        suffix: Suffix | None = None,
        part: PartChoice = ANY_PART,
        subject: str | None = None,
        session: str | None = None,
    ) -> tuple[Image, ...]:
        """The images that match, sorted by subject, session and path; none where nothing matches.

        Args:
            suffix: What they are.
            part: Component; None for magnitudes and maps, ANY_PART for all.
            subject: Label without `sub-`.
            session: Label without `ses-`.

        Raises:
            MyofedError: DATASET_UNREADABLE.
        """
        part = None if part is Part.MAG else part
        return tuple(
            Image(self.root, named.path, named.name)
            for listing in self._listed(subject, session)
            for named in listing.images
            if suffix in {None, named.name.suffix} and (part is ANY_PART or part is named.name.part)
        )

    @cached_property
    def unread(self) -> tuple[Unread, ...]:
        """Every file that could be taken for an image and is not read, with the reason, sorted by path.

        Hidden files are not told: a writer of this project names a file last.

        Raises:
            MyofedError: DATASET_UNREADABLE.
        """
        inside = [unread for listing in self._listed(None, None) for unread in self._unread_of(listing)]
        return tuple(sorted([*list_outside(self.root), *inside]))

    def _unread_of(self, listing: Listing) -> Iterator[Unread]:
        yield from listing.unread


@dataclass(frozen=True)
class Session:
    """One session.

    Attributes:
        root: Folder of the data set.
        subject: Label without `sub-`.
        label: Label without `ses-`.
    """

    root: Path
    subject: str
    label: str

    def images(self, *, suffix: Suffix | None = None, part: PartChoice = ANY_PART) -> tuple[Image, ...]:
        """As `Dataset.images`, of this session."""
        return Dataset(self.root).images(suffix=suffix, part=part, subject=self.subject, session=self.label)


@dataclass(frozen=True)
class Subject:
    """One subject.

    Attributes:
        root: Folder of the data set.
        label: Label without `sub-`.
    """

    root: Path
    label: str

    @cached_property
    def sessions(self) -> tuple[Session, ...]:
        """Sorted by label."""
        found = folders(self.root / f"sub-{self.label}", "ses-")
        return tuple(Session(self.root, self.label, name.removeprefix("ses-")) for name in found)

    def session(self, label: str) -> Session:
        """The session with this label.

        Raises:
            MyofedError: SESSION_MISSING.
        """
        found = next((session for session in self.sessions if session.label == label), None)
        if found is None:
            raise _refused("SESSION_MISSING", "expected a session of the subject with this label, found none")
        return found

    def images(self, *, suffix: Suffix | None = None, part: PartChoice = ANY_PART) -> tuple[Image, ...]:
        """As `Dataset.images`, of this subject."""
        return Dataset(self.root).images(suffix=suffix, part=part, subject=self.label)


@dataclass(frozen=True)
class Derivative(_Tree):
    """What one pipeline derived: maps (`images`) and label maps.

    Attributes:
        dataset: Folder of the data set it was derived from.
    """

    dataset: Path

    @property
    def pipeline(self) -> str:
        """Folder below derivatives."""
        return self.root.name

    def label_maps(self, *, subject: str | None = None, session: str | None = None) -> tuple[LabelMap, ...]:
        """The label maps that match, sorted by subject, session and path."""
        return tuple(
            LabelMap(self.root, named.path, named.name, self.dataset)
            for listing in self._listed(subject, session)
            for named in listing.label_maps
        )


@dataclass(frozen=True)
class Dataset(_Tree):
    """An ORMIR-MIDS data set, read only; one that is not there is empty (`open_dataset` refuses it)."""

    def _unread_of(self, listing: Listing) -> Iterator[Unread]:
        """Label maps belong below derivatives: one beside images is told, too."""
        yield from listing.unread
        yield from (Unread(named.path, UnreadReason.PLACE) for named in listing.label_maps)

    @cached_property
    def subjects(self) -> tuple[Subject, ...]:
        """Sorted by label.

        Raises:
            MyofedError: DATASET_UNREADABLE.
        """
        return tuple(Subject(self.root, name.removeprefix("sub-")) for name in folders(self.root, "sub-"))

    def subject(self, label: str) -> Subject:
        """The subject with this label.

        Raises:
            MyofedError: SUBJECT_MISSING.
        """
        found = next((subject for subject in self.subjects if subject.label == label), None)
        if found is None:
            raise _refused("SUBJECT_MISSING", "expected a subject with this label, found none")
        return found

    def image(self, path: PurePosixPath | str) -> Image:
        """The image at this path, relative to the data set.

        Raises:
            MyofedError: IMAGE_MISSING.
        """
        wanted = PurePosixPath(path)
        labels = [part.partition("-")[2] for part in wanted.parts[:2]]
        found = self.images(subject=labels[0], session=labels[1]) if len(labels) == 2 else ()
        image = next((image for image in found if image.path == wanted), None)
        if image is None:
            raise _refused("IMAGE_MISSING", "expected an image of the data set at this path, found none")
        return image

    @cached_property
    def derivatives(self) -> tuple[Derivative, ...]:
        """One for each pipeline, sorted by name."""
        names = folders(self.root / DERIVATIVES, "")
        return tuple(Derivative(self.root / DERIVATIVES / n, self.root) for n in names if not n.startswith("."))

    def label_maps(
        self, *, pipeline: str = "labels", subject: str | None = None, session: str | None = None
    ) -> tuple[LabelMap, ...]:
        """The label maps of one pipeline, sorted by subject, session and path; none where there is no such pipeline."""
        found = (derivative for derivative in self.derivatives if derivative.pipeline == pipeline)
        return tuple(map_ for derivative in found for map_ in derivative.label_maps(subject=subject, session=session))


def open_dataset(path: Path | str) -> Dataset:
    """The data set at `path`; nothing of it is read before it is asked for, and nothing is changed.

    Folders are listed at every selection; what was read once of subjects, headers and sidecars is kept. Open the data set
    again to see what was added.

    Args:
        path: Folder that holds sub-*; of any maker.

    Raises:
        MyofedError: DATASET_MISSING.
    """
    root = Path(path)
    if not root.is_dir():
        raise MyofedError(
            "DATASET_MISSING",
            "expected a folder with an ORMIR-MIDS data set, found none",
            hint="check the path",
            exit_code=ExitCode.USAGE,
        )
    return Dataset(root)


def _refused(code: str, message: str) -> MyofedError:
    return MyofedError(code, message, hint="`subjects` and `images()` list what there is", exit_code=ExitCode.BAD_INPUT)
