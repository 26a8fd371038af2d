"""The site's SQLite file: which ingests ran, what became of every series, which card was published; pseudonyms only."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode

SCHEMA_VERSION = 1
BUSY_TIMEOUT_S = 10.0
SYNCHRONOUS = "FULL"
"""A commit survives a power cut, also in WAL mode."""

SCHEMA = """
CREATE TABLE ingest (
    id INTEGER PRIMARY KEY,
    fingerprint TEXT NOT NULL UNIQUE,
    state TEXT NOT NULL,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL
);
CREATE TABLE series (
    series_uid TEXT PRIMARY KEY,
    ingest_id INTEGER NOT NULL REFERENCES ingest (id),
    state TEXT NOT NULL,
    code TEXT NOT NULL,
    subject TEXT NOT NULL,
    session TEXT NOT NULL
);
CREATE TABLE file (
    path TEXT PRIMARY KEY,
    series_uid TEXT NOT NULL REFERENCES series (series_uid),
    staged TEXT NOT NULL,
    sha256 TEXT NOT NULL
);
CREATE INDEX file_of_series ON file (series_uid);
CREATE TABLE card (
    version INTEGER PRIMARY KEY,
    document TEXT NOT NULL,
    published_at TEXT
);
"""


class IngestState(StrEnum):
    """How far an ingest is; every step may be killed and done again."""

    RECEIVED = "received"
    DEIDENTIFIED = "deidentified"
    CONVERTED = "converted"
    VALIDATED = "validated"
    STORED = "stored"


class SeriesState(StrEnum):
    """What became of a series; `validated` only between the plan of its file names and their arrival."""

    VALIDATED = "validated"
    STORED = "stored"
    SKIPPED = "skipped"
    QUARANTINED = "quarantined"
    HELD = "held"


@dataclass(frozen=True)
class IngestRow:
    """One ingest: `fingerprint` is a digest of its input files' digests and of what decides their fate."""

    id: int
    fingerprint: str
    state: IngestState


@dataclass(frozen=True)
class SeriesRow:
    """One series by its new SeriesInstanceUID."""

    series_uid: str
    ingest_id: int
    state: SeriesState
    code: str
    subject: str
    session: str


@dataclass(frozen=True)
class FileRow:
    """One file of a series: its name in the data set, where it waits until it is there, and its digest."""

    path: str
    series_uid: str
    staged: str
    sha256: str


@dataclass(frozen=True)
class CardRow:
    """One version of the dataset card; `published_at` is empty until the coordinator took it."""

    version: int
    document: str
    published_at: str


class SiteStore:
    """Each method is one transaction in its own connection, so that any process of the site may call it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def create(self) -> None:
        """The file exists with the tables of this version; an existing one of this version is left as it is.

        Raises:
            MyofedError: STORE_VERSION where the file is of another version.
        """
        self._path.touch(mode=0o600)
        with self._connection(check=False) as connection:
            found = connection.execute("PRAGMA user_version").fetchone()[0]
            if found == 0:
                connection.execute("PRAGMA journal_mode = WAL")
                connection.executescript(f"BEGIN; {SCHEMA} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;")
            else:
                _check_version(found)

    def begin_ingest(self, fingerprint: str, *, now: str) -> IngestRow:
        """The ingest of this fingerprint: the one that was begun before, or a new one in state received."""
        with self._connection() as connection:
            connection.execute(
                "INSERT INTO ingest (fingerprint, state, created_at, updated_at) VALUES (?, ?, ?, ?) "
                "ON CONFLICT (fingerprint) DO NOTHING",
                (fingerprint, IngestState.RECEIVED, now, now),
            )
            row = connection.execute(
                "SELECT id, fingerprint, state FROM ingest WHERE fingerprint = ?", (fingerprint,)
            ).fetchone()
        return IngestRow(row[0], row[1], IngestState(row[2]))

    def advance_ingest(self, ingest_id: int, state: IngestState, *, now: str) -> None:
        """The ingest is in this state."""
        with self._connection() as connection:
            connection.execute("UPDATE ingest SET state = ?, updated_at = ? WHERE id = ?", (state, now, ingest_id))

    def ingests(self) -> tuple[IngestRow, ...]:
        """All ingests, oldest first."""
        with self._connection() as connection:
            rows = connection.execute("SELECT id, fingerprint, state FROM ingest ORDER BY id").fetchall()
        return tuple(IngestRow(row[0], row[1], IngestState(row[2])) for row in rows)

    def record_outcome(self, row: SeriesRow) -> None:
        """The series has this outcome, unless it is stored already: a stored series is never changed."""
        with self._connection() as connection:
            _put_series(connection, row)

    def plan_series(self, row: SeriesRow, files: Iterable[FileRow]) -> None:
        """The series is validated and the names of its files in the data set are taken; all of it or nothing.

        Raises:
            MyofedError: NAME_TAKEN where another series has one of the names.
        """
        with self._connection() as connection:
            _put_series(connection, row)
            connection.execute("DELETE FROM file WHERE series_uid = ?", (row.series_uid,))
            try:
                connection.executemany(
                    "INSERT INTO file (path, series_uid, staged, sha256) VALUES (?, ?, ?, ?)",
                    [(file.path, file.series_uid, file.staged, file.sha256) for file in files],
                )
            except sqlite3.IntegrityError:
                raise MyofedError(
                    "NAME_TAKEN", "expected a free name in the data set, found one of another series"
                ) from None

    def series(self, series_uid: str) -> SeriesRow | None:
        """What is known of this series; None where it was never seen."""
        with self._connection() as connection:
            row = connection.execute(f"{SELECT_SERIES} WHERE series_uid = ?", (series_uid,)).fetchone()
        return _series(row) if row else None

    def all_series(self) -> tuple[SeriesRow, ...]:
        """Every series ever seen, in the order of their UIDs."""
        with self._connection() as connection:
            rows = connection.execute(f"{SELECT_SERIES} ORDER BY series_uid").fetchall()
        return tuple(_series(row) for row in rows)

    def files(self, series_uid: str) -> tuple[FileRow, ...]:
        """The files of this series, by name."""
        with self._connection() as connection:
            rows = connection.execute(f"{SELECT_FILE} WHERE series_uid = ? ORDER BY path", (series_uid,)).fetchall()
        return tuple(FileRow(*row) for row in rows)

    def file(self, path: str) -> FileRow | None:
        """Who has this name in the data set; None where it is free."""
        with self._connection() as connection:
            row = connection.execute(f"{SELECT_FILE} WHERE path = ?", (path,)).fetchone()
        return FileRow(*row) if row else None

    def latest_card(self) -> CardRow | None:
        """The newest version of the card; None before the first."""
        with self._connection() as connection:
            row = connection.execute(
                "SELECT version, document, published_at FROM card ORDER BY version DESC LIMIT 1"
            ).fetchone()
        return CardRow(row[0], row[1], row[2] or "") if row else None

    def add_card(self, version: int, document: str) -> None:
        """This version of the card is kept, not yet published."""
        with self._connection() as connection:
            connection.execute("INSERT INTO card (version, document) VALUES (?, ?)", (version, document))

    def mark_card(self, version: int, *, published_at: str) -> None:
        """The coordinator has taken (a time) or no longer shows (empty) this version."""
        with self._connection() as connection:
            connection.execute("UPDATE card SET published_at = ? WHERE version = ?", (published_at or None, version))

    @contextmanager
    def _connection(self, *, check: bool = True) -> Iterator[sqlite3.Connection]:
        if check and not self._path.exists():
            raise MyofedError(
                "STORE_MISSING",
                "expected site.sqlite in the site folder, found none",
                hint="restore it from the backup",
                exit_code=ExitCode.SITE_FOLDER,
            )
        connection = sqlite3.connect(self._path, timeout=BUSY_TIMEOUT_S)
        try:
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute(f"PRAGMA synchronous = {SYNCHRONOUS}")
            if check:
                _check_version(connection.execute("PRAGMA user_version").fetchone()[0])
            with connection:
                yield connection
        finally:
            connection.close()


SELECT_SERIES = "SELECT series_uid, ingest_id, state, code, subject, session FROM series"
SELECT_FILE = "SELECT path, series_uid, staged, sha256 FROM file"


def _put_series(connection: sqlite3.Connection, row: SeriesRow) -> None:
    connection.execute(
        "INSERT INTO series (series_uid, ingest_id, state, code, subject, session) VALUES (?, ?, ?, ?, ?, ?) "
        "ON CONFLICT (series_uid) DO UPDATE SET ingest_id = excluded.ingest_id, state = excluded.state, "
        "code = excluded.code, subject = excluded.subject, session = excluded.session WHERE series.state != 'stored'",
        (row.series_uid, row.ingest_id, row.state, row.code, row.subject, row.session),
    )


def _series(row: tuple[str, int, str, str, str, str]) -> SeriesRow:
    return SeriesRow(row[0], row[1], SeriesState(row[2]), row[3], row[4], row[5])


def _check_version(found: int) -> None:
    if found != SCHEMA_VERSION:
        raise MyofedError(
            "STORE_VERSION",
            f"expected version {SCHEMA_VERSION} of site.sqlite, found {found}",
            hint="use the myofed version that wrote it, or a newer one that can migrate it",
            exit_code=ExitCode.SITE_FOLDER,
        )
