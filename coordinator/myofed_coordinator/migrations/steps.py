"""Taking the tables from one revision to another inside the caller's transaction."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from myofed_coordinator.database import revision_of

HERE = Path(__file__).parent


def known_versions() -> tuple[int, ...]:
    """Versions of the tables that lead to today's, oldest first."""
    found = ScriptDirectory(str(HERE)).walk_revisions()
    return tuple(sorted(int(script.revision) for script in found))


def step_to(connection: Connection, *, version: int) -> None:
    """The tables have this version; a database without a revision gets all tables from the first on.

    Args:
        connection: In a transaction, which is neither ended nor left here.
        version: Of the tables.
    """
    config = Config()
    config.set_main_option("script_location", str(HERE).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, revision_of(version))
