"""A planning query as people see it: in `planning list --json`, `planning show --json` and in the API."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from myofed_coordinator.planning.service import QueryOverview
from myofed_schemas.ids import Sha256, SiteId, StudyId, UtcTime
from myofed_schemas.planning_query import PlanningAnswer, PlanningQuery
from myofed_schemas.study_planning import QueryId
from myofed_schemas.wire import WireModel

State = Literal["told", "declined", "open"]


class QuerySummary(WireModel):
    """One query and where its sites stand."""

    query_id: QueryId
    study_id: StudyId
    title: str
    sha256: Sha256
    asked_at: UtcTime
    min_answers: int = Field(ge=1)
    demo: bool
    states: dict[SiteId, State]


class QueryDetail(QuerySummary):
    """A summary with the query and the answers; sites that were revoked since are not among the answers."""

    query: PlanningQuery
    answers: tuple[PlanningAnswer, ...]


def summarise(overview: QueryOverview) -> QuerySummary:
    """The summary of this overview."""
    return QuerySummary.model_validate(_fields(overview))


def detail(overview: QueryOverview) -> QueryDetail:
    """The summary with query and answers."""
    fields = {**_fields(overview), "query": overview.signed.query, "answers": overview.answers}
    return QueryDetail.model_validate(fields)


def _fields(overview: QueryOverview) -> dict[str, object]:
    query = overview.signed.query
    return {
        "query_id": query.query_id,
        "study_id": query.study_id,
        "title": query.title,
        "sha256": overview.signed.sha256,
        "asked_at": query.asked_at,
        "min_answers": query.min_answers,
        "demo": query.demo,
        "states": overview.states,
    }
