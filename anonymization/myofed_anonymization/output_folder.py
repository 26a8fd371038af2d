"""The output folder: verified files under new UIDs, the report last; a killed run leaves nothing that looks finished."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from pydantic import ValidationError

from myofed_schemas.deid import REPORT_NAME, DeidentificationReport
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode
from myofed_schemas.files import fsync_folder, write_atomically

STAGING = ".unverified-"
"""Prefix of the one folder that holds a file before it is verified; the rest of its name tells key and policy."""
_STUDY = re.compile(r"2\.25\.\d{1,39}")
_CANDIDATE = "candidate.dcm"


@dataclass(frozen=True, slots=True)
class OutputFolder:
    """A folder that belongs to one key and policy; files enter it through staging only."""

    path: Path
    staging: Path

    @classmethod
    def open(cls, path: Path, *, mark: str) -> Self:
        """The folder, ready for a run; the report of an earlier run is gone, so that nothing looks finished.

        Args:
            path: New, empty, or left by a run with the same mark.
            mark: Tells key and policy: letters, digits and hyphens.

        Raises:
            MyofedError: OUT_NOT_EMPTY or OUT_OF_ANOTHER_RUN.
        """
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not path.is_dir() or any(not _is_ours(entry) for entry in path.iterdir()):
            raise _refusal("OUT_NOT_EMPTY", "expected an empty output folder, found entries that no run of ours made")
        marks = _marks(path)
        if marks != {mark} and any(path.iterdir()):
            raise _refusal("OUT_OF_ANOTHER_RUN", "expected an output folder of this key and policy, found another's")
        folder = cls(path, path / f"{STAGING}{mark}")
        folder.staging.mkdir(mode=0o700, exist_ok=True)
        (path / REPORT_NAME).unlink(missing_ok=True)
        fsync_folder(path)
        return folder

    @contextmanager
    def staged(self, content: bytes) -> Iterator[Path]:
        """The file lies in the staging folder while this holds, and nowhere afterwards unless it was released."""
        candidate = self.staging / _CANDIDATE
        try:
            with candidate.open("wb") as stream:
                candidate.chmod(0o600)
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
            yield candidate
        finally:
            candidate.unlink(missing_ok=True)

    def release(self, staged: Path, *, output: str) -> None:
        """The staged file lies at `output`, in place of any earlier file there."""
        target = self.path / output
        for folder in (target.parent.parent, target.parent):
            folder.mkdir(mode=0o700, exist_ok=True)
        staged.replace(target)

    def finish(self, report: DeidentificationReport) -> None:
        """The folder holds exactly the report's files and, last, the report; all of it is on disk."""
        expected = set(report.outputs())
        for file in self.path.glob("2.25.*/2.25.*/*"):
            if str(file.relative_to(self.path)) not in expected:
                file.unlink()
        for folder in sorted(self.path.glob("2.25.*/**/"), reverse=True):
            if any(folder.iterdir()):
                fsync_folder(folder)
            else:
                folder.rmdir()
        content = report.model_dump_json(indent=1).encode()
        write_atomically(self.path / REPORT_NAME, content)
        for entry in self.staging.iterdir():
            entry.unlink()
        self.staging.rmdir()
        fsync_folder(self.path)


def _is_ours(entry: Path) -> bool:
    folder = entry.is_dir() and bool(_STUDY.fullmatch(entry.name) or entry.name.startswith(STAGING))
    return folder or (entry.is_file() and entry.name.removeprefix(".").startswith(REPORT_NAME))


def _marks(path: Path) -> set[str]:
    """The marks of all runs that left something here."""
    marks = {entry.name.removeprefix(STAGING) for entry in path.glob(f"{STAGING}*")}
    if (path / REPORT_NAME).exists():
        try:
            report = DeidentificationReport.model_validate_json((path / REPORT_NAME).read_bytes())
        except ValidationError as error:
            raise _refusal(
                "OUT_OF_ANOTHER_RUN", "expected a report of ours in the output folder, found another"
            ) from error
        marks.add(f"{report.key_check}-{report.policy_digest[:16]}")
    return marks


def _refusal(code: str, message: str) -> MyofedError:
    return MyofedError(code, message, hint="choose an empty folder", exit_code=ExitCode.USAGE)
