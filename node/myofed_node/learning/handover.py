"""Weights that executor and worker hand to each other as files of `run/weights/`: only names pass their socket, no 100 MB.

Neither side believes the other's file more than it would believe the same bytes on the socket.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterable
from pathlib import Path

from myofed_schemas.errors import MyofedError
from myofed_schemas.files import BLOCK_BYTES

Packed = bytes | memoryview


def mapped(path: Path) -> Packed:
    """A view of a file that may lose its name meanwhile; what is written to the view stays in this process.

    Raises:
        MyofedError: WEIGHTS_FILE.
    """
    try:
        with path.open("rb") as stream:
            size = os.fstat(stream.fileno()).st_size
            return memoryview(mmap.mmap(stream.fileno(), size, access=mmap.ACCESS_COPY)) if size else b""
    except OSError:
        raise _unusable("to be read") from None


def written(path: Path, parts: Iterable[Packed]) -> None:
    """A new file, for its owner only, of these parts; it need not outlive a power cut.

    Raises:
        MyofedError: WEIGHTS_FILE; nothing is left of it then.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError:
        raise _unusable("to be made") from None
    try:
        for part in parts:
            _write(descriptor, memoryview(part))
    except OSError:
        path.unlink(missing_ok=True)
        raise _unusable("to be written") from None
    finally:
        os.close(descriptor)


def _write(descriptor: int, left: memoryview) -> None:
    while left:
        left = left[os.write(descriptor, left[:BLOCK_BYTES]) :]


def _unusable(what: str) -> MyofedError:
    return MyofedError("WEIGHTS_FILE", f"expected the file in which weights pass {what}, found that it cannot be")
