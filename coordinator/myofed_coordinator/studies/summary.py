"""A study as people see it: in `study list --json`, in the API and on the page."""

from __future__ import annotations

from myofed_coordinator.studies.service import StudyOverview
from myofed_schemas.study_summary import StudyDetail, StudySummary


def summarise(overview: StudyOverview) -> StudySummary:
    """The summary of this overview."""
    return StudySummary.model_validate(_fields(overview))


def detail(overview: StudyOverview) -> StudyDetail:
    """The summary with the manifest."""
    return StudyDetail.model_validate({**_fields(overview), "manifest": overview.signed.manifest})


def _fields(overview: StudyOverview) -> dict[str, object]:
    manifest = overview.signed.manifest
    return {
        "study_id": manifest.study_id,
        "version": manifest.version,
        "title": manifest.title,
        "digest": overview.signed.digest,
        "created_at": overview.created_at,
        "rounds": manifest.rounds,
        "min_sites": manifest.min_sites,
        "demo": manifest.demo,
        "decisions": overview.decisions,
    }
