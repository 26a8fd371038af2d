"""Version 5: who leads a study; empty, as the tables before did not say who wrote one.

`studies/authors.py` enters the authors that the audit chain knows; whose author it does not know an administrator assigns.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """The table exists, empty; nothing that was there is touched."""
    op.create_table(
        "study_leads",
        sa.Column("study_id", sa.String(length=48), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("origin", sa.String(length=16), nullable=False),
        sa.Column("owner", sa.Boolean(), nullable=False),
        sa.Column("added_by", sa.String(length=64), nullable=False),
        sa.Column("added_at", sa.String(length=20), nullable=False),
        sa.PrimaryKeyConstraint("study_id", "name", "origin"),
    )
