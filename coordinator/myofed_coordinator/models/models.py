"""Tables of registered models, and of the rounds they are made of."""

from __future__ import annotations

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from myofed_coordinator.database import Base


class ModelRow(Base):
    """One registered model; the record is kept as it was signed."""

    __tablename__ = "models"

    sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    run_id: Mapped[str] = mapped_column(String(36), primary_key=True)
    study_id: Mapped[str] = mapped_column(String(48), index=True)
    registered_at: Mapped[str] = mapped_column(String(20))
    record: Mapped[str]
    """Canonical JSON of the ModelRecord."""


class LineageRow(Base):
    """One finished round of one run; the record is kept as it was signed, for ever."""

    __tablename__ = "lineage"

    run_id: Mapped[str] = mapped_column(String(36), primary_key=True)
    round: Mapped[int] = mapped_column(primary_key=True)
    aggregated_sha256: Mapped[str] = mapped_column(String(64), index=True)
    recorded_at: Mapped[str] = mapped_column(String(20))
    record: Mapped[str]
    """Canonical JSON of the LineageRecord."""
