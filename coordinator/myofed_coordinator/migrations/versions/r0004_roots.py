"""Version 4: roots of co-signed and of witnessed audit heads; heads that are there keep none."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Both tables have the column, empty; nothing that was there is touched."""
    for table in ("site_audit_heads", "witnessed_heads"):
        op.add_column(table, sa.Column("root", sa.String(length=64), nullable=True))
