"""HTTP of studies, for people; sites have their own port."""

from __future__ import annotations

from fastapi import APIRouter, Depends

from myofed_coordinator.accounts import gate
from myofed_coordinator.accounts.permissions import Permission
from myofed_coordinator.studies.service import StudiesService
from myofed_coordinator.studies.summary import detail, summarise
from myofed_schemas.ids import StudyId
from myofed_schemas.study_summary import StudyDetail, StudySummary


def studies_router(studies: StudiesService) -> APIRouter:
    """`GET /studies` and `GET /studies/{study_id}`."""
    router = APIRouter(tags=["studies"], dependencies=[Depends(gate.require(Permission.SEE_STUDIES))])

    @router.get("/studies")
    def every() -> list[StudySummary]:
        """The newest version of every study, with each site's decision."""
        return [summarise(overview) for overview in studies.list_studies()]

    @router.get("/studies/{study_id}")
    def one(study_id: StudyId) -> StudyDetail:
        """The newest version of one study with its whole manifest."""
        return detail(studies.show(study_id))

    return router
