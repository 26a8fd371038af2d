"""Version 3: heads of the coordinator's own chain that sites witnessed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """The new tables exist, empty."""
    op.create_table(
        "witnessed_heads",
        sa.Column("site", sa.String(32), sa.ForeignKey("sites.site"), primary_key=True),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("witness", sa.String(128), nullable=False),
        sa.Column("identity_key", sa.String(64), nullable=False),
        sa.Column("received_at", sa.String(20), nullable=False),
    )
