"""Table of starts: what was asked for, and who confirmed or declined it."""

from __future__ import annotations

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from myofed_coordinator.database import Base


class StartRow(Base):
    """One wish that a study be run; kept for good."""

    __tablename__ = "run_starts"

    start_id: Mapped[str] = mapped_column(String(40), primary_key=True)
    study_id: Mapped[str] = mapped_column(String(48), index=True)
    version: Mapped[int]
    manifest_digest: Mapped[str] = mapped_column(String(64))
    state: Mapped[str] = mapped_column(String(16))
    """`pending`, `started` or `declined`; a pending one is over at `expires_at`."""
    asked_by: Mapped[str] = mapped_column(String(64))
    asked_from: Mapped[str] = mapped_column(String(16))
    """`account`, `token` or `machine`."""
    asked_at: Mapped[str] = mapped_column(String(20))
    expires_at: Mapped[str] = mapped_column(String(20))
    decided_by: Mapped[str | None] = mapped_column(String(64))
    decided_at: Mapped[str | None] = mapped_column(String(20))
    reason: Mapped[str | None] = mapped_column(String(200))
    run_id: Mapped[str | None] = mapped_column(String(36))
