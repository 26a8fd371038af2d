"""Tables of studies and of the sites' decisions."""

from __future__ import annotations

from sqlalchemy import ForeignKey, ForeignKeyConstraint, String
from sqlalchemy.orm import Mapped, mapped_column

from myofed_coordinator.database import Base


class StudyRow(Base):
    """One version of one study, as it was signed."""

    __tablename__ = "studies"

    study_id: Mapped[str] = mapped_column(String(48), primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    digest: Mapped[str] = mapped_column(String(64), unique=True)
    created_at: Mapped[str] = mapped_column(String(20))
    document: Mapped[str]
    """Canonical JSON of the SignedManifest."""


class StudySiteRow(Base):
    """One site that a version names."""

    __tablename__ = "study_sites"
    __table_args__ = (ForeignKeyConstraint(["study_id", "version"], ["studies.study_id", "studies.version"]),)

    study_id: Mapped[str] = mapped_column(String(48), primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    site: Mapped[str] = mapped_column(String(32), primary_key=True, index=True)


class DecisionRow(Base):
    """One decision of a site; all are kept, the last one counts."""

    __tablename__ = "decisions"
    __table_args__ = (ForeignKeyConstraint(["study_id", "version"], ["studies.study_id", "studies.version"]),)

    id: Mapped[int] = mapped_column(primary_key=True)
    study_id: Mapped[str] = mapped_column(String(48), index=True)
    version: Mapped[int]
    site: Mapped[str] = mapped_column(ForeignKey("sites.site"), index=True)
    decision: Mapped[str] = mapped_column(String(16))
    received_at: Mapped[str] = mapped_column(String(20))
    sha256: Mapped[str] = mapped_column(String(64), unique=True)
    document: Mapped[str]
    """Canonical JSON of the SignedDecision."""


class LeadRow(Base):
    """Somebody who leads a study. A study with versions and without such a row is nobody's."""

    __tablename__ = "study_leads"

    study_id: Mapped[str] = mapped_column(String(48), primary_key=True)
    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    origin: Mapped[str] = mapped_column(String(16), primary_key=True)
    """`account`, or `machine` for a login at the coordinator's machine: an account of that name is somebody else."""
    owner: Mapped[bool]
    """Wrote version 1, or was put in that place by an administrator; adds and removes the others."""
    added_by: Mapped[str] = mapped_column(String(64))
    added_at: Mapped[str] = mapped_column(String(20))
