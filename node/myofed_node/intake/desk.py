"""What people see of the intake, and what they decide: try again, or delete what was received."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from pydantic import Field

from myofed_node.audit import SiteAudit
from myofed_node.intake.received import Received
from myofed_node.intake.study_lock import study_lock
from myofed_node.intake.study_store import StudyRow, StudyState, StudyStore
from myofed_node.site_setup import Site
from myofed_schemas.clock import utc_text
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode
from myofed_schemas.ids import Code, UtcTime
from myofed_schemas.wire import WireModel

SHORTEST = 8
ACTIONS = {
    "NO_LEGAL_BASIS": "the data protection officer sets intake.legal_basis in config.yaml; then restart `up`",
    "DISK_FULL": "make room; it is tried again by itself",
}
"""What takes a study further, by its code; for others by its state."""
BY_STATE = {
    StudyState.QUARANTINED: "docs/codes.md says why; mend it and `intake retry`, or `intake discard`",
    StudyState.FAILED: "it is tried again by itself; docs/codes.md says what the code means",
}


class StudyShown(WireModel):
    """One study.

    Attributes:
        study: Digest of its UID.
        state: See StudyState.
        code: `OK`, or why it stands there.
        instances: That lay here when it was looked at last.
        action: What takes it further; empty where nothing is to be done.
    """

    study: str
    state: StudyState
    code: Code
    instances: int = Field(ge=0)
    updated_at: UtcTime
    action: str


class StudiesShown(WireModel):
    """All of them, those that changed last first."""

    studies: tuple[StudyShown, ...]


@dataclass(frozen=True)
class IntakeDesk:
    """The use cases of people at one site."""

    site: Site

    def list(self) -> StudiesShown:
        """Every study that ever came."""
        return StudiesShown(studies=tuple(_shown(row) for row in self._store().studies()))

    def find(self, study: str) -> StudyShown:
        """The one whose digest begins so.

        Raises:
            MyofedError: INTAKE_STUDY_UNKNOWN, also where several do.
        """
        return _shown(self._find(study))

    def retry(self, study: str, *, now: datetime) -> StudyShown:
        """It is worked on again, at the pipeline's next look.

        Raises:
            MyofedError: INTAKE_STUDY_UNKNOWN, INTAKE_NOTHING_TO_RETRY, INTAKE_BUSY.
        """
        with study_lock(self.site.folder):
            return self._retry(study, now=now)

    def _retry(self, study: str, *, now: datetime) -> StudyShown:
        row = self._find(study)
        if row.state not in {StudyState.QUARANTINED, StudyState.FAILED}:
            raise MyofedError(
                "INTAKE_NOTHING_TO_RETRY",
                f"expected a study that is quarantined or failed, found one that is {row.state.value}",
                hint="`intake list` says where each stands",
                exit_code=ExitCode.BAD_INPUT,
            )
        return self._put(row, StudyState.RECEIVING, "OK", "INTAKE_RETRIED", now=now)

    def discard(self, study: str, *, now: datetime) -> StudyShown:
        """What was received of it is gone; what comes of it meanwhile stays, and opens it again.

        It stands in the audit chain before the first file goes; killed in the middle, the pipeline ends it.

        Raises:
            MyofedError: INTAKE_STUDY_UNKNOWN, INTAKE_BUSY.
        """
        with study_lock(self.site.folder):
            row = self._find(study)
            received, folder = Received(self.site.folder.received), self.site.folder.received / row.study
            listing = received.listing(folder) if folder.exists() else ()
            shown = self._put(row, StudyState.DISCARDED, "OK", "INTAKE_DISCARDED", now=now)
            if listing:
                received.give_up(folder, listing)
                received.settle(folder)
            return shown

    def _put(self, row: StudyRow, state: StudyState, code: str, action: str, *, now: datetime) -> StudyShown:
        detail: dict[str, str | int] = {"was": row.code, "instances": row.instances}
        SiteAudit(self.site.folder).append(action, subject=row.study, now=now, detail=detail)
        changed = replace(row, state=state, code=code, attempts=0, updated_at=utc_text(now))
        self._store().put(changed)
        return _shown(changed)

    def _find(self, study: str) -> StudyRow:
        found = (
            [row for row in self._store().studies() if row.study.startswith(study)] if len(study) >= SHORTEST else []
        )
        if len(found) != 1:
            raise MyofedError(
                "INTAKE_STUDY_UNKNOWN",
                f"expected the beginning of one study's digest ({SHORTEST} characters or more), found {len(found)} of it",
                hint="`intake list` shows them",
                exit_code=ExitCode.BAD_INPUT,
            )
        return found[0]

    def _store(self) -> StudyStore:
        self.site.folder.intake.mkdir(mode=0o700, exist_ok=True)
        return StudyStore(self.site.folder.intake_store)


def _shown(row: StudyRow) -> StudyShown:
    action = ACTIONS.get(row.code) or BY_STATE.get(row.state, "")
    return StudyShown(
        study=row.study,
        state=row.state,
        code=row.code,
        instances=row.instances,
        updated_at=row.updated_at,
        action=action,
    )
