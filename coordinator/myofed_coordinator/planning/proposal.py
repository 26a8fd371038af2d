"""From answers to the planning section of a manifest: the same in any order, so that it can be computed again and compared."""

from __future__ import annotations

from collections.abc import Iterable

from myofed_schemas.canonical import digest
from myofed_schemas.planning import Plan, propose
from myofed_schemas.planning_query import PlanningAnswer, PlanningQuery
from myofed_schemas.study_planning import AnswerUsed, Planning
from myofed_schemas.wire import WireModel


class Proposal(WireModel):
    """What `planning propose --json` prints.

    Attributes:
        query: The query.
        plan: What follows from the answers that told enough.
        planning: The section of the manifest.
        left_out: Muscles that were asked for and that some of these sites do not draw singly.
    """

    query: PlanningQuery
    plan: Plan
    planning: Planning
    left_out: tuple[str, ...]


def proposal_of(query: PlanningQuery, answers: Iterable[PlanningAnswer]) -> Proposal:
    """The proposal that follows from these answers.

    Args:
        query: What was asked.
        answers: One a site; those that declined or withheld too much do not count.

    Raises:
        MyofedError: PLAN_TOO_FEW.
    """
    told = {a.site: (a, a.fingerprint) for a in answers if a.fingerprint is not None}
    plan = propose((fingerprint for _, fingerprint in told.values()), muscle_ids=query.muscles)
    planning = Planning(
        query_id=query.query_id,
        query_sha256=digest(query),
        answers=tuple(AnswerUsed(site=site, sha256=digest(told[site][0])) for site in plan.sites),
        spacing_mm=plan.spacing_mm,
        size_px=plan.size_px,
        normalisation=plan.normalisation,
        levels=plan.levels,
    )
    left_out = tuple(m for m in query.muscles if m not in plan.muscles_everywhere)
    return Proposal(query=query, plan=plan, planning=planning, left_out=left_out)
