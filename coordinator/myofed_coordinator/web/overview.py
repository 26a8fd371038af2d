"""Everything the status page shows, gathered once a request."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from myofed_coordinator.api.runs import RunsReader
from myofed_coordinator.catalog.service import CatalogQuery
from myofed_coordinator.children import children_of
from myofed_coordinator.models.card import release_of
from myofed_coordinator.services import Services
from myofed_coordinator.studies.service import StudyOverview
from myofed_coordinator.web.curve import Curve, dice_curve
from myofed_schemas.catalog import CatalogAnswer
from myofed_schemas.clock import utc_moment
from myofed_schemas.enrolment import SiteRecord
from myofed_schemas.errors import MyofedError
from myofed_schemas.federation import RunStatus
from myofed_schemas.model import ModelRecord

ONLINE_FOR = timedelta(seconds=90)
"""A site that was seen this recently counts as connected."""


@dataclass(frozen=True)
class SiteView:
    """One row of the table of sites."""

    record: SiteRecord
    online: bool
    seen: str


@dataclass(frozen=True)
class RunView:
    """One run with its curve."""

    status: RunStatus
    planned: int
    curve: Curve


@dataclass(frozen=True)
class ModelView:
    """One registered model and its card's release mark; `unknown` where its study is gone."""

    record: ModelRecord
    release: str


@dataclass(frozen=True)
class Overview:
    """What the page shows.

    Attributes:
        name: The consortium's.
        demo: Anything here is marked as a demonstration.
        sites: All sites.
        catalog: All cards.
        studies: Newest versions.
        runs: Newest first.
        models: Newest first.
        children: Process -> state, empty while `up` does not run.
    """

    name: str
    demo: bool
    sites: tuple[SiteView, ...]
    catalog: CatalogAnswer
    studies: tuple[StudyOverview, ...]
    runs: tuple[RunView, ...]
    models: tuple[ModelView, ...]
    children: dict[str, str]


def overview(services: Services, runs: RunsReader, *, now: datetime) -> Overview:
    """The state of everything as of now."""
    catalog = services.catalog.query(CatalogQuery())
    studies = tuple(services.studies.list_studies())
    return Overview(
        name=services.config.name,
        demo=services.config.demo
        or any(card.disclosure.demo for card in catalog.cards)
        or any(study.signed.manifest.demo for study in studies),
        sites=tuple(_site(record, now=now) for record in services.enrolment.list_sites()),
        catalog=catalog,
        studies=studies,
        runs=tuple(_run(services, status) for status in reversed(runs.list())),
        models=tuple(_model(services, record) for record in reversed(services.models.list_models())),
        children=children_of(services.home),
    )


def elapsed(past: timedelta) -> str:
    """How long ago, in one unit."""
    seconds = max(0, int(past.total_seconds()))
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit} ago"
    return f"{seconds} s ago"


def _site(record: SiteRecord, *, now: datetime) -> SiteView:
    if record.last_seen is None:
        return SiteView(record, online=False, seen="never")
    past = now - utc_moment(record.last_seen)
    return SiteView(record, online=record.state == "approved" and past < ONLINE_FOR, seen=elapsed(past))


def _model(services: Services, record: ModelRecord) -> ModelView:
    try:
        release: str = release_of(services.studies.by_digest(record.statement.manifest_digest).manifest).mark
    except MyofedError:
        release = "unknown"  # a model restored without its study is still shown
    return ModelView(record, release)


def _run(services: Services, status: RunStatus) -> RunView:
    try:
        planned = services.studies.by_digest(status.manifest_digest).manifest.rounds
    except MyofedError:
        planned = max(1, len(status.rounds))  # a run restored without its study still shows its rounds
    return RunView(status, planned, dice_curve(status.rounds, planned=planned))
