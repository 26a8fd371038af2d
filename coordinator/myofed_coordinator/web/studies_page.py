"""Studies: the approval matrix of all, and one study with its versions, decisions and what each site is asked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse

from myofed_coordinator.accounts import gate
from myofed_coordinator.accounts.permissions import Permission, Person
from myofed_coordinator.api.runs import RunsReader
from myofed_coordinator.runs.starts import StartsService, eyes_of
from myofed_coordinator.services import Services
from myofed_coordinator.studies.history import StudyVersion, history_of
from myofed_coordinator.studies.leads import LeadsService, StudyLead, doer_of
from myofed_coordinator.studies.service import StudyOverview
from myofed_coordinator.web.overview import ACTIVE
from myofed_coordinator.web.render import Asked, Renderer
from myofed_schemas.federation import RunStatus
from myofed_schemas.ids import StudyId
from myofed_schemas.run_start import StartRecord
from myofed_schemas.study import StudyManifest

AT = "/studies"
Seer = Annotated[Person, Depends(gate.page(Permission.SEE_STUDIES))]


@dataclass(frozen=True)
class MatrixRow:
    """One study and the decision of each site of the matrix; None where it does not name the site."""

    study: StudyOverview
    decisions: tuple[str | None, ...]


@dataclass(frozen=True)
class Matrix:
    """Study x site.

    Attributes:
        sites: Every site that a study names, sorted.
        rows: Newest version of every study.
    """

    sites: tuple[str, ...]
    rows: tuple[MatrixRow, ...]


@dataclass(frozen=True)
class Fact:
    """One line of what a manifest says."""

    name: str
    value: str
    explained: str = ""


@dataclass(frozen=True)
class Standing:
    """A site's last word on a version.

    Attributes:
        site: Name.
        decision: `approved`, `declined`, `revoked` or `open`.
        reason: Code; `-` while open.
        decided_at: As the site says, UTC; None while open.
    """

    site: str
    decision: str
    reason: str = "-"
    decided_at: str | None = None


@dataclass(frozen=True)
class VersionView:
    """One version as the page shows it."""

    number: int
    digest: str
    created_at: str
    standings: tuple[Standing, ...]
    min_sites: int

    @property
    def approved(self) -> int:
        """Number of sites whose last word is approval."""
        return sum(s.decision == "approved" for s in self.standings)


@dataclass(frozen=True)
class StudyView:
    """One study.

    Attributes:
        manifest: Newest version.
        facts: What it asks of a site, in words.
        versions: Newest first.
        runs: Of this study, newest first.
        starts: That somebody asked for, newest first.
        leads: Whose study it is, the owner first.
        mine: The visitor leads it, or stands in for its leads.
        owned: The visitor may say who leads it.
        hindrance: Why the visitor cannot confirm the start that waits, as a code; empty where they can, or none waits.
        confirmers: Accounts that can, where the visitor cannot.
    """

    manifest: StudyManifest
    facts: tuple[Fact, ...]
    versions: tuple[VersionView, ...]
    runs: tuple[RunStatus, ...]
    starts: tuple[StartRecord, ...]
    leads: tuple[StudyLead, ...]
    mine: bool
    owned: bool
    hindrance: str = ""
    confirmers: tuple[str, ...] = ()

    @property
    def waiting(self) -> StartRecord | None:
        """A start of it that somebody asked for and nobody has decided."""
        return next((start for start in self.starts if start.state == "pending"), None)

    @property
    def running(self) -> bool:
        """A run of it has not ended."""
        return any(run.state in ACTIVE for run in self.runs)

    @property
    def newest(self) -> VersionView:
        """The version that counts."""
        return self.versions[0]

    @property
    def ready(self) -> bool:
        """Enough sites approved the newest version for its quorum."""
        return self.newest.approved >= self.newest.min_sites


@dataclass(frozen=True)
class Trainings:
    """What the pages of studies need of runs, their starts, and who leads a study."""

    runs: RunsReader
    starts: StartsService
    leads: LeadsService


def add_studies(
    router: APIRouter, renderer: Renderer, services: Services, trainings: Trainings, *, clock: Callable[[], datetime]
) -> None:
    """The router serves the pages of studies."""

    @router.get("/studies")
    def every(request: Request, person: Seer) -> HTMLResponse:
        view = matrix(services.studies.list_studies())
        return renderer.page(Asked(request, person), "studies.html", at=AT, view=view)

    @router.get("/studies/{study_id}")
    def one(study_id: StudyId, request: Request, person: Seer) -> HTMLResponse:
        view = study_view(history_of(services.database, study_id), trainings, person=person, now=clock())
        return renderer.page(Asked(request, person), "study.html", at=AT, view=view)


def matrix(studies: list[StudyOverview]) -> Matrix:
    """All studies against all sites that one of them names."""
    sites = tuple(sorted({site for study in studies for site in study.decisions}))
    return Matrix(sites, tuple(MatrixRow(study, tuple(study.decisions.get(s) for s in sites)) for study in studies))


def study_view(versions: tuple[StudyVersion, ...], trainings: Trainings, *, person: Person, now: datetime) -> StudyView:
    """One study from all its versions (newest first), its runs and their starts, as this person sees it."""
    manifest, doer = versions[0].signed.manifest, doer_of(person)
    view = StudyView(
        manifest=manifest,
        facts=facts_of(manifest),
        versions=tuple(_version(version) for version in versions),
        runs=tuple(run for run in reversed(trainings.runs.list()) if run.study_id == manifest.study_id),
        starts=tuple(s for s in trainings.starts.list_starts(now=now) if s.study_id == manifest.study_id),
        leads=trainings.leads.of_study(manifest.study_id),
        mine=trainings.leads.may(manifest.study_id, doer, deed="start"),
        owned=person.may(Permission.CHOOSE_LEADS) and trainings.leads.owns(manifest.study_id, doer),
    )
    if view.waiting is None or not person.may(Permission.CONFIRM_START):
        return view
    start_id = view.waiting.start_id
    hindrance = trainings.starts.hindrance(start_id, eyes_of(person), now=now)
    confirmers = trainings.starts.confirmers(start_id, now=now) if hindrance else ()
    return replace(view, hindrance=hindrance, confirmers=confirmers)


def facts_of(manifest: StudyManifest) -> tuple[Fact, ...]:
    """What the manifest asks of a site, each with what it means."""
    training, privacy = manifest.training, manifest.privacy
    noise = (
        "off: updates are neither clipped nor noised"
        if privacy is None
        else f"{privacy.level}, noise {privacy.noise_multiplier:g}, epsilon {privacy.epsilon:g} at delta {privacy.delta:g}"
    )
    return (
        Fact("Data use", ", ".join(manifest.duo) or "none named", "DUO terms that the study keeps to"),
        Fact("Muscles", ", ".join(manifest.muscles), "what the labels must name"),
        Fact("Subjects a site", f"at least {manifest.min_subjects}", "a site with fewer must not take part"),
        Fact("Network", manifest.architecture.name, "from the allow-list that every node knows"),
        Fact("Input", ", ".join(manifest.image.channel_names), "what a site makes of its images"),
        Fact("Local steps", f"{training.local_steps} of batch {training.batch_size} a round", training.optimiser),
        Fact("Rounds", str(manifest.rounds), f"a round may take {manifest.round_timeout_s} s"),
        Fact("Quorum", f"{manifest.min_sites} sites", "a round with fewer valid updates fails the run"),
        Fact("Strategy", f"{manifest.strategy}, {manifest.weighting} weighting", "how updates become the next weights"),
        Fact("Privacy", noise, "a site's own policy may ask for more"),
        Fact("Initial weights", manifest.initial_weights_sha256, "SHA-256 of the file"),
    )


def _version(version: StudyVersion) -> VersionView:
    standings = []
    for site, received in version.standing().items():
        if received is None:
            standings.append(Standing(site, "open"))
            continue
        decision = received.signed.decision
        standings.append(Standing(site, decision.decision, decision.reason, decision.decided_at))
    manifest = version.signed.manifest
    return VersionView(
        manifest.version, version.signed.digest, version.created_at, tuple(standings), manifest.min_sites
    )
