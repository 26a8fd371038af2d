"""Logs that stay bounded: a file that has grown too large becomes `NAME.log.1`, and its writer goes on in an empty one."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path

LARGEST_BYTES = 20_000_000
KEPT = 5
"""Rotated files beside the current one: 120 MB a process at most."""


def rotate(log: Path, *, largest: int = LARGEST_BYTES, kept: int = KEPT) -> bool:
    """The log is no larger than this, give or take what is written meanwhile; the newest `kept` rotated files stay.

    The writer keeps its file open for appending (O_APPEND), so the content is copied away and the file emptied: what is
    written between the two is copied as well, but for lines of the last microseconds.

    Args:
        log: A process's log.
        largest: Bytes.
        kept: How many older files stay; 1 or more.

    Returns:
        Whether it was rotated.

    Raises:
        OSError: The disk is full; the log stays as it is then.
    """
    with suppress(FileNotFoundError):
        if log.stat().st_size <= largest:
            return False
        draft = log.with_name(f".{log.name}.tmp")
        with log.open("rb") as source, draft.open("wb") as target:
            os.fchmod(target.fileno(), 0o600)
            while source.tell() < os.fstat(source.fileno()).st_size:
                shutil.copyfileobj(source, target, 1 << 20)
            os.truncate(log, 0)
        for number in range(kept, 1, -1):
            with suppress(FileNotFoundError):
                _numbered(log, number - 1).replace(_numbered(log, number))
        draft.replace(_numbered(log, 1))
        return True
    return False


def _numbered(log: Path, number: int) -> Path:
    return log.with_name(f"{log.name}.{number}")
