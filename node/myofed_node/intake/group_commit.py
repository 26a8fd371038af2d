"""Files that arrive at the same time become durable together: each has its own fsync, a folder is synced once for all of them."""

from __future__ import annotations

import errno
import threading
from dataclasses import dataclass
from pathlib import Path

from myofed_schemas.files import fsync_file, fsync_folder

FOLDERS_ABOVE = 2
"""Of the folder of a file: they may be new, too, made by whatever process."""


@dataclass
class _Move:
    """One file on its way to its name.

    Attributes:
        draft: Written, perhaps only in the page cache.
        final: Its name.
        done: It is durable, or has failed.
        error: Why it is not durable.
    """

    draft: Path
    final: Path
    done: bool = False
    error: OSError | None = None


class GroupCommit:
    """Gives files their names, durably, for many threads.

    Whoever finds nobody at work does it for all that wait at that moment; who comes meanwhile is in the next group.
    """

    def __init__(self) -> None:
        self._waiting: list[_Move] = []
        self._changed = threading.Condition()
        self._working = False

    def commit(self, draft: Path, final: Path) -> None:
        """`final` holds the draft's bytes, also after a power cut.

        Args:
            draft: A whole file on the same file system; gone afterwards.
            final: Its folder exists; its name and those of the folder and the two above it are synced.

        Raises:
            FileExistsError: There is such a file; it is as it was.
            FileNotFoundError: The folder went meanwhile.
            OSError: It is not durable.
        """
        mine = _Move(draft, final)
        with self._changed:
            self._waiting.append(mine)
            while self._working and not mine.done:
                self._changed.wait()
            if not mine.done:
                group, self._waiting, self._working = self._waiting, [], True
        if not mine.done:
            try:
                _settle(group)
            finally:
                with self._changed:
                    for move in group:
                        if not move.done:  # not even an error was found: nobody may take that for success
                            move.error, move.done = move.error or OSError(errno.EIO, "not settled"), True
                    self._working = False
                    self._changed.notify_all()
        if mine.error is not None:
            raise mine.error


def _settle(group: list[_Move]) -> None:
    """Every move of the group is durable, or has its error."""
    for move in group:
        try:
            fsync_file(move.draft)
            move.final.hardlink_to(move.draft)  # a rename would replace a file that came meanwhile
        except OSError as error:
            move.error = error
    levels = ((folder, *folder.parents[:FOLDERS_ABOVE]) for folder in {move.final.parent for move in group})
    for folder in {each for level in levels for each in level}:
        try:
            fsync_folder(folder)
        except OSError as error:
            for move in group:
                if folder in move.final.parents:
                    move.error = move.error or error
    for move in group:
        move.draft.unlink(missing_ok=True)
        move.done = True
