"""Tables of an earlier version: refused until a person migrates them, then those of this version, with everything in them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from coordinator_factories import NOW
from released_databases import RELEASES, load_release, make_version
from sqlalchemy import inspect, select, text, update

from myofed_coordinator.audit import AuditLog
from myofed_coordinator.database import (
    SCHEMA_VERSION,
    Base,
    Database,
    RevisionRow,
    SchemaVersionRow,
    check_schema,
    create_tables,
    open_database,
)
from myofed_coordinator.enrolment.models import SiteAuditHeadRow, WitnessedHeadRow
from myofed_coordinator.migrations.migrate import migrate
from myofed_coordinator.migrations.steps import known_versions, step_to
from myofed_coordinator.services import Services
from myofed_schemas.errors import MyofedError

EARLIER = range(1, SCHEMA_VERSION)


@pytest.fixture
def database(bare_url: str) -> Iterator[Database]:
    """Without any table."""
    opened = open_database(bare_url)
    yield opened
    opened.close()


@pytest.fixture
def audit(tmp_path: Path) -> AuditLog:
    return AuditLog(tmp_path / "audit.jsonl")


def differences(database: Database) -> list[object]:
    """What Alembic finds, but for the full-text indexes, which `text_index.py` keeps beside the models."""

    def is_told(name: str | None, kind: str, _parents: object) -> bool:
        return not (name or "").startswith("card_words_fts") and name != "ix_card_words_words"

    with database.read() as session:
        context = MigrationContext.configure(session.connection(), opts={"include_name": is_told})
        return list(compare_metadata(context, Base.metadata))


def shapes(database: Database) -> dict[str, object]:
    """What each table is made of, in words of this kind of database; names that it gave itself left out."""
    with database.read() as session:
        found = inspect(session.connection())
        return {
            table: (
                sorted((c["name"], str(c["type"]), c["nullable"]) for c in found.get_columns(table)),
                found.get_pk_constraint(table)["constrained_columns"],
                sorted(str(k["constrained_columns"]) + k["referred_table"] for k in found.get_foreign_keys(table)),
                sorted(str(sorted(k["column_names"])) for k in found.get_unique_constraints(table)),
                sorted((str(i["name"]), str(i["column_names"]), bool(i["unique"])) for i in found.get_indexes(table)),
            )
            for table in found.get_table_names()
            if table in Base.metadata.tables
        }


def test_tables_of_a_newer_version_are_left_alone(services: Services) -> None:
    """Nothing leads back, and no backup is made for nothing."""
    with services.database.write() as session:
        session.execute(update(RevisionRow).values(version_num="0099"))
    saved = list[str]()

    def save() -> str:
        saved.append("saved")
        return "saved"

    with pytest.raises(MyofedError, match="DATABASE_VERSION"):
        migrate(services.database, services.audit, actor="admin", now=NOW, save=save)
    assert saved == []
    with services.database.read() as session:
        assert session.scalars(select(RevisionRow.version_num)).one() == "0099"


def test_empty_database_is_not_migrated(database: Database, audit: AuditLog) -> None:
    """It is not ours."""
    with pytest.raises(MyofedError, match="DATABASE_EMPTY"):
        migrate(database, audit, actor="admin", now=NOW)


@pytest.mark.parametrize("fails", ["step", "audit"])
def test_step_that_fails_leaves_the_old_tables(
    database: Database, audit: AuditLog, monkeypatch: pytest.MonkeyPatch, fails: str
) -> None:
    """All in one transaction: the version is the old one, no new table is there, the chain says nothing."""
    make_version(database, 1)
    before = shapes(database)

    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    if fails == "step":
        monkeypatch.setattr(
            "myofed_coordinator.migrations.migrate.step_to",
            lambda connection, *, version: (step_to(connection, version=version), broken()),
        )
    else:
        monkeypatch.setattr(audit, "append", broken)
    with pytest.raises(ZeroDivisionError):
        migrate(database, audit, actor="admin", now=NOW)
    monkeypatch.undo()
    with pytest.raises(MyofedError, match="DATABASE_VERSION"):
        check_schema(database)
    assert shapes(database) == before
    assert migrate(database, audit, actor="admin", now=NOW).before == 1
    assert [e.action for e in audit.entries()] == ["DATABASE_MIGRATED"]


def test_failed_backup_stops_the_migration(database: Database, audit: AuditLog) -> None:
    """Nothing is changed that could not be brought back."""
    make_version(database, 1)

    def full() -> str:
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        migrate(database, audit, actor="admin", now=NOW, save=full)
    with pytest.raises(MyofedError, match="DATABASE_VERSION"):
        check_schema(database)


def test_every_version_has_its_revision() -> None:
    """From 1 to today's, without a gap."""
    assert known_versions() == tuple(range(1, SCHEMA_VERSION + 1))


@pytest.mark.parametrize("version", EARLIER)
def test_migrated_tables_are_those_of_a_new_home(database: Database, audit: AuditLog, version: int) -> None:
    """From every earlier version, on both databases, by Alembic's comparison and by our own; a second call does nothing."""
    make_version(database, version)
    found = migrate(database, audit, actor="admin", now=NOW, save=lambda: "saved")
    assert (found.before, found.after, found.backup) == (version, SCHEMA_VERSION, "saved")
    assert differences(database) == []
    migrated = shapes(database)
    with database.write() as session:
        Base.metadata.drop_all(session.connection())
    create_tables(database)
    assert shapes(database) == migrated
    again = migrate(database, audit, actor="admin", now=NOW)
    assert again.before == again.after == SCHEMA_VERSION


def test_earlier_programs_refuse_the_new_tables(database: Database, audit: AuditLog) -> None:
    """They look for the number in `schema_version`, and find one that they do not know."""
    make_version(database, 2)
    migrate(database, audit, actor="admin", now=NOW)
    with database.read() as session:
        assert session.scalars(select(SchemaVersionRow.version)).one() == SCHEMA_VERSION


@pytest.mark.parametrize("release", RELEASES)
def test_database_of_a_release_becomes_todays(release: str, database: Database, audit: AuditLog) -> None:
    """With all its rows, on both databases."""
    load_release(release, database)
    with pytest.raises(MyofedError, match="DATABASE_VERSION"):
        check_schema(database)
    migrate(database, audit, actor="admin", now=NOW)
    assert differences(database) == []
    with database.read() as session:
        assert session.scalar(text("SELECT count(*) FROM sites")) == 2


def test_heads_of_version_three_keep_no_root(database: Database, audit: AuditLog) -> None:
    """On both databases: what was co-signed and witnessed is there as it was, and its root is unknown."""
    make_version(database, 3)
    with database.write() as session:
        session.execute(
            text(
                "INSERT INTO sites (site, state, request_sha256, csr_pem, identity_key, flower_node_key, node_key_sha256,"
                " requested_at, myofed_version, flwr_version) VALUES ('a', 'approved', 'r', 'c', 'k', 'f', 'n', 't', '1', '1')"
            )
        )
        session.execute(
            text(
                "INSERT INTO site_audit_heads (site, sequence, digest, signature, received_at) VALUES ('a', 7, 'd', 's', 't')"
            )
        )
        session.execute(
            text(
                "INSERT INTO witnessed_heads (site, sequence, digest, witness, identity_key, received_at)"
                " VALUES ('a', 9, 'e', 'w', 'k', 't')"
            )
        )
    migrate(database, audit, actor="admin", now=NOW)
    with database.read() as session:
        for row, sequence in ((SiteAuditHeadRow, 7), (WitnessedHeadRow, 9)):
            kept = session.get_one(row, "a")
            assert (kept.sequence, kept.root) == (sequence, None)
