"""Every version of a study with every decision on it, signed: what the approval matrix and the study's page show."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select

from myofed_coordinator.database import Database
from myofed_coordinator.studies.models import DecisionRow, StudyRow
from myofed_coordinator.studies.refusals import unknown_study
from myofed_schemas.study import SignedDecision, SignedManifest


@dataclass(frozen=True)
class ReceivedDecision:
    """A decision as the site signed it, and when it came in (UTC)."""

    signed: SignedDecision
    received_at: str


@dataclass(frozen=True)
class StudyVersion:
    """One version.

    Attributes:
        signed: The manifest as sent.
        created_at: UTC.
        decisions: All, oldest first; the last one of a site counts.
    """

    signed: SignedManifest
    created_at: str
    decisions: tuple[ReceivedDecision, ...]

    def standing(self) -> dict[str, ReceivedDecision | None]:
        """Each site of the version with its last word, in the manifest's order."""
        last = {received.signed.decision.site: received for received in self.decisions}
        return {site: last.get(site) for site in self.signed.manifest.sites}


def history_of(database: Database, study_id: str) -> tuple[StudyVersion, ...]:
    """All versions, newest first.

    Raises:
        MyofedError: STUDY_UNKNOWN.
    """
    of_study = select(StudyRow).where(StudyRow.study_id == study_id).order_by(StudyRow.version.desc())
    decided = select(DecisionRow).where(DecisionRow.study_id == study_id).order_by(DecisionRow.id)
    with database.read() as session:
        by_version: dict[int, list[ReceivedDecision]] = {}
        for row in session.scalars(decided):
            received = ReceivedDecision(SignedDecision.model_validate_json(row.document), row.received_at)
            by_version.setdefault(row.version, []).append(received)
        versions = tuple(
            StudyVersion(
                SignedManifest.model_validate_json(row.document),
                row.created_at,
                tuple(by_version.get(row.version, ())),
            )
            for row in session.scalars(of_study)
        )
    if not versions:
        raise unknown_study(study_id)
    return versions
