"""HTTP of planning, for people; sites have their own port."""

from __future__ import annotations

from fastapi import APIRouter, Depends

from myofed_coordinator.accounts import gate
from myofed_coordinator.accounts.permissions import Permission
from myofed_coordinator.planning.service import PlanningService
from myofed_coordinator.planning.summary import QueryDetail, QuerySummary, detail, summarise
from myofed_schemas.study_planning import QueryId


def planning_router(planning: PlanningService) -> APIRouter:
    """`GET /planning` and `GET /planning/{query_id}`."""
    router = APIRouter(tags=["planning"], dependencies=[Depends(gate.require(Permission.SEE_STUDIES))])

    @router.get("/planning")
    def every() -> list[QuerySummary]:
        """Every planning query, with each site's state."""
        return [summarise(overview) for overview in planning.list_queries()]

    @router.get("/planning/{query_id}")
    def one(query_id: QueryId) -> QueryDetail:
        """One query with the answers of the sites, as they suppressed them."""
        return detail(planning.show(query_id))

    return router
