"""Tables of planning queries and of the sites' answers (version 2 of the tables)."""

from __future__ import annotations

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from myofed_coordinator.database import Base


class QueryRow(Base):
    """One query, as it was signed."""

    __tablename__ = "planning_queries"

    query_id: Mapped[str] = mapped_column(String(48), primary_key=True)
    study_id: Mapped[str] = mapped_column(String(48))
    sha256: Mapped[str] = mapped_column(String(64), unique=True)
    asked_at: Mapped[str] = mapped_column(String(20))
    document: Mapped[str]
    """Canonical JSON of the SignedPlanningQuery."""


class QuerySiteRow(Base):
    """One site that a query asks."""

    __tablename__ = "planning_query_sites"

    query_id: Mapped[str] = mapped_column(ForeignKey("planning_queries.query_id"), primary_key=True)
    site: Mapped[str] = mapped_column(String(32), primary_key=True, index=True)


class AnswerRow(Base):
    """The one answer of a site to a query."""

    __tablename__ = "planning_answers"

    query_id: Mapped[str] = mapped_column(ForeignKey("planning_queries.query_id"), primary_key=True)
    site: Mapped[str] = mapped_column(ForeignKey("sites.site"), primary_key=True)
    sha256: Mapped[str] = mapped_column(String(64))
    received_at: Mapped[str] = mapped_column(String(20))
    document: Mapped[str]
    """Canonical JSON of the PlanningAnswer."""
