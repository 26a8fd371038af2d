"""Starting a run by two people: one asks on the study's page, another confirms or declines there."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi.responses import RedirectResponse
from pydantic import TypeAdapter, ValidationError

from myofed_coordinator.accounts import gate
from myofed_coordinator.accounts.permissions import Permission, Person
from myofed_coordinator.runs.starts import Reason, StartsService, eyes_of
from myofed_coordinator.web.forms import Form, form_of
from myofed_coordinator.web.render import done
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode
from myofed_schemas.ids import StudyId
from myofed_schemas.run_start import StartId, StartRecord

Starter = Annotated[Person, Depends(gate.page(Permission.START_RUNS))]
Confirmer = Annotated[Person, Depends(gate.page(Permission.CONFIRM_START))]
Posted = Annotated[Form, Depends(form_of)]


def add_starts(router: APIRouter, starts: StartsService, *, clock: Callable[[], datetime]) -> None:
    """The router carries out the forms of starts."""

    @router.post("/studies/{study_id}/start")
    def ask(study_id: StudyId, person: Starter) -> RedirectResponse:
        return _after(starts.ask(study_id, eyes_of(person), now=clock()))

    @router.post("/starts/{start_id}/confirm")
    def confirm(start_id: StartId, person: Confirmer) -> RedirectResponse:
        return _after(starts.confirm(start_id, eyes_of(person), now=clock()))

    @router.post("/starts/{start_id}/decline")
    def decline(start_id: StartId, form: Posted, person: Confirmer) -> RedirectResponse:
        record = starts.decline(start_id, eyes_of(person), reason=reason_of(form), now=clock())
        return done(f"/studies/{record.study_id}", "start-declined")


def reason_of(form: Form) -> str:
    """Why it shall not happen.

    Raises:
        MyofedError: REASON_FORM.
    """
    try:
        return TypeAdapter(Reason).validate_python(form.text("reason"))
    except ValidationError as error:
        raise MyofedError(
            "REASON_FORM",
            "expected a reason of 1 to 200 letters, digits, blanks and .,:;()/-",
            hint="say in a sentence why",
            exit_code=ExitCode.BAD_INPUT,
        ) from error


def _after(record: StartRecord) -> RedirectResponse:
    if record.run_id is not None:
        return done(f"/runs/{record.run_id}", "run-started")
    return done(f"/studies/{record.study_id}", "start-asked")
