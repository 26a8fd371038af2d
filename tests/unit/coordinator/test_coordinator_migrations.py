"""Tables of an earlier version: refused until a person migrates them, then those of this version, with everything in them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from coordinator_factories import NOW
from sqlalchemy import select, text, update

from myofed_coordinator.audit import AuditLog
from myofed_coordinator.config import CoordinatorConfig
from myofed_coordinator.database import SCHEMA_VERSION, Base, Database, SchemaVersionRow, check_schema, open_database
from myofed_coordinator.home import HomeFolder
from myofed_coordinator.migrations import STEPS, migrate
from myofed_coordinator.services import Services, open_tables
from myofed_schemas.errors import MyofedError

RELEASED = Path(__file__).parents[2] / "fixtures" / "v0.1.0" / "coordinator.sqlite"
PLANNING = ("planning_answers", "planning_query_sites", "planning_queries")


def to_version_1(database: Database) -> None:
    with database.write() as session:
        for table in PLANNING:
            session.execute(text(f"DROP TABLE {table}"))
        session.execute(update(SchemaVersionRow).values(version=1))


def differences(database: Database) -> list[object]:
    with database.read() as session:
        return list(compare_metadata(MigrationContext.configure(session.connection()), Base.metadata))


def test_tables_of_a_newer_version_are_left_alone(services: Services) -> None:
    """Nothing leads back."""
    with services.database.write() as session:
        session.execute(update(SchemaVersionRow).values(version=99))
    with pytest.raises(MyofedError, match="DATABASE_VERSION"):
        migrate(services.database, services.audit, actor="admin", now=NOW)
    with services.database.read() as session:
        assert session.scalars(select(SchemaVersionRow.version)).one() == 99


def test_empty_database_is_not_migrated(tmp_path: Path) -> None:
    """It is not ours."""
    database = open_database(f"sqlite:///{tmp_path / 'new.sqlite'}")
    with pytest.raises(MyofedError, match="DATABASE_EMPTY"):
        migrate(database, AuditLog(tmp_path / "audit.jsonl"), actor="admin", now=NOW)


def test_step_that_fails_leaves_the_old_tables(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    """All in one transaction: the version is the old one, no half of the new tables is there, the chain says nothing."""
    to_version_1(services.database)
    whole = STEPS[1]

    def broken(operations: object) -> None:
        whole(operations)  # type: ignore[arg-type]
        raise ZeroDivisionError

    monkeypatch.setattr("myofed_coordinator.migrations.STEPS", {1: broken})
    with pytest.raises(ZeroDivisionError):
        migrate(services.database, services.audit, actor="admin", now=NOW)
    with pytest.raises(MyofedError, match="DATABASE_VERSION"):
        check_schema(services.database)
    monkeypatch.undo()
    assert migrate(services.database, services.audit, actor="admin", now=NOW).before == 1
    assert [e.action for e in services.audit.entries()].count("DATABASE_MIGRATED") == 1


def test_every_earlier_version_has_a_step() -> None:
    """From 1 on, without a gap."""
    assert sorted(STEPS) == list(range(1, SCHEMA_VERSION))


def test_migrated_tables_are_those_of_a_new_home(services: Services) -> None:
    """On both databases; a second call has nothing to do."""
    to_version_1(services.database)
    found = migrate(services.database, services.audit, actor="admin", now=NOW)
    assert (found.before, found.after) == (1, SCHEMA_VERSION)
    assert differences(services.database) == []
    again = migrate(services.database, services.audit, actor="admin", now=NOW)
    assert again.before == again.after == SCHEMA_VERSION


def test_database_of_the_first_release_becomes_todays(home: HomeFolder) -> None:
    """As it lies in its file, with all its rows."""
    shutil.copy(RELEASED, home.database)
    database = open_tables(home, CoordinatorConfig())
    with pytest.raises(MyofedError, match="DATABASE_VERSION"):
        check_schema(database)
    migrate(database, AuditLog(home.audit), actor="admin", now=NOW)
    assert differences(database) == []
    with database.read() as session:
        assert session.scalar(text("SELECT count(*) FROM sites")) == 2
