"""Instances as they came from the scanner: one folder a study, one a series, one file an instance; named by digests of UIDs.

What lies here holds patients' names. Its folders are 0700, it never leaves, and it goes once the study is in the data set.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from myofed_node.intake.group_commit import GroupCommit
from myofed_schemas.files import fsync_folder, write_atomically

NAME_CHARACTERS = 32
"""Of a SHA-256, hexadecimal: 128 bits."""
TRIES = 5
ARRIVING = ".arriving"
"""Files that have no name yet, one folder a receiver."""
FROZEN = ".frozen"
"""What is being ingested."""
TO_REMOVE = "to-remove.json"
"""In the folder of a study while what was ingested of it goes."""
Listing = tuple[tuple[str, int], ...]
"""Name below the study's folder, and modification time in ns, of each instance."""


class Kept(StrEnum):
    """What became of an instance that came; in every case it is on disk."""

    NEW = "new"
    KNOWN = "known"
    """The same bytes lay here before."""
    OTHER = "other"
    """Another instance with this UID lies here: both are kept, and a person decides."""


@dataclass(frozen=True)
class Place:
    """Where an instance belongs.

    Attributes:
        study: Study Instance UID.
        series: Series Instance UID.
        instance: SOP Instance UID.
    """

    study: str
    series: str
    instance: str

    def folder(self) -> Path:
        """Of its series, below the folder of all that was received."""
        return Path(name_of(self.study), name_of(self.series))


class Received:
    """The folder of what came in and is not in the data set yet; many threads of several processes may keep instances in it."""

    def __init__(self, root: Path, *, receiver: int = 1) -> None:
        """`open` makes the folder.

        Args:
            root: Of the site.
            receiver: Number of this process among those that receive at a time.
        """
        self._root, self._arriving = root, root / ARRIVING / str(receiver)
        self._commits = GroupCommit()

    def open(self) -> None:
        """The folder is there."""
        for folder in (self._root, self._arriving.parent, self._arriving):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for folder in (self._root, self._root.parent):
            fsync_folder(folder)

    def sweep(self, *, above: int | None = None) -> None:
        """What a killed receiver of this number had not finished is gone: nobody was told that it is here.

        Args:
            above: Also that of receivers with a higher number: there are so many no more.
        """
        for folder in self._arriving.parent.iterdir():
            if folder == self._arriving or (above is not None and int(folder.name) > above):
                for left in folder.iterdir():
                    left.unlink()

    def keep(self, place: Place, content: list[bytes]) -> Kept:
        """The instance is on disk, exactly once, also after a power cut or a second sending.

        Args:
            place: Its UIDs.
            content: The whole file in pieces: preamble, file meta information, data set.

        Raises:
            OSError: It is not (the disk is full, say); the sender has to be told so.
        """
        folder = self._root / place.folder()
        first = folder / f"{name_of(place.instance)}.dcm"
        for _ in range(TRIES):
            try:
                return self._keep_once(first, content)
            except (FileExistsError, FileNotFoundError):
                continue  # the same instance came meanwhile by another way, or its folder was empty and went
        msg = "the place of an instance changes all the time"
        raise OSError(msg)

    def _keep_once(self, first: Path, content: list[bytes]) -> Kept:
        digest = _digest(content)
        known = _known(first, digest)
        if known is Kept.KNOWN:
            for folder in (first.parent, first.parent.parent, self._root):
                fsync_folder(folder)  # whoever wrote it may have been killed before
            return Kept.KNOWN
        final = first if known is None else _other(first, digest)
        for folder in (first.parent.parent, first.parent):
            folder.mkdir(mode=0o700, exist_ok=True)
        self._commit(content, final)
        return known or Kept.NEW

    def _commit(self, content: list[bytes], final: Path) -> None:
        descriptor, draft = tempfile.mkstemp(dir=self._arriving)
        try:
            with os.fdopen(descriptor, "wb") as stream:
                stream.writelines(content)
            self._commits.commit(Path(draft), final)
        finally:
            Path(draft).unlink(missing_ok=True)

    def studies(self) -> Iterator[Path]:
        """The folder of each study that lies here."""
        return (path for path in sorted(self._root.iterdir()) if path.is_dir() and path.name not in {ARRIVING, FROZEN})

    def give_up(self, study: Path, listing: Listing) -> None:
        """It is decided, and on disk, that these instances go; `settle` removes them."""
        write_atomically(study / TO_REMOVE, json.dumps(listing).encode())

    def is_given_up(self, study: Path) -> bool:
        """Whether a removal was begun and not ended."""
        return (study / TO_REMOVE).exists()

    def settle(self, study: Path) -> None:
        """What was given up goes, and folders that nothing else came to meanwhile; killed in the middle, again."""
        begun = study / TO_REMOVE
        if not begun.exists():
            return
        for name, changed_ns in json.loads(begun.read_bytes()):
            file = study / name
            if file.exists() and file.stat().st_mtime_ns == changed_ns:  # one that came since stays
                file.unlink()
        series = [path for path in study.iterdir() if path.is_dir()]
        for folder in series:
            fsync_folder(folder)  # what is gone stays gone, before the list of it goes
        begun.unlink()
        for folder in [*series, study]:
            with suppress(OSError):  # it is not empty
                folder.rmdir()
        fsync_folder(self._root)

    def signature(self, study: Path) -> Listing:
        """Another one whenever an instance came to the study or left it, for the price of a look at its series."""
        series = [(path.name, path.stat().st_mtime_ns) for path in study.iterdir() if path.is_dir()]
        return (("", study.stat().st_mtime_ns), *sorted(series))

    @contextmanager
    def frozen(self, study: Path, listing: Listing) -> Generator[Path]:
        """A folder of exactly these instances, as further names of the same files, whatever comes meanwhile."""
        folder = self._root / FROZEN / study.name
        self.thaw()
        try:
            for name, _ in listing:
                (folder / name).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                (folder / name).hardlink_to(study / name)
            yield folder
        finally:
            self.thaw()

    def thaw(self) -> None:
        """What a killed process had frozen is gone; its instances lie where they lay."""
        shutil.rmtree(self._root / FROZEN, ignore_errors=True)

    def listing(self, study: Path) -> Listing:
        """What lies in the folder of a study now."""
        found = []
        for path in study.rglob("*.dcm"):
            with suppress(FileNotFoundError):
                found.append((path.relative_to(study).as_posix(), path.lstat().st_mtime_ns))
        return tuple(sorted(found))

    def free_bytes(self) -> int:
        """What the file system still takes from this user."""
        found = os.statvfs(self._root)
        return found.f_bavail * found.f_frsize


def name_of(uid: str) -> str:
    """A name of a file or folder for a UID: its digest, for a UID comes from outside and would be a path."""
    return hashlib.sha256(uid.encode()).hexdigest()[:NAME_CHARACTERS]


def _other(first: Path, digest: str) -> Path:
    """Name of an instance with a UID under which another one lies."""
    return first.with_suffix(f".{digest[:NAME_CHARACTERS]}.dcm")


def _known(first: Path, digest: str) -> Kept | None:
    """Whether these bytes lie here, or others of the same UID; None where none do."""
    if _other(first, digest).exists():
        return Kept.KNOWN
    if not first.exists():
        return None
    return Kept.KNOWN if _digest_of(first) == digest else Kept.OTHER


def _digest(content: list[bytes]) -> str:
    found = hashlib.sha256()
    for piece in content:
        found.update(piece)
    return found.hexdigest()


def _digest_of(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
