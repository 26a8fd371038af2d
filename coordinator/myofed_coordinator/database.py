"""The coordinator's database: SQLite by default, PostgreSQL by URL, the same transactions on both."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, String, create_engine, event, inspect, select, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode

SCHEMA_VERSION = 5
"""Version of the tables: the newest revision in `migrations/versions/`; each leads from the one before."""

BUSY_TIMEOUT_MS = 10_000
POOL = 20
"""Connections kept a process: half of the threads in which a port answers."""
WRITER_LOCK = 0x6D796F66
"""Key of PostgreSQL's advisory lock that makes writers wait for each other, as SQLite's do ("myof")."""


class Base(DeclarativeBase):
    """Base of all tables; times are `UtcTime` text, which sorts as time does on every database."""


class RevisionRow(Base):
    """Alembic's own table: exactly one row, the revision of the tables."""

    __tablename__ = "alembic_version"

    version_num: Mapped[str] = mapped_column(String(32), primary_key=True)


class SchemaVersionRow(Base):
    """The version once more, where releases up to 0.2 look for it, so that they refuse tables that they do not know."""

    __tablename__ = "schema_version"

    version: Mapped[int] = mapped_column(primary_key=True)


class Database:
    """Reading and writing transactions on one engine."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._writing = engine.execution_options(myofed_writer=True)
        autocommit = {"isolation_level": "AUTOCOMMIT"} if engine.dialect.name != "sqlite" else {}
        self._looking = engine.execution_options(**autocommit)

    @contextmanager
    def read(self) -> Generator[Session]:
        """A session for reading; nothing done in it is kept."""
        with Session(self.engine) as session:
            yield session

    @contextmanager
    def look(self) -> Generator[Session]:
        """A session for SELECT only, for what is asked many times a second.

        PostgreSQL takes a new snapshot for each statement anyway (READ COMMITTED); here without BEGIN and ROLLBACK, two trips to
        the server less.
        """
        with Session(self._looking) as session:
            yield session

    @contextmanager
    def write(self) -> Generator[Session]:
        """A session that commits when the block ends and rolls back when it raises; writers follow one another."""
        with Session(self._writing) as session, session.begin():
            yield session

    def close(self) -> None:
        """No connection is open any more."""
        self.engine.dispose()


def open_database(url: str) -> Database:
    """A database whose transactions behave alike on SQLite and PostgreSQL; nothing is read or made yet.

    SQLite: write-ahead log, foreign keys, full sync, 10 s of patience, `BEGIN IMMEDIATE` for writers.

    Args:
        url: SQLAlchemy URL; `postgresql://` means the psycopg driver.
    """
    parsed = make_url(url)
    if parsed.drivername == "postgresql":
        parsed = parsed.set(drivername="postgresql+psycopg")
    if parsed.get_backend_name() != "sqlite":
        engine = create_engine(parsed, pool_pre_ping=True, pool_size=POOL)
        event.listen(engine, "begin", _begin_postgresql)
        return Database(engine)
    engine = create_engine(parsed, pool_size=POOL)
    event.listen(engine, "connect", _connect_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return Database(engine)


def revision_of(version: int) -> str:
    """Alembic's name of this version."""
    return f"{version:04d}"


def create_tables(database: Database) -> None:
    """Every table exists and the version is stamped; a second call changes nothing.

    The rooms' tables are those of `Base`: their modules must have been imported (`services.py` does).
    """
    with database.write() as session:
        Base.metadata.create_all(session.connection())
        if session.scalar(select(RevisionRow)) is None:
            session.add(RevisionRow(version_num=revision_of(SCHEMA_VERSION)))
        if session.scalar(select(SchemaVersionRow)) is None:
            session.add(SchemaVersionRow(version=SCHEMA_VERSION))


def check_schema(database: Database) -> None:
    """The tables exist and have the version this program knows.

    Raises:
        MyofedError: DATABASE_UNREACHABLE, DATABASE_EMPTY or DATABASE_VERSION.
    """
    found = version_of_tables(database)
    if found != SCHEMA_VERSION:
        raise MyofedError(
            "DATABASE_VERSION",
            f"tables have version {found}, expected {SCHEMA_VERSION}",
            hint="older tables: `myofed-coordinator migrate`; newer ones: run the version that made them",
        )


def database_unreachable() -> MyofedError:
    """The database did not answer, or refused the login or the name; its own words may quote the URL and are not told."""
    return MyofedError(
        "DATABASE_UNREACHABLE",
        "the database does not answer, or has no such database or login",
        hint="check database_url (config.yaml or --database-url), that the server runs, and that the database was made",
        exit_code=ExitCode.NOT_RUNNING,
    )


def version_of_tables(database: Database) -> int:
    """The version of the tables, whatever it is.

    Raises:
        MyofedError: DATABASE_UNREACHABLE or DATABASE_EMPTY.
    """
    try:
        found = schema_version(database)
    except OperationalError as error:
        raise database_unreachable() from error
    if found is None:
        raise MyofedError(
            "DATABASE_EMPTY", "the database has no tables of this program", hint="run `init` again or restore a backup"
        )
    return found


def schema_version(database: Database) -> int | None:
    """The version of the tables as they are; None where there are none of ours.

    Raises:
        OperationalError: The database does not answer.
    """
    with database.read() as session:
        tables = inspect(session.connection())
        if tables.has_table(RevisionRow.__tablename__):
            revision = session.scalar(select(RevisionRow.version_num))
            return int(revision) if revision and revision.isdecimal() else None
        if tables.has_table(SchemaVersionRow.__tablename__):
            return session.scalar(select(SchemaVersionRow.version))
        return None


def _connect_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # SQLAlchemy's documented way to emit BEGIN itself
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "foreign_keys=ON", f"busy_timeout={BUSY_TIMEOUT_MS}", "synchronous=FULL"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    writer = connection.get_execution_options().get("myofed_writer", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writer else "BEGIN")


def _begin_postgresql(connection: Connection) -> None:
    if connection.get_execution_options().get("myofed_writer", False):
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": WRITER_LOCK})
