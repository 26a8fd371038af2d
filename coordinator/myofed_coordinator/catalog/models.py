"""Tables of the catalog: every version of every card, and its facets for queries."""

from __future__ import annotations

from sqlalchemy import ForeignKey, String, UniqueConstraint
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


class FacetRow(Base):
    """One value by which a current card is found."""

    __tablename__ = "card_facets"

    card: Mapped[int] = mapped_column(ForeignKey("cards.id"), primary_key=True)
    facet: Mapped[str] = mapped_column(String(16), primary_key=True)
    value: Mapped[str] = mapped_column(String(48), primary_key=True, index=True)
