"""HTTP of who leads a study."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import Field, StringConstraints

from myofed_coordinator.accounts import gate
from myofed_coordinator.accounts.permissions import Permission, Person
from myofed_coordinator.accounts.wire import AccountName
from myofed_coordinator.studies.leads import LeadsService, StudyLead, doer_of
from myofed_schemas.ids import StudyId

Chooser = Annotated[Person, Depends(gate.require(Permission.CHOOSE_LEADS))]
LeadName = Annotated[
    str, StringConstraints(min_length=1, max_length=64, pattern=r"^[\w.@+-]+$"), Field(examples=["ann.lee"])
]
"""An account, or a login at the coordinator's machine."""


def leads_router(leads: LeadsService, *, clock: Callable[[], datetime]) -> APIRouter:
    """`/studies/{study_id}/leads`."""
    router = APIRouter(tags=["studies"])

    @router.get("/studies/{study_id}/leads", dependencies=[Depends(gate.require(Permission.SEE_STUDIES))])
    def every(study_id: StudyId) -> tuple[StudyLead, ...]:
        """Who leads the study, the owner first."""
        return leads.of_study(study_id)

    @router.put("/studies/{study_id}/leads/{account}")
    def add(study_id: StudyId, account: AccountName, person: Chooser) -> tuple[StudyLead, ...]:
        """One more account leads the study; for its owner, and for administrators."""
        return leads.add(study_id, account, by=doer_of(person), now=clock())

    @router.delete("/studies/{study_id}/leads/{account}")
    def remove(study_id: StudyId, account: LeadName, person: Chooser) -> tuple[StudyLead, ...]:
        """Somebody leads the study no more; for its owner, for administrators, and for oneself. The last lead stays."""
        return leads.remove(study_id, account, by=doer_of(person), now=clock())

    return router
