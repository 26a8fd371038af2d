"""Version 1, release 0.1.0: enrolment, cards, studies, decisions, models."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """The tables of the first release exist, empty. A database of that release is never taken through this step."""
    op.create_table("schema_version", sa.Column("version", sa.Integer(), primary_key=True))
    op.execute("INSERT INTO schema_version (version) VALUES (1)")
    _enrolment()
    _catalog()
    _studies()
    op.create_table(
        "models",
        sa.Column("sha256", sa.String(64), primary_key=True),
        sa.Column("run_id", sa.String(36), primary_key=True),
        sa.Column("study_id", sa.String(48), nullable=False),
        sa.Column("registered_at", sa.String(20), nullable=False),
        sa.Column("record", sa.String(), nullable=False),
    )
    op.create_index("ix_models_study_id", "models", ["study_id"])


def _enrolment() -> None:
    op.create_table(
        "invites",
        sa.Column("token_sha256", sa.String(64), primary_key=True),
        sa.Column("site", sa.String(32), nullable=False),
        sa.Column("created_at", sa.String(20), nullable=False),
        sa.Column("expires_at", sa.String(20), nullable=False),
        sa.Column("pre_approved", sa.Boolean(), nullable=False),
        sa.Column("request_sha256", sa.String(64)),
        sa.Column("withdrawn", sa.Boolean(), nullable=False),
    )
    op.create_index("ix_invites_site", "invites", ["site"])
    op.create_table(
        "sites",
        sa.Column("site", sa.String(32), primary_key=True),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("request_sha256", sa.String(64), nullable=False),
        sa.Column("csr_pem", sa.String(), nullable=False),
        sa.Column("identity_key", sa.String(64), nullable=False, unique=True),
        sa.Column("flower_node_key", sa.String(), nullable=False),
        sa.Column("node_key_sha256", sa.String(64), nullable=False, unique=True),
        sa.Column("requested_at", sa.String(20), nullable=False),
        sa.Column("certificate_sha256", sa.String(64)),
        sa.Column("last_seen", sa.String(20)),
        sa.Column("heartbeat", sa.String(64)),
        sa.Column("myofed_version", sa.String(32), nullable=False),
        sa.Column("flwr_version", sa.String(32), nullable=False),
    )
    op.create_table(
        "certificates",
        sa.Column("sha256", sa.String(64), primary_key=True),
        sa.Column("site", sa.String(32), sa.ForeignKey("sites.site"), nullable=False),
        sa.Column("pem", sa.String(), nullable=False),
        sa.Column("node_key_sha256", sa.String(64), nullable=False),
        sa.Column("not_after", sa.String(20), nullable=False),
        sa.Column("revoked_at", sa.String(20)),
    )
    op.create_index("ix_certificates_site", "certificates", ["site"])
    op.create_table(
        "site_audit_heads",
        sa.Column("site", sa.String(32), sa.ForeignKey("sites.site"), primary_key=True),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("signature", sa.String(128), nullable=False),
        sa.Column("received_at", sa.String(20), nullable=False),
    )


def _catalog() -> None:
    op.create_table(
        "cards",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("site", sa.String(32), sa.ForeignKey("sites.site"), nullable=False),
        sa.Column("dataset", sa.String(48), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("document", sa.String(), nullable=False),
        sa.Column("published_at", sa.String(20), nullable=False),
        sa.Column("withdrawn_at", sa.String(20)),
        sa.Column("current", sa.Boolean(), nullable=False),
        sa.UniqueConstraint("site", "dataset", "version"),
    )
    op.create_index("ix_cards_current", "cards", ["current"])
    op.create_index("ix_cards_site", "cards", ["site"])
    op.create_table(
        "card_facets",
        sa.Column("card", sa.Integer(), sa.ForeignKey("cards.id"), primary_key=True),
        sa.Column("facet", sa.String(16), primary_key=True),
        sa.Column("value", sa.String(48), primary_key=True),
    )
    op.create_index("ix_card_facets_value", "card_facets", ["value"])


def _studies() -> None:
    op.create_table(
        "studies",
        sa.Column("study_id", sa.String(48), primary_key=True),
        sa.Column("version", sa.Integer(), primary_key=True),
        sa.Column("digest", sa.String(64), nullable=False, unique=True),
        sa.Column("created_at", sa.String(20), nullable=False),
        sa.Column("document", sa.String(), nullable=False),
    )
    op.create_table(
        "study_sites",
        sa.Column("study_id", sa.String(48), primary_key=True),
        sa.Column("version", sa.Integer(), primary_key=True),
        sa.Column("site", sa.String(32), primary_key=True),
        sa.ForeignKeyConstraint(["study_id", "version"], ["studies.study_id", "studies.version"]),
    )
    op.create_index("ix_study_sites_site", "study_sites", ["site"])
    op.create_table(
        "decisions",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("study_id", sa.String(48), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("site", sa.String(32), sa.ForeignKey("sites.site"), nullable=False),
        sa.Column("decision", sa.String(16), nullable=False),
        sa.Column("received_at", sa.String(20), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False, unique=True),
        sa.Column("document", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["study_id", "version"], ["studies.study_id", "studies.version"]),
    )
    op.create_index("ix_decisions_study_id", "decisions", ["study_id"])
    op.create_index("ix_decisions_site", "decisions", ["site"])
