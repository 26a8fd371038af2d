"""Making a backup, also while `up` runs: rows and audit chain of one moment, and every file that they speak of."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import BinaryIO

from sqlalchemy import select
from sqlalchemy.orm import Session

from myofed_coordinator.audit import AuditLog, Deed
from myofed_coordinator.backup.archive import AUDIT, CONFIG, DATABASE, NAME, ArchiveWriter
from myofed_coordinator.backup.rows import dump_rows
from myofed_coordinator.backup.sealed import SCRYPT_LOG2_N, SealedWriter, new_header
from myofed_coordinator.database import Database, SchemaVersionRow, version_of_tables
from myofed_coordinator.home import HomeFolder
from myofed_schemas.audit import AuditHead
from myofed_schemas.clock import utc_text
from myofed_schemas.files import open_atomically
from myofed_schemas.wire import WireModel

ENGINES_OWN = frozenset({"lock", "alive", "server.json", "submission.json", "closed.tmp"})
"""Of a run's folder: what belongs to processes that run here now. A restored run is submitted anew, after its last round."""


class BackupMade(WireModel):
    """What `backup --json` prints."""

    path: str
    sha256: str
    bytes: int
    files: int
    rows: int
    audit: int


@dataclass(frozen=True)
class Sealing:
    """How an archive is closed; the passphrase stays out of the repr.

    Attributes:
        passphrase: Opens it.
        log2_n: Cost of scrypt.
    """

    passphrase: str
    log2_n: int = SCRYPT_LOG2_N

    def __repr__(self) -> str:
        return "Sealing()"


def make_backup(
    home: HomeFolder, database: Database, out: Path, *, sealing: Sealing, actor: str, now: datetime
) -> BackupMade:
    """`out` is a whole sealed backup of this coordinator, mode 0600, and entered in the audit chain.

    Rows and chain are those of one moment: writers wait for that moment only, not while the backup is written. Files come
    after the rows that speak of them, so that none is missing. Nothing of the de-identification or of a site's updates
    exists here; `engine/`, logs and the log of the sites' port are left out.

    Args:
        home: The coordinator's.
        database: Its database, in whatever version.
        out: Written whole or not at all.
        sealing: Passphrase and cost.
        actor: Who asked for it.
        now: Aware.

    Raises:
        MyofedError: DATABASE_UNREACHABLE, DATABASE_EMPTY, AUDIT_BROKEN.
        OSError: The disk is full.
    """
    tables = version_of_tables(database)
    header = new_header(made_at=utc_text(now), version=version("myofed"), tables=tables, log2_n=sealing.log2_n)
    with open_atomically(out) as stream, _moment(home, database) as (rows_at, head, chain_bytes):
        sealed = SealedWriter(stream, header, sealing.passphrase)
        archive = ArchiveWriter(sealed)
        rows = _add_rows(archive, rows_at, folder=home.root)
        with home.audit.open("rb") as chain:
            archive.add(AUDIT, chain, size=chain_bytes)
        for name, path in _files(home):
            _add_file(archive, name, path)
        manifest = archive.finish(tables=tables, rows=rows, audit=head)
    made = BackupMade(
        path=str(out),
        sha256=_sha256(out),
        bytes=out.stat().st_size,
        files=len(manifest.files),
        rows=sum(rows.values()),
        audit=head.sequence,
    )
    detail: dict[str, str | int] = {"sha256": made.sha256, "bytes": made.bytes, "entries": made.audit}
    AuditLog(home.audit).append(Deed(actor, "BACKUP_MADE", "coordinator", detail), now=now)
    return made


@contextmanager
def _moment(home: HomeFolder, database: Database) -> Generator[tuple[Session, AuditHead, int]]:
    """A session that sees the rows of one moment, the audit head of the same moment, and the chain's size then."""
    level = {} if database.engine.dialect.name == "sqlite" else {"isolation_level": "REPEATABLE READ"}
    with Session(database.engine.execution_options(**level)) as session:
        with database.write() as writer:
            writer.connection()  # from here on no writer is between its entry in the chain and its rows
            session.scalar(select(SchemaVersionRow.version))  # the first question fixes what this session sees
            head, size = AuditLog(home.audit).head(), home.audit.stat().st_size
        yield session, head, size


def _add_rows(archive: ArchiveWriter, session: Session, *, folder: Path) -> dict[str, int]:
    """All rows, by way of a nameless file on the home's own disk: the backup's medium never holds them unsealed."""
    with tempfile.TemporaryFile(dir=folder) as dump:
        rows = dump_rows(session, dump)
        size = dump.tell()
        dump.seek(0)
        archive.add(DATABASE, dump, size=size)
    return rows


def _files(home: HomeFolder) -> Iterator[tuple[str, Path]]:
    yield CONFIG, home.config
    for folder in (home.keys, home.models, *sorted(home.runs.glob("run-*"))):
        for path in sorted(folder.iterdir()) if folder.is_dir() else ():
            name = path.relative_to(home.root).as_posix()
            if NAME.fullmatch(name) and path.is_file() and path.name not in ENGINES_OWN:
                yield name, path


def _add_file(archive: ArchiveWriter, name: str, path: Path) -> None:
    """A file is replaced whole or grows at its end, so what was opened is a whole one; one that went meanwhile stays out."""
    try:
        source: BinaryIO = path.open("rb")
    except FileNotFoundError:  # the weights of a run that ended long ago
        return
    with source:
        archive.add(name, source, size=os.fstat(source.fileno()).st_size)


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
