"""Full-text over the words of cards: FTS5 on SQLite, tsvector on PostgreSQL, the same answers from both.

What a word is, is decided here and nowhere else: neither database parses or stems anything, it only finds words and
beginnings of words.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator

from sqlalchemy import Connection, MetaData, event, text
from sqlalchemy.orm import Session

from myofed_coordinator.catalog.models import WordsRow
from myofed_coordinator.database import Base

MAX_WORDS = 12
"""Of one question; further ones are not looked at."""
_WORD = re.compile(r"[a-z0-9]+")
SQLITE = (
    """CREATE VIRTUAL TABLE IF NOT EXISTS card_words_fts USING fts5(
        words, content='card_words', content_rowid='id', detail=none, prefix='2 3')""",
    """CREATE TRIGGER IF NOT EXISTS card_words_in AFTER INSERT ON card_words BEGIN
        INSERT INTO card_words_fts(rowid, words) VALUES (new.id, new.words); END""",
    """CREATE TRIGGER IF NOT EXISTS card_words_out AFTER DELETE ON card_words BEGIN
        INSERT INTO card_words_fts(card_words_fts, rowid, words) VALUES ('delete', old.id, old.words); END""",
    """CREATE TRIGGER IF NOT EXISTS card_words_on AFTER UPDATE ON card_words BEGIN
        INSERT INTO card_words_fts(card_words_fts, rowid, words) VALUES ('delete', old.id, old.words);
        INSERT INTO card_words_fts(rowid, words) VALUES (new.id, new.words); END""",
)
POSTGRESQL = (
    """CREATE INDEX IF NOT EXISTS ix_card_words_words ON card_words
        USING gin (array_to_tsvector(string_to_array(words, ' ')))""",
)
_FIND = {
    "sqlite": "SELECT rowid FROM card_words_fts WHERE card_words_fts MATCH :asked",
    "postgresql": (
        "SELECT id FROM card_words WHERE array_to_tsvector(string_to_array(words, ' ')) @@ CAST(:asked AS tsquery)"
    ),
}


def create_text_index(connection: Connection) -> None:
    """The database's full-text index over `card_words` exists; a second call changes nothing."""
    for statement in SQLITE if connection.dialect.name == "sqlite" else POSTGRESQL:
        connection.execute(text(statement))


@event.listens_for(Base.metadata, "after_create")
def _with_the_tables(_metadata: MetaData, connection: Connection, **named: object) -> None:
    tables = named.get("tables")
    if isinstance(tables, Iterable) and WordsRow.__table__ in tables:
        create_text_index(connection)


def words_of(parts: Iterable[str]) -> tuple[str, ...]:
    """Every word of these texts once, sorted: lower case, accents away, cut at whatever is no letter or digit."""
    plain = unicodedata.normalize("NFKD", " ".join(parts)).encode("ascii", "ignore").decode().lower()
    return tuple(sorted(set(_WORD.findall(plain))))


def words_row(entry: int, *, public: bool) -> int:
    """Row of `card_words` with the words that this kind of reader finds the entry by."""
    return 2 * entry + public


def find_entries(session: Session, asked: tuple[str, ...], *, public: bool) -> Iterator[int]:
    """Entries of which some word begins with each of these; all of them, in no order.

    Args:
        session: Reading.
        asked: As `words_of` makes them; one at least.
        public: By the words that a card tells everybody.
    """
    dialect = session.connection().dialect.name
    begins = [f'"{word}"*' if dialect == "sqlite" else f"'{word}':*" for word in asked]
    question = (" AND " if dialect == "sqlite" else " & ").join(begins)
    for row in session.scalars(text(_FIND[dialect]), {"asked": question}):
        if row % 2 == public:
            yield row // 2
