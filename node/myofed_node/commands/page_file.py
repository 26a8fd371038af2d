"""Where a command writes its HTML page: the place is refused before any work is done for it."""

from __future__ import annotations

import os
from pathlib import Path

from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode
from myofed_schemas.files import write_atomically


def refuse_page_place(page: Path | None) -> None:
    """A page can be written there; a long check is not done for a page that has no place.

    Raises:
        MyofedError: PAGE_FOLDER_MISSING.
    """
    if page is None:
        return
    if page.is_dir():
        raise _refused("a folder of that name")
    if not page.parent.is_dir():
        raise _refused("no such folder")
    if not os.access(page.parent, os.W_OK | os.X_OK):
        raise _refused("one that this user may not write to")


def write_page(page: Path, content: bytes) -> None:
    """The page lies there whole; a reader never sees a part of it.

    Raises:
        MyofedError: PAGE_FOLDER_MISSING, the folder went away meanwhile.
    """
    try:
        write_atomically(page, content)
    except FileNotFoundError:
        raise _refused("no such folder") from None


def _refused(found: str) -> MyofedError:
    return MyofedError(
        "PAGE_FOLDER_MISSING",
        f"expected --html FILE in a folder that exists and can be written to, found {found}",
        hint="make the folder first, or name another file",
        exit_code=ExitCode.USAGE,
    )
