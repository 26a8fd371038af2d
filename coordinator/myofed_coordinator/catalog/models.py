"""Tables of the catalog: every version of every card, what finds the current ones, and the cells of the current cubes."""

from __future__ import annotations

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from myofed_coordinator.database import Base


class CardRow(Base):
    """One version of one card."""

    __tablename__ = "cards"
    __table_args__ = (UniqueConstraint("site", "dataset", "version"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    site: Mapped[str] = mapped_column(ForeignKey("sites.site"), index=True)
    dataset: Mapped[str] = mapped_column(String(48))
    version: Mapped[int]
    sha256: Mapped[str] = mapped_column(String(64))
    document: Mapped[str]
    """Canonical JSON of the DatasetCard."""
    published_at: Mapped[str] = mapped_column(String(20))
    withdrawn_at: Mapped[str | None] = mapped_column(String(20))
    current: Mapped[bool] = mapped_column(index=True)
    """The newest version, unless withdrawn."""


class EntryRow(Base):
    """One data set in the catalog: all that a search needs of its current card and cube, in one row.

    A process keeps these rows in memory (`catalog_index.py`) and reads again only those whose `changed` is new to it.
    """

    __tablename__ = "card_entries"
    __table_args__ = (UniqueConstraint("site", "dataset"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    site: Mapped[str] = mapped_column(ForeignKey("sites.site"))
    dataset: Mapped[str] = mapped_column(String(48))
    changed: Mapped[int] = mapped_column(unique=True)
    """Grows with every change of any entry."""
    form: Mapped[int]
    """Version of the code that wrote the row; another one writes it anew."""
    card: Mapped[int | None] = mapped_column(ForeignKey("cards.id"))
    """The current version; None where it was withdrawn."""
    document: Mapped[str]
    """Canonical JSON of an `EntryDocument`."""
    public: Mapped[str]
    """Canonical JSON of the card as everybody may see it; empty where it was withdrawn."""


class WordsRow(Base):
    """The words by which a current card is found; `text_index.py` keeps the databases' full-text indexes over it."""

    __tablename__ = "card_words"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    """Twice the entry's; one more for the words that everybody may find it by."""
    words: Mapped[str]
    """Lower-case ASCII letters and digits, one blank between two words, each word once."""


class CubeRow(Base):
    """One version of one cube. Cells are kept of the current version only; of the others, what proves what was said."""

    __tablename__ = "cubes"
    __table_args__ = (UniqueConstraint("site", "dataset", "version"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    site: Mapped[str] = mapped_column(ForeignKey("sites.site"))
    dataset: Mapped[str] = mapped_column(String(48))
    version: Mapped[int]
    sha256: Mapped[str] = mapped_column(String(64))
    policy: Mapped[str]
    """Canonical JSON of the CubePolicy."""
    subjects: Mapped[int | None]
    published_at: Mapped[str] = mapped_column(String(20))
    withdrawn_at: Mapped[str | None] = mapped_column(String(20))
    current: Mapped[bool]


class CubeKeyRow(Base):
    """The conditions of a cell, once for all cubes."""

    __tablename__ = "cube_keys"

    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[str] = mapped_column(String(160), unique=True)
    """`dimension=value`, sorted, joined by `|`."""


class CubeCellRow(Base):
    """One published count of a current cube; found by its conditions, over all data sets at once."""

    __tablename__ = "cube_cells"
    __table_args__ = (Index("ix_cube_cells_entry", "entry"), {"sqlite_with_rowid": False})

    key: Mapped[int] = mapped_column(ForeignKey("cube_keys.id"), primary_key=True, autoincrement=False)
    entry: Mapped[int] = mapped_column(ForeignKey("card_entries.id"), primary_key=True, autoincrement=False)
    count: Mapped[int]


class CountQueryRow(Base):
    """One count question: who, what, when. What was answered is not kept."""

    __tablename__ = "count_queries"
    __table_args__ = (Index("ix_count_queries_account", "account", "asked_at"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    account: Mapped[str] = mapped_column(String(64))
    asked_at: Mapped[str] = mapped_column(String(20), index=True)
    question: Mapped[str]
    """Canonical JSON of the CountQuestion."""
    refused: Mapped[bool]
    """Over the budget, and not answered; of one person one such row an hour."""
