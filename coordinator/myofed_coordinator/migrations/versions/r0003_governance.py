"""Version 3: accounts, cubes and the catalog's own rows, negotiations, starts, lineage, witnessed heads.

`card_facets` goes: what a search needs of a card is derived anew from the cards by the first process that reads them.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

SQLITE_TEXT_INDEX = (
    """CREATE VIRTUAL TABLE card_words_fts USING fts5(
        words, content='card_words', content_rowid='id', detail=none, prefix='2 3')""",
    """CREATE TRIGGER card_words_in AFTER INSERT ON card_words BEGIN
        INSERT INTO card_words_fts(rowid, words) VALUES (new.id, new.words); END""",
    """CREATE TRIGGER card_words_out AFTER DELETE ON card_words BEGIN
        INSERT INTO card_words_fts(card_words_fts, rowid, words) VALUES ('delete', old.id, old.words); END""",
    """CREATE TRIGGER card_words_on AFTER UPDATE ON card_words BEGIN
        INSERT INTO card_words_fts(card_words_fts, rowid, words) VALUES ('delete', old.id, old.words);
        INSERT INTO card_words_fts(rowid, words) VALUES (new.id, new.words); END""",
)
POSTGRESQL_TEXT_INDEX = (
    """CREATE INDEX ix_card_words_words ON card_words
        USING gin (array_to_tsvector(string_to_array(words, ' ')))""",
)


def upgrade() -> None:
    """The new tables exist, empty; nothing else that was there is touched."""
    _accounts()
    _catalog()
    _negotiations()
    _runs()
    _heads()
    dialect = op.get_bind().dialect.name
    for statement in SQLITE_TEXT_INDEX if dialect == "sqlite" else POSTGRESQL_TEXT_INDEX:
        op.execute(statement)


def _accounts() -> None:
    op.create_table(
        "accounts",
        sa.Column("account", sa.String(length=48), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("roles", sa.String(length=80), nullable=False),
        sa.Column("site", sa.String(length=32), nullable=True),
        sa.Column("created_at", sa.String(length=20), nullable=False),
        sa.Column("added_by", sa.String(length=64), nullable=True),
        sa.Column("reset_by", sa.String(length=64), nullable=True),
        sa.Column("reset_at", sa.String(length=20), nullable=True),
        sa.Column("roles_by", sa.String(length=64), nullable=True),
        sa.Column("roles_at", sa.String(length=20), nullable=True),
        sa.Column("password", sa.String(length=160), nullable=True),
        sa.Column("totp_secret", sa.String(length=160), nullable=True),
        sa.Column("totp_step", sa.Integer(), nullable=True),
        sa.Column("totp_offer", sa.String(length=160), nullable=True),
        sa.Column("totp_offer_until", sa.String(length=20), nullable=True),
        sa.Column("setup_sha256", sa.String(length=64), nullable=True),
        sa.Column("setup_expires_at", sa.String(length=20), nullable=True),
        sa.Column("oidc_issuer", sa.String(length=200), nullable=True),
        sa.Column("oidc_subject", sa.String(length=255), nullable=True),
        sa.PrimaryKeyConstraint("account"),
        sa.UniqueConstraint("oidc_issuer", "oidc_subject"),
        sa.UniqueConstraint("setup_sha256"),
    )
    op.create_table(
        "sessions",
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("account", sa.String(length=48), nullable=False),
        sa.Column("opened_at", sa.String(length=20), nullable=False),
        sa.Column("seen_at", sa.String(length=20), nullable=False),
        sa.PrimaryKeyConstraint("sha256"),
    )
    op.create_index("ix_sessions_account", "sessions", ["account"], unique=False)
    op.create_table(
        "api_tokens",
        sa.Column("token_id", sa.String(length=16), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("account", sa.String(length=48), nullable=False),
        sa.Column("title", sa.String(length=60), nullable=False),
        sa.Column("scope", sa.String(length=400), nullable=False),
        sa.Column("created_at", sa.String(length=20), nullable=False),
        sa.Column("expires_at", sa.String(length=20), nullable=False),
        sa.ForeignKeyConstraint(
            ["account"],
            ["accounts.account"],
        ),
        sa.PrimaryKeyConstraint("token_id"),
        sa.UniqueConstraint("sha256"),
    )
    op.create_index("ix_api_tokens_account", "api_tokens", ["account"], unique=False)
    op.create_table(
        "recovery_codes",
        sa.Column("account", sa.String(length=48), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["account"],
            ["accounts.account"],
        ),
        sa.PrimaryKeyConstraint("account", "sha256"),
    )


def _catalog() -> None:
    op.create_table(
        "card_words",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("words", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "count_queries",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("account", sa.String(length=64), nullable=False),
        sa.Column("asked_at", sa.String(length=20), nullable=False),
        sa.Column("question", sa.String(), nullable=False),
        sa.Column("refused", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_count_queries_account", "count_queries", ["account", "asked_at"], unique=False)
    op.create_index("ix_count_queries_asked_at", "count_queries", ["asked_at"], unique=False)
    op.create_table(
        "cube_keys",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("at", sa.String(length=160), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("at"),
    )
    op.create_table(
        "cubes",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("site", sa.String(length=32), nullable=False),
        sa.Column("dataset", sa.String(length=48), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("policy", sa.String(), nullable=False),
        sa.Column("subjects", sa.Integer(), nullable=True),
        sa.Column("published_at", sa.String(length=20), nullable=False),
        sa.Column("withdrawn_at", sa.String(length=20), nullable=True),
        sa.Column("current", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["site"],
            ["sites.site"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("site", "dataset", "version"),
    )
    op.create_table(
        "card_entries",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("site", sa.String(length=32), nullable=False),
        sa.Column("dataset", sa.String(length=48), nullable=False),
        sa.Column("changed", sa.Integer(), nullable=False),
        sa.Column("form", sa.Integer(), nullable=False),
        sa.Column("card", sa.Integer(), nullable=True),
        sa.Column("document", sa.String(), nullable=False),
        sa.Column("public", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(
            ["card"],
            ["cards.id"],
        ),
        sa.ForeignKeyConstraint(
            ["site"],
            ["sites.site"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("changed"),
        sa.UniqueConstraint("site", "dataset"),
    )
    op.create_table(
        "cube_cells",
        sa.Column("key", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("entry", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["entry"],
            ["card_entries.id"],
        ),
        sa.ForeignKeyConstraint(
            ["key"],
            ["cube_keys.id"],
        ),
        sa.PrimaryKeyConstraint("key", "entry"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_cube_cells_entry", "cube_cells", ["entry"], unique=False)
    op.drop_index("ix_card_facets_value", table_name="card_facets")
    op.drop_table("card_facets")


def _negotiations() -> None:
    op.create_table(
        "negotiations",
        sa.Column("negotiation_id", sa.String(length=48), nullable=False),
        sa.Column("site", sa.String(length=32), nullable=False),
        sa.Column("dataset", sa.String(length=48), nullable=False),
        sa.Column("study_id", sa.String(length=48), nullable=False),
        sa.Column("account", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("changed_at", sa.String(length=20), nullable=False),
        sa.Column("document", sa.String(), nullable=False),
        sa.Column("match", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(
            ["site"],
            ["sites.site"],
        ),
        sa.PrimaryKeyConstraint("negotiation_id"),
    )
    op.create_index("ix_negotiations_account", "negotiations", ["account"], unique=False)
    op.create_index("ix_negotiations_site", "negotiations", ["site"], unique=False)
    op.create_table(
        "negotiation_messages",
        sa.Column("negotiation_id", sa.String(length=48), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("answer_sha256", sa.String(length=64), nullable=True),
        sa.Column("document", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(
            ["negotiation_id"],
            ["negotiations.negotiation_id"],
        ),
        sa.PrimaryKeyConstraint("negotiation_id", "number"),
    )


def _runs() -> None:
    op.create_table(
        "lineage",
        sa.Column("run_id", sa.String(length=36), nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("aggregated_sha256", sa.String(length=64), nullable=False),
        sa.Column("recorded_at", sa.String(length=20), nullable=False),
        sa.Column("record", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("run_id", "round"),
    )
    op.create_index("ix_lineage_aggregated_sha256", "lineage", ["aggregated_sha256"], unique=False)
    op.create_table(
        "run_starts",
        sa.Column("start_id", sa.String(length=40), nullable=False),
        sa.Column("study_id", sa.String(length=48), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("manifest_digest", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("asked_by", sa.String(length=64), nullable=False),
        sa.Column("asked_from", sa.String(length=16), nullable=False),
        sa.Column("asked_at", sa.String(length=20), nullable=False),
        sa.Column("expires_at", sa.String(length=20), nullable=False),
        sa.Column("decided_by", sa.String(length=64), nullable=True),
        sa.Column("decided_at", sa.String(length=20), nullable=True),
        sa.Column("reason", sa.String(length=200), nullable=True),
        sa.Column("run_id", sa.String(length=36), nullable=True),
        sa.PrimaryKeyConstraint("start_id"),
    )
    op.create_index("ix_run_starts_study_id", "run_starts", ["study_id"], unique=False)


def _heads() -> None:
    op.create_table(
        "witnessed_heads",
        sa.Column("site", sa.String(length=32), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("witness", sa.String(length=128), nullable=False),
        sa.Column("identity_key", sa.String(length=64), nullable=False),
        sa.Column("received_at", sa.String(length=20), nullable=False),
        sa.ForeignKeyConstraint(
            ["site"],
            ["sites.site"],
        ),
        sa.PrimaryKeyConstraint("site"),
    )
