"""Owners of studies of earlier tables, on both databases: the recorded author, or nobody until an administrator assigns one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from coordinator_factories import NOW
from released_databases import RELEASES, load_release
from sqlalchemy import select

from myofed_coordinator.accounts.models import AccountRow
from myofed_coordinator.audit import AuditLog, Deed
from myofed_coordinator.database import Database, open_database
from myofed_coordinator.migrations.migrate import migrate
from myofed_coordinator.migrations.steps import step_to
from myofed_coordinator.studies.authors import adopt_authors, tells_leads
from myofed_coordinator.studies.models import LeadRow, StudyRow

CREATED = {"version": 1, "digest": "a" * 64}


@pytest.fixture
def database(bare_url: str) -> Database:
    """Tables of a release, with its rows."""
    return open_database(bare_url)


@pytest.fixture
def audit(tmp_path: Path) -> AuditLog:
    return AuditLog(tmp_path / "audit.jsonl")


def leads(database: Database) -> list[tuple[str, str, str, bool]]:
    with database.read() as session:
        return [(r.study_id, r.name, r.origin, r.owner) for r in session.scalars(select(LeadRow))]


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize("known", ["nothing", "other study", "later version", "broken chain"])
def test_study_whose_author_is_not_recorded_is_nobodys(
    release: str, known: str, database: Database, audit: AuditLog, tmp_path: Path
) -> None:
    """Nobody is guessed: not from another study, not from a later version, not from a chain that was changed."""
    load_release(release, database)
    if known == "other study":
        audit.append(Deed("ann", "STUDY_CREATED", "leg-fat", dict(CREATED)), now=NOW)
    elif known == "later version":
        audit.append(Deed("ann", "STUDY_CREATED", "thigh-muscles", {**CREATED, "version": 2}), now=NOW)
    elif known == "broken chain":
        for actor in ("ann", "bob"):
            audit.append(Deed(actor, "STUDY_CREATED", "thigh-muscles", dict(CREATED)), now=NOW)
        path = tmp_path / "audit.jsonl"
        path.write_bytes(path.read_bytes().replace(b'"ann"', b'"eve"', 1))
    migrate(database, audit, actor="admin", now=NOW)
    assert leads(database) == []
    database.close()


@pytest.mark.parametrize("release", RELEASES)
def test_author_in_the_chain_owns_the_study(release: str, database: Database, audit: AuditLog) -> None:
    """Releases without accounts knew the machine's logins only; a later account of that name is not the author."""
    load_release(release, database)
    for actor, version in (("ann", 1), ("bob", 2)):
        audit.append(Deed(actor, "STUDY_CREATED", "thigh-muscles", {**CREATED, "version": version}), now=NOW)
    migrate(database, audit, actor="admin", now=NOW)
    assert leads(database) == [("thigh-muscles", "ann", "machine", True)]
    database.close()


def test_account_that_wrote_a_study_before_there_were_owners_owns_it(database: Database, audit: AuditLog) -> None:
    """Of tables with accounts; what is known already is not adopted again."""
    with database.write() as session:
        step_to(session.connection(), version=3)
        assert not tells_leads(session)
    for study, actor in (("thigh-muscles", "lea"), ("leg-fat", "root")):
        audit.append(Deed(actor, "STUDY_CREATED", study, dict(CREATED)), now=NOW)
    with database.write() as session:
        session.add(AccountRow(account="lea", state="active", roles="study-lead", created_at="2020-01-01T00:00:00Z"))
        session.add(AccountRow(account="root", state="active", roles="study-lead", created_at="2099-01-01T00:00:00Z"))
        for study in ("thigh-muscles", "leg-fat"):
            document = json.dumps({"study": study})
            session.add(
                StudyRow(study_id=study, version=1, digest=study, created_at="2026-11-22T12:00:00Z", document=document)
            )
    migrate(database, audit, actor="admin", now=NOW)
    assert sorted(leads(database)) == [("leg-fat", "root", "machine", True), ("thigh-muscles", "lea", "account", True)]
    with database.write() as session:
        assert tells_leads(session)
        assert adopt_authors(session, audit) == 0
    database.close()
