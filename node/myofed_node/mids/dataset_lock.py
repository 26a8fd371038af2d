"""One conversion at a time into a data set, which must be ours."""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from myofed_node.mids.dataset_files import DESCRIPTION
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode
from myofed_schemas.mids import PROFILE

PATIENCE_SECONDS = 2.0
"""Workers of a call that was killed are gone by then."""


@contextmanager
def holding(dataset: Path) -> Iterator[int]:
    """The folder is there, is new, empty or a data set of ours, and no other call writes to it while this holds.

    Yields:
        Descriptor that carries the lock; a child process that inherits it keeps the lock as long as it lives.

    Raises:
        MyofedError: OUT_NOT_EMPTY, OUT_BUSY.
    """
    if (dataset.exists() or dataset.is_symlink()) and not dataset.is_dir():
        raise _refusal("OUT_NOT_EMPTY", "expected a folder for the data set, found a file of that name")
    dataset.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(dataset, os.O_RDONLY | os.O_DIRECTORY)
    try:
        _lock(descriptor)
        _clear_unfinished(dataset)
        if any(dataset.iterdir()) and not _is_ours(dataset):
            raise _refusal("OUT_NOT_EMPTY", "expected a new or empty OUT, or a data set of ours, found other files")
        yield descriptor
    finally:
        os.close(descriptor)


def _lock(descriptor: int) -> None:
    """On the folder itself, so that no file of ours lies in the data set."""
    end = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > end:
                raise _refusal(
                    "OUT_BUSY", "expected a data set that no other call writes to, found one at work"
                ) from None
            time.sleep(0.02)
        else:
            return


def _clear_unfinished(dataset: Path) -> None:
    """What a killed call left of the files at the top and beside the sessions."""
    for pattern in (".*.tmp", "sub-*/.*.tmp"):
        for left in dataset.glob(pattern):
            left.unlink()


def _is_ours(dataset: Path) -> bool:
    try:
        document = json.loads((dataset / DESCRIPTION).read_bytes())
    except (FileNotFoundError, ValueError):
        return False
    return isinstance(document, dict) and document.get("Profile") == PROFILE


def _refusal(code: str, message: str) -> MyofedError:
    return MyofedError(code, message, hint="choose another folder", exit_code=ExitCode.USAGE)
