"""`/site/planning` and `/site/planning/QUERY`: what a site is asked before a study, and its answer; small bodies only."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Request

from myofed_coordinator.api.small_body import small_body
from myofed_coordinator.planning.service import PlanningService
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode
from myofed_schemas.planning_query import MAX_ANSWER_BYTES, PlanningAnswer, SignedPlanningQuery
from myofed_schemas.study_planning import QueryId
from myofed_schemas.wire import WireModel


class Taken(WireModel):
    """The answer is kept; there is nothing to say about it."""


async def _answer_in(request: Request) -> PlanningAnswer:
    return await small_body(request, PlanningAnswer, most=MAX_ANSWER_BYTES, what="an answer to a planning query")


Answer = Annotated[PlanningAnswer, Depends(_answer_in)]


def add_planning(
    router: APIRouter, planning: PlanningService, site_of: Callable[[Request], str], *, clock: Callable[[], datetime]
) -> None:
    """The router answers the two requests.

    Args:
        router: With prefix `/site`.
        planning: The use cases.
        site_of: The site whose certificate the gateway verified.
        clock: Asked once a request.
    """

    @router.get("/planning")
    def queries(request: Request) -> list[SignedPlanningQuery]:
        return planning.of_site(site_of(request))

    @router.put("/planning/{query_id}")
    def tell(query_id: QueryId, answer: Answer, request: Request) -> Taken:
        if answer.query_id != query_id:
            raise MyofedError("MALFORMED", "expected the query of the path", exit_code=ExitCode.BAD_INPUT)
        planning.record(answer, site=site_of(request), now=clock())
        return Taken()
