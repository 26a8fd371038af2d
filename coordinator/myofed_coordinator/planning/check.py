"""A study that says where it was planned says so truly: checked when it is created, before any site is asked to approve it."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from myofed_coordinator.planning.models import AnswerRow, QueryRow
from myofed_coordinator.planning.proposal import proposal_of
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode
from myofed_schemas.planning_query import PlanningAnswer, SignedPlanningQuery
from myofed_schemas.study_planning import Planning


def check_planning(session: Session, planning: Planning | None) -> None:
    """The section names a query of ours and answers we have, and proposes what follows from them; None is no section.

    Raises:
        MyofedError: PLANNING_MISMATCH, PLAN_TOO_FEW.
    """
    if planning is None:
        return
    row = session.get(QueryRow, planning.query_id)
    if row is None:
        raise _mismatch("names a query that was never asked")
    named = {used.site: used.sha256 for used in planning.answers}
    rows = session.scalars(select(AnswerRow).where(AnswerRow.query_id == planning.query_id)).all()
    if not named.items() <= {r.site: r.sha256 for r in rows}.items():
        raise _mismatch("names answers that are not here")
    answers = [PlanningAnswer.model_validate_json(r.document) for r in rows if r.site in named]
    if proposal_of(SignedPlanningQuery.model_validate_json(row.document).query, answers).planning != planning:
        raise _mismatch("does not propose what follows from its answers")


def _mismatch(found: str) -> MyofedError:
    return MyofedError(
        "PLANNING_MISMATCH",
        f"expected the planning section as `planning propose` wrote it, found one that {found}",
        hint="leave the section as it is: the fields `image` and `architecture` say what the study does; or propose again",
        exit_code=ExitCode.BAD_INPUT,
    )
