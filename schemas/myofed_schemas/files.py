"""Writing to disk so that a reader sees the old file or the new one, never a half-written one."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


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
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    try:
        with os.fdopen(descriptor, "wb") as stream:
            os.fchmod(stream.fileno(), mode)
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, path)  # noqa: PTH105  same spelling as the rule in the docs: write, fsync, rename
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    fsync_folder(path.parent)


def fsync_folder(folder: Path) -> None:
    """The names in this folder survive a power cut from here on (POSIX: rename is durable once the folder is synced)."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
