"""Databases as earlier releases left them, on SQLite and on PostgreSQL."""

from __future__ import annotations

import io
import shutil
import tempfile
from pathlib import Path

from sqlalchemy import MetaData, text, update

from myofed_coordinator.backup.rows import dump_rows, load_rows
from myofed_coordinator.database import Database, SchemaVersionRow, open_database
from myofed_coordinator.migrations.steps import step_to

FIXTURES = Path(__file__).parents[2] / "fixtures"
RELEASES = sorted(path.parent.name for path in FIXTURES.glob("v*/coordinator.sqlite"))
VERSION_OF = {"v0.1.0": 1}
"""Release -> version of its tables."""


def make_version(database: Database, version: int) -> None:
    """Empty tables of this version as its release stamped them: the number alone, without a revision (up to version 2)."""
    with database.write() as session:
        step_to(session.connection(), version=version)
        session.execute(update(SchemaVersionRow).values(version=version))
        if version <= 2:
            session.execute(text("DROP TABLE alembic_version"))


def load_release(release: str, database: Database) -> None:
    """The rows of a released database are in this one, in that release's tables."""
    lines = io.BytesIO()
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder, "coordinator.sqlite")
        shutil.copy(FIXTURES / release / "coordinator.sqlite", copy)
        source = open_database(f"sqlite:///{copy}")
        with source.read() as session:
            dump_rows(session, lines)
        source.close()
    lines.seek(0)
    with database.write() as session:
        load_rows(session, lines, version=VERSION_OF[release])
        session.execute(update(SchemaVersionRow).values(version=VERSION_OF[release]))
        session.execute(text("DROP TABLE alembic_version"))


def drop_all(url: str) -> None:
    """Nothing is left in this database."""
    if url.startswith("sqlite:///"):
        for suffix in ("", "-wal", "-shm"):
            Path(url.removeprefix("sqlite:///") + suffix).unlink(missing_ok=True)
        return
    database = open_database(url)
    with database.write() as session:
        found = MetaData()
        found.reflect(session.connection())
        found.drop_all(session.connection())
    database.close()
