"""HTTP of starting runs: ask, and confirm or decline what somebody else asked for."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends

from myofed_coordinator.accounts import gate
from myofed_coordinator.accounts.permissions import Permission, Person
from myofed_coordinator.runs.starts import Reason, StartsService, eyes_of
from myofed_schemas.ids import StudyId
from myofed_schemas.run_start import StartId, StartRecord
from myofed_schemas.wire import WireModel

Asker = Annotated[Person, Depends(gate.require(Permission.START_RUNS))]
Confirmer = Annotated[Person, Depends(gate.require(Permission.CONFIRM_START))]


class StartWish(WireModel):
    """Which study shall be run: its newest version."""

    study_id: StudyId


class Decline(WireModel):
    """Why a start shall not happen; read by who asked for it."""

    reason: Reason


def starts_router(starts: StartsService, *, clock: Callable[[], datetime]) -> APIRouter:
    """`/starts`."""
    router = APIRouter(tags=["runs"])

    @router.get("/starts", dependencies=[Depends(gate.require(Permission.SEE_RUNS))])
    def every() -> list[StartRecord]:
        """Every start that was asked for, newest first."""
        return starts.list_starts(now=clock())

    @router.get("/starts/{start_id}", dependencies=[Depends(gate.require(Permission.SEE_RUNS))])
    def one(start_id: StartId) -> StartRecord:
        """One start."""
        return starts.show(start_id, now=clock())

    @router.post("/starts", status_code=201)
    def ask(body: StartWish, person: Asker) -> StartRecord:
        """Asks for a run of a study's newest version; it starts once another person confirms, if four eyes are asked."""
        return starts.ask(body.study_id, eyes_of(person), now=clock())

    @router.post("/starts/{start_id}/confirm")
    def confirm(start_id: StartId, person: Confirmer) -> StartRecord:
        """Starts the run that somebody else asked for."""
        return starts.confirm(start_id, eyes_of(person), now=clock())

    @router.post("/starts/{start_id}/decline")
    def decline(start_id: StartId, body: Decline, person: Confirmer) -> StartRecord:
        """The run does not start."""
        return starts.decline(start_id, eyes_of(person), reason=body.reason, now=clock())

    return router
