"""The forms of who leads a study, on the study's page."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi.responses import RedirectResponse
from pydantic import TypeAdapter, ValidationError

from myofed_coordinator.accounts import gate, refusals
from myofed_coordinator.accounts.permissions import Permission, Person
from myofed_coordinator.accounts.wire import AccountName
from myofed_coordinator.studies.leads import LeadsService, doer_of
from myofed_coordinator.web.forms import Form, form_of
from myofed_coordinator.web.render import done
from myofed_schemas.ids import StudyId

Chooser = Annotated[Person, Depends(gate.page(Permission.CHOOSE_LEADS))]
Posted = Annotated[Form, Depends(form_of)]


def add_leads(router: APIRouter, leads: LeadsService, *, clock: Callable[[], datetime]) -> None:
    """The router carries out the forms."""

    @router.post("/studies/{study_id}/leads")
    def add(study_id: StudyId, form: Posted, person: Chooser) -> RedirectResponse:
        leads.add(study_id, _account(form), by=doer_of(person), now=clock())
        return done(f"/studies/{study_id}", "lead-added")

    @router.post("/studies/{study_id}/leads/remove")
    def remove(study_id: StudyId, form: Posted, person: Chooser) -> RedirectResponse:
        leads.remove(study_id, form.text("name"), by=doer_of(person), now=clock())
        return done(f"/studies/{study_id}", "lead-removed")


def _account(form: Form) -> str:
    """The name that was typed.

    Raises:
        MyofedError: ACCOUNT_UNKNOWN, no account can have such a name.
    """
    try:
        return TypeAdapter(AccountName).validate_python(form.text("account"))
    except ValidationError as error:
        raise refusals.account_unknown() from error
