"""HTTP of runs, for people; the runs themselves are another room's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from fastapi import APIRouter, Depends

from myofed_coordinator.accounts import gate
from myofed_coordinator.accounts.permissions import Permission
from myofed_schemas.federation import RunStatus
from myofed_schemas.ids import RunId


class RunsReader(Protocol):
    """What the people's port needs of the runs' service."""

    def list(self) -> Sequence[RunStatus]:
        """Every run, oldest first."""

    def show(self, run_id: str) -> RunStatus:
        """One run.

        Raises:
            MyofedError: RUN_UNKNOWN.
        """


def runs_router(runs: RunsReader) -> APIRouter:
    """`GET /runs` and `GET /runs/{run_id}`."""
    router = APIRouter(tags=["runs"], dependencies=[Depends(gate.require(Permission.SEE_RUNS))])

    @router.get("/runs")
    def every() -> Sequence[RunStatus]:
        """Every run with its rounds so far."""
        return runs.list()

    @router.get("/runs/{run_id}")
    def one(run_id: RunId) -> RunStatus:
        """One run with its rounds so far."""
        return runs.show(run_id)

    return router
