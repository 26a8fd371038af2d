"""Writing to disk so that a reader sees the old file or the new one, never a half-written one."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

HALF_WRITTEN = re.compile(r"\..+\.[a-z0-9_]{8}\.tmp")
"""How `write_atomically` names a file until it is whole."""
BLOCK_BYTES = 256 << 10
"""Written at once: for a larger write the kernel looks for larger pieces of free memory, which costs more than the copy."""
LEFT_BEHIND_S = 60.0
"""Nothing is written for longer: an older one was left by a process that was killed."""


def write_atomically(path: Path, content: bytes, *, mode: int = 0o600) -> None:
    """`path` holds exactly `content`, on disk, with this mode; a reader or a crash never sees a part of it.

    Writes to a temporary name in the same folder, fsyncs file and folder, renames.

    Args:
        path: Target; its folder must exist.
        content: All bytes of the file.
        mode: Permission bits.

    Raises:
        OSError: The folder is missing or the disk is full; the old file is unchanged then.
    """
    with open_atomically(path, mode=mode) as stream:
        for at in range(0, len(content), BLOCK_BYTES):
            stream.write(memoryview(content)[at : at + BLOCK_BYTES])


@contextmanager
def open_atomically(path: Path, *, mode: int = 0o600) -> Generator[BinaryIO]:
    """A stream whose bytes are `path`'s content, on disk, once the block has ended; if it raises, `path` is as it was.

    Args:
        path: Target; its folder must exist.
        mode: Permission bits.

    Raises:
        OSError: The folder is missing or the disk is full; the old file is unchanged then.
    """
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    try:
        with os.fdopen(descriptor, "wb") as stream:
            os.fchmod(stream.fileno(), mode)
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, path)  # noqa: PTH105  same spelling as the rule in the docs: write, fsync, rename
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    fsync_folder(path.parent)


def fsync_file(path: Path) -> None:
    """The bytes of this file survive a power cut from here on; its name does once its folder is synced."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def fsync_folder(folder: Path) -> None:
    """The names in this folder survive a power cut from here on (POSIX: rename is durable once the folder is synced)."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sweep_half_written(folders: Iterable[Path], *, now: float) -> int:
    """What a kill in the middle of `write_atomically` left directly in these folders is gone.

    Args:
        folders: One that does not exist is no error.
        now: Seconds since 1970; what is younger than LEFT_BEHIND_S stays, for it may be under way.

    Returns:
        How many files that were.

    Raises:
        OSError: A folder cannot be read or changed.
    """
    left = [path for folder in folders if folder.is_dir() for path in folder.iterdir() if _is_left(path, now=now)]
    for path in left:
        path.unlink(missing_ok=True)
    return len(left)


def _is_left(path: Path, *, now: float) -> bool:
    if HALF_WRITTEN.fullmatch(path.name) is None:
        return False
    try:
        return now - path.lstat().st_mtime > LEFT_BEHIND_S
    except FileNotFoundError:  # it became whole meanwhile
        return False
