"""Files of secrets or identities: read only where nobody but their owner could have read them."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode

GROUP_AND_OTHERS = 0o077


def read_private_file(path: Path, *, what: str) -> bytes:
    """The content of a regular file whose mode gives group and others nothing.

    Mode and content are those of one opened file, so that exchanging the path meanwhile wins nothing.

    Args:
        path: The file; a symbolic link is followed.
        what: What it is, for people, e.g. `the key of the vault`.

    Raises:
        MyofedError: PRIVATE_FILE_MISSING (absent, or no regular file) or PRIVATE_FILE_PERMISSIONS; neither names the path.
        OSError: The file cannot be read.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except (FileNotFoundError, NotADirectoryError):
        raise _missing(what, "no file") from None
    try:
        mode = os.fstat(descriptor).st_mode
        if not stat.S_ISREG(mode):
            raise _missing(what, "something else")
        if mode & GROUP_AND_OTHERS:
            raise MyofedError(
                "PRIVATE_FILE_PERMISSIONS",
                f"expected mode 0600 on the file of {what}, found {stat.S_IMODE(mode):04o}",
                hint="chmod 600, and ask who could read it",
                exit_code=ExitCode.BAD_INPUT,
            )
        with os.fdopen(descriptor, "rb", closefd=False) as stream:
            return stream.read()
    finally:
        os.close(descriptor)


def _missing(what: str, found: str) -> MyofedError:
    return MyofedError(
        "PRIVATE_FILE_MISSING",
        f"expected {what} in a regular file, found {found}",
        hint="check the path",
        exit_code=ExitCode.BAD_INPUT,
    )
