"""The only input of the converter: a folder that our de-identification wrote, unchanged since, as its report proves.

The report can name a million files: it is read line by line into a table on disk, and handed out session by session.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self, TextIO

from pydantic import ValidationError

from myofed_schemas.deid import PAGE_NAME, REPORT_NAME, DeidentificationSummary, FileOutcome
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode
from myofed_schemas.side_record import SIDE_RECORD_NAME, SideRecord

_FILES = '"files": ['
_SCHEMA = """
CREATE TABLE file (study TEXT, series TEXT, name TEXT, sha256 TEXT NOT NULL, pixel_sha256 TEXT NOT NULL,
    PRIMARY KEY (study, series, name)) WITHOUT ROWID;
"""


@dataclass(frozen=True)
class SourceFile:
    """One released file: where it is, what it must hold, and the numbers that its series' side record tells of it.

    Attributes:
        pixel_sha256: SHA-256 of the Pixel Data value, which de-identification proved to be that of the scanner's file.
    """

    path: Path
    sha256: str
    pixel_sha256: str
    numbers: dict[str, tuple[float, ...]] = field(default_factory=dict, compare=False)


SessionFiles = dict[str, tuple[SourceFile, ...]]
"""Files of each new SeriesInstanceUID of one session, sorted by name."""


class Source:
    """A de-identified folder whose files and report agree by name; a context, which ends with the table on disk.

    Attributes:
        summary: The report without its files.
        files: Number of files, side records among them.
        content_bytes: Size of all files together.
    """

    def __init__(
        self,
        folder: Path,
        summary: DeidentificationSummary,
        table: sqlite3.Connection,
        *,
        files: int,
        content_bytes: int,
    ) -> None:
        self._folder = folder
        self._table = table
        self.summary = summary
        self.files = files
        self.content_bytes = content_bytes

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._table.close()

    def sessions(self) -> tuple[str, ...]:
        """New StudyInstanceUIDs, sorted."""
        return tuple(study for (study,) in self._table.execute("SELECT DISTINCT study FROM file ORDER BY study"))

    def series_count(self) -> int:
        """Number of series in all."""
        (count,) = self._table.execute("SELECT COUNT(*) FROM (SELECT DISTINCT study, series FROM file)").fetchone()
        return int(count)

    def session(self, study_uid: str) -> SessionFiles:
        """The files of one session; their digests are checked when they are read.

        Raises:
            MyofedError: DEID_FILE_CHANGED or DEID_SIDE_RECORD_INVALID, of a side record.
        """
        found: dict[str, list[SourceFile]] = {}
        records: dict[str, SideRecord | None] = {}
        rows = self._table.execute(
            "SELECT series, name, sha256, pixel_sha256 FROM file WHERE study = ? ORDER BY series, name", (study_uid,)
        )
        for series, name, sha256, pixel_sha256 in rows:
            if series not in records:
                records[series] = self._side_record(study_uid, series)
            record = records[series]
            numbers = record.instances.get(name.removesuffix(".dcm"), {}) if record else {}
            path = self._folder / study_uid / series / name
            found.setdefault(series, []).append(SourceFile(path, sha256, pixel_sha256, numbers))
        return {series: tuple(files) for series, files in found.items()}

    def _side_record(self, study_uid: str, series_uid: str) -> SideRecord | None:
        name = f"{study_uid}/{series_uid}/{SIDE_RECORD_NAME}"
        sha256 = self.summary.side_records.get(name)
        if sha256 is None:
            return None
        content = file_content(SourceFile(self._folder / name, sha256, ""))
        try:
            record = SideRecord.model_validate_json(content)
        except ValidationError:
            raise _not_ours("DEID_SIDE_RECORD_INVALID", "found a side record of another form") from None
        if record.series_instance_uid != series_uid:
            raise _not_ours("DEID_SIDE_RECORD_INVALID", "found the side record of another series")
        return record


def open_source(folder: Path) -> Source:
    """The folder's report is read and names exactly the files that are there.

    The report's page for people is not read.

    Raises:
        MyofedError: DEID_REPORT_MISSING, DEID_REPORT_INVALID, DEID_FILE_MISSING or DEID_FILE_EXTRA.
    """
    table = sqlite3.connect("")  # a table of this process alone, on disk where it grows, gone at the end
    try:
        table.executescript(_SCHEMA)
        summary = _read_report(folder / REPORT_NAME, table)
        files, content_bytes = _compare_names(folder, summary, table)
        return Source(folder, summary, table, files=files, content_bytes=content_bytes)
    except BaseException:
        table.close()
        raise


def _read_report(path: Path, table: sqlite3.Connection) -> DeidentificationSummary:
    try:
        with path.open(encoding="utf-8") as stream:
            summary = _summary(stream)
            _note_files(stream, summary, table)
            return summary
    except FileNotFoundError:
        raise _not_ours("DEID_REPORT_MISSING", "found no report") from None
    except (ValidationError, ValueError):
        raise _not_ours("DEID_REPORT_INVALID", "found a report of another form") from None


def _summary(stream: TextIO) -> DeidentificationSummary:
    """Everything before the list of files, which the report has last, one line a file."""
    head: list[str] = []
    for line in stream:
        if line.strip() == _FILES:
            return DeidentificationSummary.model_validate_json("".join(head).rstrip().removesuffix(",") + "}")
        head.append(line)
    raise ValueError


def _note_files(stream: TextIO, summary: DeidentificationSummary, table: sqlite3.Connection) -> None:
    received = released = 0
    for line in stream:
        text = line.strip().removesuffix(",")
        if text == "]":
            break
        file = FileOutcome.model_validate_json(text)
        received += 1
        if file.number != received:
            raise ValueError
        if file.output:
            released += 1
            _note(file, table)
    if (received, released) != (summary.received, summary.deidentified) or "".join(stream).strip() != "}":
        raise ValueError


def _note(file: FileOutcome, table: sqlite3.Connection) -> None:
    """Several inputs may have given one output; the report then tells one digest of it."""
    row = (*str(file.output).split("/"), file.output_sha256, file.pixel_sha256)
    try:
        table.execute("INSERT INTO file VALUES (?, ?, ?, ?, ?)", row)
    except sqlite3.IntegrityError:
        sql = "SELECT sha256, pixel_sha256 FROM file WHERE (study, series, name) = (?, ?, ?)"
        if table.execute(sql, row[:3]).fetchone() != row[3:]:
            raise ValueError from None


def _compare_names(folder: Path, summary: DeidentificationSummary, table: sqlite3.Connection) -> tuple[int, int]:
    """Number and bytes of all files, whose names are those of the report and no other."""
    extra = there = size = 0
    for name, file_bytes in _files_below(folder, ""):
        row = tuple(name.split("/"))
        sql = "SELECT 1 FROM file WHERE (study, series, name) = (?, ?, ?)"
        if name in summary.side_records or (len(row) == 3 and table.execute(sql, row).fetchone()):
            there += 1
            size += file_bytes
        elif name not in {REPORT_NAME, PAGE_NAME}:
            extra += 1
    if extra:
        raise _not_ours("DEID_FILE_EXTRA", f"found {extra} files more")
    (named,) = table.execute("SELECT COUNT(*) FROM file").fetchone()
    missing = named + len(summary.side_records) - there
    if missing:
        raise _not_ours("DEID_FILE_MISSING", f"found {missing} files fewer")
    return there, size


def _files_below(folder: Path, prefix: str) -> Iterator[tuple[str, int]]:
    """Path relative to the first folder, and size, of everything below that is no folder; links are not followed."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from _files_below(folder / entry.name, f"{prefix}{entry.name}/")
            else:
                yield prefix + entry.name, entry.stat(follow_symlinks=False).st_size


def file_content(file: SourceFile) -> bytes:
    """The file's bytes, which have the digest that the report gives.

    Raises:
        MyofedError: DEID_FILE_CHANGED.
    """
    content = file.path.read_bytes()
    if hashlib.sha256(content).hexdigest() != file.sha256:
        raise _not_ours("DEID_FILE_CHANGED", "found a file with another digest")
    return content


def _not_ours(code: str, found: str) -> MyofedError:
    return MyofedError(
        code,
        f"expected a folder exactly as `deidentify` wrote it, with its {REPORT_NAME}, {found}",
        hint="run `myofed-node deidentify` again and convert its output; (0012,0062)=YES alone proves nothing",
        exit_code=ExitCode.BAD_INPUT,
    )
