"""What became of each input so far: on disk, so that a killed run goes on where it stood and memory does not grow with files.

Outcomes are found again by the digest of their input, never by its name. Only what was proven counts: a released file is
taken over when it lies in the output folder with the digest that was verified.
"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from myofed_anonymization.one_file import Treated
from myofed_schemas.deid import FileOutcome, NoteCode, WithheldCode

PASSING = frozenset(
    {WithheldCode.TIME_LIMIT, WithheldCode.MEMORY_LIMIT, WithheldCode.WORKER_DIED, WithheldCode.UNREADABLE}
    | {WithheldCode.OCR_NEEDED, WithheldCode.PIXELS_UNDECODABLE, WithheldCode.PSEUDONYM_MISSING}
)
"""Codes that another try, an installation or a third party may change."""
_ROWS_A_COMMIT = 256
_SCHEMA = """
CREATE TABLE IF NOT EXISTS made_by (tools TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS earlier (input_sha256 TEXT PRIMARY KEY, outcome TEXT NOT NULL, numbers TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS outcome (number INTEGER PRIMARY KEY, input_sha256 TEXT, code TEXT, name TEXT, output TEXT,
    digest TEXT, outcome TEXT NOT NULL, numbers TEXT NOT NULL);
"""
_JUDGED = """
CREATE INDEX outcome_name ON outcome (name);
CREATE INDEX outcome_output ON outcome (output);
CREATE TEMP TABLE claim AS SELECT name, MIN(number) AS first, COUNT(DISTINCT output || digest) AS contents
    FROM outcome WHERE name IS NOT NULL GROUP BY name;
CREATE UNIQUE INDEX temp.claim_name ON claim (name);
"""


@dataclass(slots=True)
class Totals:
    """Sums over all files."""

    received: int = 0
    released: int = 0
    checks: int = 0
    codes: Counter[str] = field(default_factory=Counter)
    notes: Counter[str] = field(default_factory=Counter)
    actions: Counter[str] = field(default_factory=Counter)

    def add(self, file: FileOutcome) -> None:
        """The sums count this file too."""
        self.received += 1
        self.released += file.outcome == "deidentified"
        self.checks += file.checks
        self.notes.update(note.value for note in file.notes)
        self.actions.update(file.actions)
        if file.code:
            self.codes[file.code.value] += 1


class Journal:
    """The outcomes of one run, as they come; `earlier` ones are those of a run that was killed."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection = connection
        self._path = path
        self._pending = 0

    @classmethod
    def open(cls, path: Path, *, tools: str) -> Self:
        """The journal, empty but for what a killed run of the same tools left.

        Args:
            path: Made when it is not there.
            tools: Versions of all that takes part; outcomes of others are forgotten.
        """
        connection = sqlite3.connect(path)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.executescript(_SCHEMA)
        with connection:
            connection.execute("DROP INDEX IF EXISTS outcome_name")
            connection.execute("DROP INDEX IF EXISTS outcome_output")
            if connection.execute("SELECT tools FROM made_by").fetchall() == [(tools,)]:
                marks = ",".join("?" for _ in PASSING)
                connection.execute(
                    "INSERT OR REPLACE INTO earlier SELECT input_sha256, outcome, numbers FROM outcome "  # noqa: S608  marks only
                    f"WHERE input_sha256 IS NOT NULL AND (code IS NULL OR code NOT IN ({marks}))",
                    [code.value for code in PASSING],
                )
            else:
                connection.execute("DELETE FROM earlier")
                connection.execute("DELETE FROM made_by")
                connection.execute("INSERT INTO made_by VALUES (?)", (tools,))
            connection.execute("DELETE FROM outcome")
        return cls(connection, path)

    @property
    def has_earlier(self) -> bool:
        """Whether a killed run left outcomes."""
        return self._connection.execute("SELECT 1 FROM earlier LIMIT 1").fetchone() is not None

    def add(self, treated: Treated) -> None:
        """The outcome is noted; on disk after at most 256 of them, or `flush`."""
        file = treated.outcome
        self._connection.execute(
            "INSERT OR REPLACE INTO outcome VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                file.number,
                file.input_sha256,
                file.code.value if file.code else None,
                Path(file.output).name if file.output else None,
                file.output,
                file.output_sha256,
                file.model_dump_json(),
                json.dumps(treated.numbers, sort_keys=True),
            ),
        )
        self._pending += 1
        if self._pending >= _ROWS_A_COMMIT:
            self.flush()

    def flush(self) -> None:
        """All outcomes added are on disk."""
        self._connection.commit()
        self._pending = 0

    def judge(self) -> None:
        """Inputs that claim one SOPInstanceUID are told apart from here on: identical, or all of them withheld."""
        self.flush()
        self._connection.executescript(_JUDGED)

    def outcomes(self) -> Iterator[FileOutcome]:
        """Every input's outcome in order of its number, judged."""
        rows = self._connection.execute(
            "SELECT outcome.outcome, claim.contents, claim.first FROM outcome LEFT JOIN claim USING (name) ORDER BY number"
        )
        for text, contents, first in rows:
            yield _judged(FileOutcome.model_validate_json(text), contents or 0, first or 0)

    def is_released(self, output: str) -> bool:
        """Whether this path is that of a file released by this run."""
        query = "SELECT 1 FROM outcome JOIN claim USING (name) WHERE output = ? AND contents = 1 LIMIT 1"
        return self._connection.execute(query, (output,)).fetchone() is not None

    def numbers(self) -> Iterator[tuple[str, str]]:
        """Path and numbers (JSON) of every released file that has some, sorted by path."""
        yield from self._connection.execute(
            "SELECT output, numbers FROM outcome JOIN claim ON claim.name = outcome.name AND number = first "
            "WHERE contents = 1 AND numbers != '{}' ORDER BY output"
        )

    def close(self) -> None:
        """The file may be removed."""
        self._connection.close()


class EarlierOutcomes:
    """A killed run's outcomes, for the processes that treat files; nothing is written."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)

    def find(self, sha256: str) -> tuple[FileOutcome, str] | None:
        """The outcome of the input with this digest, and its numbers (JSON)."""
        row = self._connection.execute(
            "SELECT outcome, numbers FROM earlier WHERE input_sha256 = ?", (sha256,)
        ).fetchone()
        return (FileOutcome.model_validate_json(row[0]), row[1]) if row else None


def numbers_of(text: str) -> dict[str, tuple[float, ...]]:
    """The numbers that a row of the journal holds."""
    return {name: tuple(values) for name, values in json.loads(text).items()}


def _judged(file: FileOutcome, contents: int, first: int) -> FileOutcome:
    if contents > 1:
        return FileOutcome(
            number=file.number,
            input_sha256=file.input_sha256,
            outcome="withheld",
            code=WithheldCode.DUPLICATE_CONFLICT,
        )
    if contents and file.number != first:
        return file.model_copy(update={"notes": (*file.notes, NoteCode.DUPLICATE_IDENTICAL)})
    return file
