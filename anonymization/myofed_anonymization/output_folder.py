"""The output folder: verified files under new UIDs, the report last; a killed run leaves nothing that looks finished."""

from __future__ import annotations

import fcntl
import json
import os
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Self

from pydantic import ValidationError

from myofed_schemas.deid import PAGE_NAME, REPORT_NAME, DeidentificationSummary
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode
from myofed_schemas.files import fsync_file, fsync_folder, write_atomically

STAGING = ".unverified-"
"""Prefix of the one folder that holds files before they are verified, and the journal; the rest of its name tells whose."""
JOURNAL = "journal.sqlite"
_LOCK = "lock"
_UID = re.compile(r"2\.25\.\d{1,39}")
_FILES = '"files"'


@dataclass(frozen=True, slots=True)
class Staging:
    """One process's way into the output folder: files enter it through here only, after their verification.

    A file is not synced to disk one by one: `OutputFolder.finish` syncs all before the report, without which no folder counts
    as finished, and a run that goes on after a power cut reads every file again.
    """

    out: Path
    folder: Path
    name: str = "candidate.dcm"

    @contextmanager
    def holding(self, content: bytes) -> Iterator[Path]:
        """The file lies in the staging folder while this holds, and nowhere afterwards unless it was released."""
        candidate = self.folder / self.name
        try:
            descriptor = os.open(candidate, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(content)
            yield candidate
        finally:
            candidate.unlink(missing_ok=True)

    def release(self, staged: Path, *, output: str) -> None:
        """The staged file lies at `output`, in place of any earlier file there."""
        target = self.out / output
        try:
            staged.replace(target)
        except FileNotFoundError:
            for folder in (target.parent.parent, target.parent):
                folder.mkdir(mode=0o700, exist_ok=True)
            staged.replace(target)


@dataclass(frozen=True, slots=True)
class OutputFolder:
    """A folder that belongs to one key, policy and source of pseudonyms, and to one process at a time."""

    path: Path
    staging: Path
    _lock: BinaryIO = field(repr=False)

    @classmethod
    def open(cls, path: Path, *, mark: str) -> Self:
        """The folder, ready for a run; the report of an earlier run is gone, so that nothing looks finished.

        Args:
            path: New, empty, or left by a run with the same mark.
            mark: Tells key, policy and source of pseudonyms: letters, digits and hyphens.

        Raises:
            MyofedError: OUT_NOT_EMPTY, OUT_OF_ANOTHER_RUN or OUT_BUSY.
        """
        if (path.exists() or path.is_symlink()) and not path.is_dir():
            raise _refusal("OUT_NOT_EMPTY", "expected a folder for the output, found a file of that name")
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        if any(not _is_ours(entry) for entry in path.iterdir()):
            raise _refusal("OUT_NOT_EMPTY", "expected an empty output folder, found entries that no run of ours made")
        if _marks(path) != {mark} and any(path.iterdir()):
            raise _refusal(
                "OUT_OF_ANOTHER_RUN",
                "expected an output folder of this key and policy, found another's",
                hint=_OTHER_RUN,
            )
        staging = path / f"{STAGING}{mark}"
        staging.mkdir(mode=0o700, exist_ok=True)
        folder = cls(path, staging, _locked(staging))
        if _marks(path) != {mark}:  # another run began at the same moment
            folder.close()
            raise _refusal(
                "OUT_OF_ANOTHER_RUN", "expected an output folder for one run, found another's", hint=_OTHER_RUN
            )
        for left in staging.glob("*.dcm"):
            left.unlink()
        for name in (REPORT_NAME, PAGE_NAME):
            (path / name).unlink(missing_ok=True)
        fsync_folder(path)
        return folder

    def close(self) -> None:
        """Another process may use the folder."""
        self._lock.close()

    def finish(self, report: Iterable[bytes], page: bytes, *, expected: Callable[[str], bool]) -> None:
        """The folder holds exactly the expected files and, last, the report; all of it is on disk.

        Args:
            report: The report's bytes, in parts.
            page: The same for people.
            expected: Whether a file, by its path relative to the folder, belongs to the outcome of this run.
        """
        for file in self.path.glob("2.25.*/2.25.*/*"):
            if expected(file.relative_to(self.path).as_posix()):
                fsync_file(file)
            else:
                file.unlink()
        for folder in (*self.path.glob("2.25.*/2.25.*/"), *self.path.glob("2.25.*/")):
            if any(folder.iterdir()):
                fsync_folder(folder)
            else:
                folder.rmdir()
        write_atomically(self.path / PAGE_NAME, page)
        written = self.staging / REPORT_NAME
        with written.open("wb") as stream:
            written.chmod(0o600)
            stream.writelines(report)
            stream.flush()
            os.fsync(stream.fileno())
        written.replace(self.path / REPORT_NAME)
        fsync_folder(self.path)
        for entry in self.staging.iterdir():
            entry.unlink()
        self.staging.rmdir()
        fsync_folder(self.path)


def read_summary(report: Path) -> DeidentificationSummary:
    """The report's counts without its list of files, however long that is.

    Raises:
        FileNotFoundError: There is no report.
        ValidationError: The file is no report of ours.
    """
    head: list[str] = []
    with report.open(encoding="utf-8") as stream:
        for line in stream:
            if line.strip().startswith(_FILES):
                break
            head.append(line)
    text = "".join(head).rstrip().removesuffix(",")
    return DeidentificationSummary.model_validate_json(text if text.endswith("\n}") else text + "}")


def report_bytes(summary: DeidentificationSummary, files: Iterable[str]) -> Iterator[bytes]:
    """The report as `DeidentificationReport` reads it: the summary's lines, then one line a file.

    Args:
        summary: What the run did.
        files: The outcomes as JSON, in order of their numbers.
    """
    head = json.dumps(json.loads(summary.model_dump_json()), indent=1)
    yield head.removesuffix("\n}").encode() + f",\n {_FILES}: [".encode()
    mark = "\n  "
    for outcome in files:
        yield (mark + outcome).encode()
        mark = ",\n  "
    yield b"\n ]\n}\n"


def _is_ours(entry: Path) -> bool:
    """Whether an entry of the output folder, with all below it, is of our layout: real folders and files only."""
    if entry.is_symlink():
        return False
    if entry.is_file():
        return entry.name.removeprefix(".").startswith((REPORT_NAME, PAGE_NAME))
    if entry.name.startswith(STAGING):
        return all(one.is_file() and not one.is_symlink() for one in entry.iterdir())
    return bool(_UID.fullmatch(entry.name)) and all(_is_series(one) for one in entry.iterdir())


def _is_series(entry: Path) -> bool:
    if entry.is_symlink() or not entry.is_dir() or not _UID.fullmatch(entry.name):
        return False
    return all(file.is_file() and not file.is_symlink() for file in entry.iterdir())


def _marks(path: Path) -> set[str]:
    """The marks of all runs that left something here."""
    marks = {entry.name.removeprefix(STAGING) for entry in path.glob(f"{STAGING}*")}
    if (path / REPORT_NAME).exists():
        try:
            summary = read_summary(path / REPORT_NAME)
        except ValidationError as error:
            raise _refusal(
                "OUT_OF_ANOTHER_RUN", "expected a report of ours in the output folder, found another"
            ) from error
        marks.add(mark_of(summary))
    return marks


def mark_of(summary: DeidentificationSummary) -> str:
    """What tells runs apart that may not share a folder."""
    return f"{summary.key_check}-{summary.pseudonym_check}-{summary.policy_digest[:16]}"


def _locked(staging: Path) -> BinaryIO:
    """A lock that ends with this process; its children do not inherit it."""
    stream = (staging / _LOCK).open("wb")
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        stream.close()
        raise _refusal(
            "OUT_BUSY", "expected an output folder that no other run writes to, found one at work"
        ) from error
    return stream


_OTHER_RUN = (
    "choose an empty folder, or give the same --site and --policy: without --site each call has a key of its own"
)


def _refusal(code: str, message: str, *, hint: str = "choose an empty folder") -> MyofedError:
    return MyofedError(code, message, hint=hint, exit_code=ExitCode.USAGE)
