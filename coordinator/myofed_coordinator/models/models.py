"""Table of registered models."""

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
