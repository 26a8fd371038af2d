"""The use case of `myofed-coordinator migrate`: tables of an earlier version become today's, or stay as they are."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from sqlalchemy import inspect, select, update
from sqlalchemy.orm import Session

from myofed_coordinator.audit import AuditLog, Deed
from myofed_coordinator.database import (
    SCHEMA_VERSION,
    Database,
    RevisionRow,
    SchemaVersionRow,
    check_schema,
    revision_of,
    schema_version,
)
from myofed_coordinator.migrations.steps import step_to
from myofed_coordinator.studies.authors import adopt_authors, tells_leads
from myofed_schemas.errors import MyofedError
from myofed_schemas.wire import WireModel


class Migrated(WireModel):
    """What `migrate --json` prints: versions of the tables, and the backup that was made before."""

    before: int
    after: int
    backup: str | None = None


def migrate(
    database: Database, audit: AuditLog, *, actor: str, now: datetime, save: Callable[[], str | None] = lambda: None
) -> Migrated:
    """The tables have the version that this program knows: all steps in one transaction, or none.

    Args:
        database: Its tables may be of an earlier version.
        audit: Gets one entry where something was done.
        actor: Who migrates.
        now: Aware.
        save: Makes a backup before anything is changed and says where it lies; not called where nothing is to be done.

    Raises:
        MyofedError: DATABASE_UNREACHABLE, DATABASE_EMPTY, DATABASE_VERSION where the tables are newer, or what `save` raises.
    """
    try:
        check_schema(database)
    except MyofedError as error:
        if error.code != "DATABASE_VERSION":
            raise
    else:
        return Migrated(before=SCHEMA_VERSION, after=SCHEMA_VERSION)
    if (schema_version(database) or 0) > SCHEMA_VERSION:
        check_schema(database)
    saved = save()
    with database.write() as session:
        before = take_over(session)
        bring_up_to_date(session, audit)
        audit.append(Deed(actor, "DATABASE_MIGRATED", "tables", {"from": before, "to": SCHEMA_VERSION}), now=now)
    check_schema(database)
    return Migrated(before=before, after=SCHEMA_VERSION, backup=saved)


def bring_up_to_date(session: Session, audit: AuditLog) -> None:
    """The tables are those of this release, and hold what the audit chain knew and they did not.

    Args:
        session: In a writing transaction; the tables carry their revision.
        audit: Of this coordinator.
    """
    told = tells_leads(session)
    step_to(session.connection(), version=SCHEMA_VERSION)
    if not told:
        adopt_authors(session, audit)
    session.execute(update(SchemaVersionRow).values(version=SCHEMA_VERSION))


def take_over(session: Session) -> int:
    """The tables carry their revision, also those of a release that kept the number in `schema_version` alone.

    Returns:
        The version they have.
    """
    connection = session.connection()
    if not inspect(connection).has_table(RevisionRow.__tablename__):
        RevisionRow.__table__.create(connection)  # type: ignore[attr-defined]
        version = session.scalars(select(SchemaVersionRow.version)).one()
        session.add(RevisionRow(version_num=revision_of(version)))
        session.flush()
        return version
    return int(session.scalars(select(RevisionRow.version_num)).one())
