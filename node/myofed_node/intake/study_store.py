"""Where each study that came in stands: one SQLite file beside what was received; it knows digests of UIDs, no name and no pseudonym."""

from __future__ import annotations

import fcntl
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

SCHEMA_VERSION = 1
BUSY_TIMEOUT_S = 10.0
SCHEMA = """
CREATE TABLE study (
    study TEXT PRIMARY KEY,
    state TEXT NOT NULL,
    code TEXT NOT NULL,
    instances INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    updated_at TEXT NOT NULL
);
"""


class StudyState(StrEnum):
    """How far a study is."""

    RECEIVING = "receiving"
    """Instances came a moment ago, or a person asked to try again."""
    HELD = "held"
    """Complete, and something outside it is missing; the code says what. It goes on by itself once that is there."""
    FAILED = "failed"
    """The attempt ended with an error of this machine; it is tried again by itself, ever later."""
    QUARANTINED = "quarantined"
    """Done, but something of it is not in the data set; what was received stays until a person decides."""
    DISCARDED = "discarded"
    """A person had what was received deleted."""
    DONE = "done"
    """All of it is in the data set or was skipped by rule; what was received is gone."""


@dataclass(frozen=True)
class StudyRow:
    """One study.

    Attributes:
        study: Digest of its UID, as its folder is named.
        state: See there.
        code: `OK`, or why it stands where it stands.
        instances: Files that lay there when it was looked at last.
        attempts: Failed ones since something of it came.
        updated_at: UTC.
    """

    study: str
    state: StudyState
    code: str
    instances: int
    attempts: int
    updated_at: str


class StudyStore:
    """Each method is one transaction in its own connection."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def studies(self) -> tuple[StudyRow, ...]:
        """All, those that changed last first."""
        with self._connection() as connection:
            rows = connection.execute(f"{SELECT} ORDER BY updated_at DESC, study").fetchall()
        return tuple(_row(row) for row in rows)

    def study(self, study: str) -> StudyRow | None:
        """None where it was never seen."""
        with self._connection() as connection:
            row = connection.execute(f"{SELECT} WHERE study = ?", (study,)).fetchone()
        return _row(row) if row else None

    def put(self, row: StudyRow) -> None:
        """The study stands so."""
        with self._connection() as connection:
            connection.execute(
                "INSERT INTO study (study, state, code, instances, attempts, updated_at) VALUES (?, ?, ?, ?, ?, ?) "
                "ON CONFLICT (study) DO UPDATE SET state = excluded.state, code = excluded.code, "
                "instances = excluded.instances, attempts = excluded.attempts, updated_at = excluded.updated_at",
                (row.study, row.state, row.code, row.instances, row.attempts, row.updated_at),
            )

    def _create(self, connection: sqlite3.Connection) -> None:
        """One process at a time: SQLite does not wait for the lock under which a file gets its journal."""
        with self._path.with_suffix(".lock").open("ab") as lock:
            fcntl.flock(lock.fileno(), fcntl.LOCK_EX)
            if connection.execute("PRAGMA user_version").fetchone()[0] == 0:
                self._path.chmod(0o600)
                connection.execute("PRAGMA journal_mode = WAL")
                connection.executescript(f"BEGIN IMMEDIATE; {SCHEMA} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;")

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        connection = sqlite3.connect(self._path, timeout=BUSY_TIMEOUT_S)
        try:
            connection.execute("PRAGMA synchronous = FULL")
            if connection.execute("PRAGMA user_version").fetchone()[0] == 0:
                self._create(connection)
            with connection:
                yield connection
        finally:
            connection.close()


SELECT = "SELECT study, state, code, instances, attempts, updated_at FROM study"


def _row(row: tuple[str, str, str, int, int, str]) -> StudyRow:
    return StudyRow(row[0], StudyState(row[1]), row[2], row[3], row[4], row[5])
