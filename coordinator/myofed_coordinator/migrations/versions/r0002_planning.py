"""Version 2: tables of planning queries and answers; nothing that was there is touched."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """The three tables exist, empty."""
    op.create_table(
        "planning_queries",
        sa.Column("query_id", sa.String(48), primary_key=True),
        sa.Column("study_id", sa.String(48), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False, unique=True),
        sa.Column("asked_at", sa.String(20), nullable=False),
        sa.Column("document", sa.String(), nullable=False),
    )
    op.create_table(
        "planning_query_sites",
        sa.Column("query_id", sa.String(48), sa.ForeignKey("planning_queries.query_id"), primary_key=True),
        sa.Column("site", sa.String(32), primary_key=True),
    )
    op.create_index("ix_planning_query_sites_site", "planning_query_sites", ["site"])
    op.create_table(
        "planning_answers",
        sa.Column("query_id", sa.String(48), sa.ForeignKey("planning_queries.query_id"), primary_key=True),
        sa.Column("site", sa.String(32), sa.ForeignKey("sites.site"), primary_key=True),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("received_at", sa.String(20), nullable=False),
        sa.Column("document", sa.String(), nullable=False),
    )
