"""What Alembic runs for a migration: on the open connection and in the transaction of whoever called, never on its own."""

from __future__ import annotations

from alembic import context

context.configure(connection=context.config.attributes["connection"])
context.run_migrations()
