"""The tables' history, by Alembic: one revision a version in `versions/`; only `myofed-coordinator migrate` follows it."""
