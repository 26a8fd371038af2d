"""Files of one series on their way into the data set: written under temporary names, synced together, then given their names.

An image has its name, on disk, before its sidecar has one: the sidecar makes it part of the data set. What a kill leaves lies
under temporary names or is an image without a sidecar, and the next call clears both away. Digest and sync of a file run
beside what its writer does next; a sync that waits for the disk waits for several files at once.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from myofed_schemas.files import fsync_folder

BESIDE = 2
"""Threads: one digests, one waits for the disk."""
MODE = 0o600


@dataclass(frozen=True)
class Draft:
    """A file that is written and has not its name yet.

    Attributes:
        path: Where it is to lie.
        temporary: Where it lies.
        digest: SHA-256 of what was written, when it is known.
        synced: Its end is that of the sync.
    """

    path: Path
    temporary: Path
    digest: Future[str]
    synced: Future[None]


class Drafts:
    """A context: what has no name at its end is gone."""

    def __init__(self) -> None:
        self._beside = ThreadPoolExecutor(max_workers=BESIDE)
        self._drafts: list[Draft] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._beside.shutdown()
        for draft in self._drafts:
            draft.temporary.unlink(missing_ok=True)

    def write(self, path: Path, content: bytes) -> Draft:
        """All of the content is written and can be read under the temporary name; its folder is made.

        Raises:
            OSError: The disk is full or there may be no such file.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.unproven.tmp")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, MODE)
        try:
            os.fchmod(descriptor, MODE)
            _write_all(descriptor, content)
        except BaseException:
            os.close(descriptor)
            temporary.unlink(missing_ok=True)
            raise
        digest = self._beside.submit(_sha256, content)
        draft = Draft(path, temporary, digest, self._beside.submit(_sync_and_close, descriptor))
        self._drafts.append(draft)
        return draft

    def place(self, images: Iterable[Draft], sidecars: Iterable[Draft]) -> None:
        """The files have their names and will have them after a power cut: all images, and only then their sidecars.

        Raises:
            OSError: The disk did not take a file; then none has its name.
        """
        groups = list(images), list(sidecars)
        for draft in (*groups[0], *groups[1]):
            draft.synced.result()
        for group in groups:
            for draft in group:
                os.replace(draft.temporary, draft.path)  # noqa: PTH105  same spelling as in myofed_schemas.files
            for folder in {draft.path.parent for draft in group}:
                fsync_folder(folder)


def _write_all(descriptor: int, content: bytes) -> None:
    left = memoryview(content)
    while left:
        left = left[os.write(descriptor, left) :]


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _sync_and_close(descriptor: int) -> None:
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
