# ruff: noqa: INP001  a script of its own, in no package
"""Prints the body of the next revision of the coordinator's tables: what leads from the last one to the models.

Run it after a change of some `models.py`, read what it prints, write it into `migrations/versions/`, and raise SCHEMA_VERSION.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from alembic.autogenerate import produce_migrations, render_python_code
from alembic.migration import MigrationContext
from sqlalchemy import inspect

from myofed_coordinator.database import Base, open_database
from myofed_coordinator.migrations.steps import known_versions, step_to
from myofed_coordinator.services import open_tables

assert open_tables, "importing it makes every room's tables known"


def main(before: int) -> None:
    """The steps after this version are on stdout."""
    with tempfile.TemporaryDirectory() as folder:
        database = open_database(f"sqlite:///{Path(folder, 'draft.sqlite')}")
        with database.write() as session:
            step_to(session.connection(), version=before)
            ours = set(Base.metadata.tables) | set(inspect(session.connection()).get_table_names())
            kept = {name for name in ours if not name.startswith("card_words_fts")}
            options = {"include_name": lambda name, kind, _parents: kind != "table" or name in kept}
            context = MigrationContext.configure(session.connection(), opts=options)
            upgrade = produce_migrations(context, Base.metadata).upgrade_ops
        database.close()
    print(render_python_code(upgrade))  # noqa: T201  a tool's output


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else known_versions()[-1])
