"""Tables of negotiation: requests and the messages that followed."""

from __future__ import annotations

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from myofed_coordinator.database import Base


class NegotiationRow(Base):
    """One request for participation."""

    __tablename__ = "negotiations"

    negotiation_id: Mapped[str] = mapped_column(String(48), primary_key=True)
    site: Mapped[str] = mapped_column(ForeignKey("sites.site"), index=True)
    dataset: Mapped[str] = mapped_column(String(48))
    study_id: Mapped[str] = mapped_column(String(48))
    account: Mapped[str] = mapped_column(String(64), index=True)
    state: Mapped[str] = mapped_column(String(16))
    changed_at: Mapped[str] = mapped_column(String(20))
    document: Mapped[str]
    """Canonical JSON of the SignedParticipationRequest."""
    match: Mapped[str]
    """Canonical JSON of the DuoMatch with the card's terms when it was asked."""


class MessageRow(Base):
    """One message of a thread."""

    __tablename__ = "negotiation_messages"

    negotiation_id: Mapped[str] = mapped_column(ForeignKey("negotiations.negotiation_id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    answer_sha256: Mapped[str | None] = mapped_column(String(64))
    """Of the NegotiationAnswer that a site sent: the same one again changes nothing."""
    document: Mapped[str]
    """Canonical JSON of the ThreadMessage."""
