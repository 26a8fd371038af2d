"""Files of one chained entry a line (audit chain, egress ledger): held while written, and read from their end."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


@contextmanager
def locked(path: Path) -> Iterator[BinaryIO]:
    """The file, open for reading and appending, held by this process alone; made with mode 0600 if missing."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "r+b") as stream:
        fcntl.flock(stream.fileno(), fcntl.LOCK_EX)
        yield stream


def last_line(stream: BinaryIO, *, longest: int) -> bytes | None:
    """The last whole line, None in an empty file; the stream stands behind it, and a half-written line after it is gone.

    Args:
        stream: From `locked`.
        longest: No line has more bytes.
    """
    size = stream.seek(0, os.SEEK_END)
    start = stream.seek(max(0, size - longest))
    tail = stream.read()
    whole = tail.rfind(b"\n") + 1
    if whole < len(tail):
        stream.truncate(start + whole)
    stream.seek(start + whole)
    if not whole:
        return None
    return tail[tail.rfind(b"\n", 0, whole - 1) + 1 : whole]
