"""Runs: the list, and one run that its page follows while it goes on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Protocol

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse, RedirectResponse

from myofed_coordinator.accounts import gate
from myofed_coordinator.accounts.permissions import Permission, Person
from myofed_coordinator.api.runs import RunsReader
from myofed_coordinator.services import Services
from myofed_coordinator.studies.leads import Doer, doer_of
from myofed_coordinator.web.curve import Curve, dice_curve
from myofed_coordinator.web.overview import ACTIVE
from myofed_coordinator.web.render import Asked, Renderer, done
from myofed_schemas.errors import MyofedError
from myofed_schemas.federation import RoundReport, RunStatus
from myofed_schemas.ids import RunId

AT = "/runs"
Seer = Annotated[Person, Depends(gate.page(Permission.SEE_RUNS))]
Stopper = Annotated[Person, Depends(gate.page(Permission.STOP_RUNS))]


class RunsStopper(RunsReader, Protocol):
    """What the pages need of the runs' service."""

    def stop(self, run_id: str, *, actor: Doer, now: datetime) -> RunStatus:
        """The run ends as stopped.

        Raises:
            MyofedError: RUN_UNKNOWN; STUDY_NOT_YOURS; STUDY_NO_LEAD.
        """


@dataclass(frozen=True)
class RunRow:
    """One run in the list."""

    status: RunStatus
    planned: int


@dataclass(frozen=True)
class RunsView:
    """Every run, newest first."""

    runs: tuple[RunRow, ...]


@dataclass(frozen=True)
class Part:
    """What one site did in one round: `ok`, its code, or `-` where it was not asked."""

    site: str
    outcome: str


@dataclass(frozen=True)
class RoundView:
    """One finished round: its report, and what each site of the run did."""

    report: RoundReport
    parts: tuple[Part, ...]


@dataclass(frozen=True)
class RunView:
    """One run.

    Attributes:
        status: As the run's folder says.
        title: Of its study; the study's id where the study is gone.
        planned: Rounds of the study.
        curve: Dice by round, drawn; its numbers stand in the table.
        sites: All that took part or failed to, sorted.
        rounds: Newest first.
        mine: The visitor leads the study, or stands in for its leads.
    """

    status: RunStatus
    title: str
    planned: int
    curve: Curve
    sites: tuple[str, ...]
    rounds: tuple[RoundView, ...]
    mine: bool

    @property
    def active(self) -> bool:
        """It has not ended; the page asks again."""
        return self.status.state in ACTIVE

    @property
    def say(self) -> str:
        """What a screen reader hears when it changes."""
        last = self.status.rounds[-1].dice if self.status.rounds else None
        dice = f", Dice {last:.3f}" if last is not None else ""
        return f"Run {self.status.state}, {len(self.status.rounds)} of {self.planned} rounds{dice}"


def add_runs(
    router: APIRouter, renderer: Renderer, services: Services, runs: RunsStopper, *, clock: Callable[[], datetime]
) -> None:
    """The router serves the pages of runs."""

    @router.get("/runs")
    def every(request: Request, person: Seer) -> HTMLResponse:
        rows = tuple(RunRow(status, planned_of(services, status)) for status in reversed(runs.list()))
        return renderer.page(Asked(request, person), "runs.html", at=AT, view=RunsView(rows))

    @router.get("/runs/{run_id}")
    def one(run_id: RunId, request: Request, person: Seer) -> HTMLResponse:
        view = run_view(services, runs.show(run_id), person=person)
        return renderer.page(Asked(request, person), "run.html", at=AT, view=view)

    @router.post("/runs/{run_id}/stop")
    def stop(run_id: RunId, person: Stopper) -> RedirectResponse:
        runs.stop(run_id, actor=doer_of(person), now=clock())
        return done(f"/runs/{run_id}", "run-stopping")


def run_view(services: Services, status: RunStatus, *, person: Person) -> RunView:
    """One run with its rounds; a run restored without its study still shows them."""
    planned = planned_of(services, status)
    took_part = {site for report in status.rounds for site in report.sites}
    failed = {error.site for report in status.rounds for error in report.errors}
    sites = tuple(sorted(took_part | failed))
    return RunView(
        status=status,
        title=_title(services, status),
        planned=planned,
        curve=dice_curve(status.rounds, planned=planned),
        sites=sites,
        rounds=tuple(RoundView(report, _parts(report, sites)) for report in reversed(status.rounds)),
        mine=services.leads.may(status.study_id, doer_of(person), deed="stop"),
    )


def planned_of(services: Services, status: RunStatus) -> int:
    """Rounds that the run is to have."""
    try:
        return services.studies.by_digest(status.manifest_digest).manifest.rounds
    except MyofedError:
        return max(1, len(status.rounds))


def _title(services: Services, status: RunStatus) -> str:
    try:
        return services.studies.by_digest(status.manifest_digest).manifest.title
    except MyofedError:
        return status.study_id


def _parts(report: RoundReport, sites: tuple[str, ...]) -> tuple[Part, ...]:
    codes = {error.site: str(error.code) for error in report.errors}
    return tuple(Part(s, "ok" if s in report.sites else codes.get(s, "-")) for s in sites)
