"""The input files of a run, each once and in one order on every machine, without a list of them in memory."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode


@dataclass(frozen=True, slots=True)
class Inputs:
    """The files at or below the roots, sorted by path; links to folders are entries of their own and not followed."""

    roots: tuple[Path, ...]
    count: int

    @classmethod
    def below(cls, roots: Iterable[Path], *, out: Path) -> Self:
        """The inputs, counted; a root inside another one counts once.

        Raises:
            MyofedError: SOURCE_MISSING, SOURCE_EMPTY, SOURCE_UNREADABLE or OUT_INSIDE_SOURCE.
        """
        outer: list[Path] = []
        target = out.resolve()
        for root in sorted(set(roots)):
            if not root.exists():
                raise _refusal("SOURCE_MISSING", "expected a file or folder as source, found nothing", "check the path")
            if target.is_relative_to(root.resolve()):
                raise _refusal(
                    "OUT_INSIDE_SOURCE", "expected an output folder outside the sources", "choose another folder"
                )
            if not outer or not root.is_relative_to(outer[-1]):  # in this order what lies in a folder follows it
                outer.append(root)
        count = sum(1 for root in outer for _ in _files(root))
        if not count:
            raise _refusal(
                "SOURCE_EMPTY", "expected a source with files, found none", "check the path, or whether it is mounted"
            )
        return cls(tuple(outer), count)

    def __iter__(self) -> Iterator[Path]:
        for root in self.roots:
            yield from _files(root)


def _files(root: Path) -> Iterator[Path]:
    if not root.is_dir():
        yield root
        return
    try:
        entries = sorted((entry.name, entry.is_dir(follow_symlinks=False)) for entry in os.scandir(root))
    except OSError as error:
        raise _refusal(
            "SOURCE_UNREADABLE", "expected a folder that can be listed, found one that cannot", "check its permissions"
        ) from error
    for name, is_folder in entries:
        if is_folder:
            yield from _files(root / name)
        else:
            yield root / name


def _refusal(code: str, message: str, hint: str) -> MyofedError:
    return MyofedError(code, message, hint=hint, exit_code=ExitCode.USAGE)
