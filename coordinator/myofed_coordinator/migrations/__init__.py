"""Steps from one version of the tables to the next, by Alembic's operations; only `myofed-coordinator migrate` takes them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import select, update

from myofed_coordinator.audit import AuditLog, Deed
from myofed_coordinator.database import SCHEMA_VERSION, Database, SchemaVersionRow, check_schema
from myofed_coordinator.migrations import planning_tables
from myofed_schemas.errors import MyofedError
from myofed_schemas.wire import WireModel

STEPS: Mapping[int, Callable[[Operations], None]] = {1: planning_tables.upgrade}
"""From this version to the next one."""


class Migrated(WireModel):
    """What `migrate --json` prints: versions of the tables."""

    before: int
    after: int


def migrate(database: Database, audit: AuditLog, *, actor: str, now: datetime) -> Migrated:
    """The tables have the version that this program knows: all steps in one transaction, or none.

    Args:
        database: Its tables may be of an earlier version.
        audit: Gets one entry where something was done.
        actor: Who migrates.
        now: Aware.

    Raises:
        MyofedError: DATABASE_UNREACHABLE, DATABASE_EMPTY, or DATABASE_VERSION where the tables are newer.
    """
    try:
        check_schema(database)
    except MyofedError as error:
        if error.code != "DATABASE_VERSION":
            raise
    else:
        return Migrated(before=SCHEMA_VERSION, after=SCHEMA_VERSION)
    with database.write() as session:
        before = session.scalars(select(SchemaVersionRow.version)).one()
        if before < SCHEMA_VERSION:
            operations = Operations(MigrationContext.configure(session.connection()))
            for version in range(before, SCHEMA_VERSION):
                STEPS[version](operations)
            session.execute(update(SchemaVersionRow).values(version=SCHEMA_VERSION))
            audit.append(Deed(actor, "DATABASE_MIGRATED", "tables", {"from": before, "to": SCHEMA_VERSION}), now=now)
    check_schema(database)
    return Migrated(before=before, after=SCHEMA_VERSION)
