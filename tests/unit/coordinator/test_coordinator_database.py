"""One database, two kinds: versions, and writers that follow one another."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from coordinator_factories import HOUR, NOW
from sqlalchemy import text, update

from myofed_coordinator.database import RevisionRow, check_schema, create_tables, open_database
from myofed_coordinator.services import Services
from myofed_schemas.errors import MyofedError


def test_unreachable_database_is_named_without_its_url() -> None:
    """The message holds no address, user or password."""
    database = open_database("postgresql://user:secret@127.0.0.1:1/none?connect_timeout=1")
    with pytest.raises(MyofedError, match="DATABASE_UNREACHABLE") as caught:
        check_schema(database)
    assert "secret" not in str(caught.value)


def test_database_without_tables_is_refused(tmp_path: Path) -> None:
    """An empty database is not silently filled by whoever comes first."""
    with pytest.raises(MyofedError, match="DATABASE_EMPTY"):
        check_schema(open_database(f"sqlite:///{tmp_path / 'new.sqlite'}"))


def test_tables_of_another_version_are_refused(services: Services) -> None:
    """A program never works on tables it does not know."""
    with services.database.write() as session:
        session.execute(update(RevisionRow).values(version_num="0099"))
    with pytest.raises(MyofedError, match="DATABASE_VERSION"):
        check_schema(services.database)


def test_failed_transaction_leaves_nothing(services: Services) -> None:
    """When a write raises, its rows are not there; making the tables again changes nothing."""

    def fail_after_writing() -> None:
        with services.database.write() as session:
            session.execute(update(RevisionRow).values(version_num="0099"))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_after_writing()
    create_tables(services.database)
    check_schema(services.database)


def test_writers_follow_one_another(services: Services) -> None:
    """Twelve invites from four threads: every one is kept, and the audit chain has each once and holds."""

    def invite(thread: int) -> None:
        for number in range(3):
            services.enrolment.create_invite(f"site-{thread}-{number}", actor="admin", now=NOW, valid=HOUR)

    threads = [threading.Thread(target=invite, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(services.enrolment.list_sites()) == 12
    assert services.audit.verify().sequence == 13


def test_sqlite_is_durable_and_checks_foreign_keys(tmp_path: Path) -> None:
    """Write-ahead log, full sync and foreign keys are on for every connection."""
    with open_database(f"sqlite:///{tmp_path / 'a.sqlite'}").read() as session:
        values = [session.scalar(text(f"PRAGMA {name}")) for name in ("journal_mode", "synchronous", "foreign_keys")]
    assert values == ["wal", 2, 1]
