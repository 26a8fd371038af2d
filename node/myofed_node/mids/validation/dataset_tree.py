"""What lies below a folder of unknown origin: every name once, links not followed, nothing opened."""

from __future__ import annotations

import os
import stat
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path, PurePosixPath

DERIVATIVES = "derivatives"


class EntryKind(Enum):
    """What stands under a name; the value says it in words."""

    FILE = "a file"
    FOLDER = "a folder"
    FOLDER_UNREADABLE = "a folder that cannot be listed"
    LINK_OUTSIDE = "a link that leaves the data set"
    LINK_BROKEN = "a link that leads nowhere"
    LINK_FOLDER = "a link to a folder"
    SPECIAL = "a pipe, socket or device"


class Region(Enum):
    """Which part of a data set a path belongs to."""

    TOP = "top"
    SUBJECT = "subject"
    DERIVATIVE = "derivative"


@dataclass(frozen=True)
class Entry:
    """One name of a folder of the data set."""

    path: PurePosixPath
    kind: EntryKind

    @property
    def region(self) -> Region:
        """The part of the data set."""
        top = str(self.path).split("/", maxsplit=1)[0]
        if top == DERIVATIVES:
            return Region.DERIVATIVE
        inside = len(self.path.parts) > 1 or self.kind is EntryKind.FOLDER
        return Region.SUBJECT if top.startswith("sub-") and inside else Region.TOP

    @property
    def folded(self) -> str:
        """The path as file systems see it that do not tell case apart."""
        return unicodedata.normalize("NFC", str(self.path)).casefold()


def walk(root: Path) -> Iterator[Entry]:
    """Everything below the folder, in no order; hidden names (a running write's among them) are none.

    Args:
        root: Resolved.
    """
    waiting = [PurePosixPath()]
    while waiting:
        folder = waiting.pop()
        try:
            found = [item for item in os.scandir(root / folder) if not item.name.startswith(".")]
        except OSError:
            yield Entry(folder, EntryKind.FOLDER_UNREADABLE)
            continue
        for item in found:
            entry = Entry(folder / item.name, _kind(item, root))
            if entry.kind is EntryKind.FOLDER:
                waiting.append(entry.path)
            yield entry


def _kind(item: os.DirEntry[str], root: Path) -> EntryKind:
    try:
        if not item.is_symlink():
            mode = item.stat(follow_symlinks=False).st_mode
            return EntryKind.FILE if stat.S_ISREG(mode) else _other(mode)
        target = Path(item.path).resolve(strict=True)
        if not target.is_relative_to(root):
            return EntryKind.LINK_OUTSIDE
        mode = target.stat().st_mode
    except (OSError, RuntimeError):  # a link to itself
        return EntryKind.LINK_BROKEN
    if stat.S_ISDIR(mode):
        return EntryKind.LINK_FOLDER
    return EntryKind.FILE if stat.S_ISREG(mode) else EntryKind.SPECIAL


def _other(mode: int) -> EntryKind:
    return EntryKind.FOLDER if stat.S_ISDIR(mode) else EntryKind.SPECIAL
