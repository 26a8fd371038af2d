"""The first page: who is in, what runs, and what waits for somebody."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from myofed_coordinator.accounts.permissions import Permission, Person
from myofed_coordinator.api.runs import RunsReader
from myofed_coordinator.catalog.service import CatalogQuery
from myofed_coordinator.children import children_of
from myofed_coordinator.runs.starts import StartsService
from myofed_coordinator.services import Services
from myofed_coordinator.studies.service import StudyOverview
from myofed_coordinator.web.words import ago
from myofed_schemas.clock import utc_moment, utc_text
from myofed_schemas.enrolment import SiteRecord
from myofed_schemas.federation import RunStatus
from myofed_schemas.run_start import StartRecord

ONLINE_FOR = timedelta(seconds=90)
"""A site that was seen this recently counts as connected."""
ACTIVE = ("submitted", "running")


@dataclass(frozen=True)
class SiteView:
    """One row of the table of sites.

    Attributes:
        record: As enrolment knows it.
        online: Approved and heard within ONLINE_FOR.
        seen: How long ago, in words.
    """

    record: SiteRecord
    online: bool
    seen: str

    @property
    def connection(self) -> str:
        """In one word."""
        return "connected" if self.online else "away"


@dataclass(frozen=True)
class Waiting:
    """Something that goes on only once a person has done something.

    Attributes:
        text: What, and who must act.
        href: Where.
        act: What the link says.
    """

    text: str
    href: str
    act: str


@dataclass(frozen=True)
class Tile:
    """One number with what it counts and where more is said."""

    number: str
    text: str
    href: str


@dataclass(frozen=True)
class Overview:
    """What the page shows.

    Attributes:
        at: When it was gathered, UTC.
        demo: Anything here is marked as a demonstration.
        tiles: Numbers, each a link.
        waiting: What waits for somebody.
        sites: All sites.
        runs: Those that have not ended, newest first.
        children: Process -> state; empty while `up` does not run, and for who may not see the service.
    """

    at: str
    demo: bool
    tiles: tuple[Tile, ...]
    waiting: tuple[Waiting, ...]
    sites: tuple[SiteView, ...]
    runs: tuple[RunStatus, ...]
    children: dict[str, str]

    @property
    def say(self) -> str:
        """What a screen reader hears when it changes."""
        online = sum(site.online for site in self.sites)
        return f"{online} of {len(self.sites)} sites connected, {len(self.runs)} runs active"


def overview(services: Services, runs: RunsReader, starts: StartsService, *, person: Person, now: datetime) -> Overview:
    """The state of everything as of now, as far as this person may see it."""
    sites = tuple(site_view(record, now=now) for record in services.enrolment.list_sites())
    studies = tuple(services.studies.list_studies())
    active = tuple(status for status in reversed(runs.list()) if status.state in ACTIVE)
    catalog = services.catalog.query(CatalogQuery())
    return Overview(
        at=utc_text(now),
        demo=services.config.demo
        or any(card.disclosure.demo for card in catalog.cards)
        or any(study.signed.manifest.demo for study in studies),
        tiles=(
            _tile(sum(s.record.state == "approved" for s in sites), "sites enrolled", "/sites"),
            Tile(f"{catalog.subjects_at_least}+", "subjects in the catalog", "/catalog"),
            _tile(len(studies), "studies", "/studies"),
            _tile(len(active), "runs under way", "/runs"),
            _tile(len(services.models.list_models()), "models", "/models"),
        ),
        waiting=(*waiting_starts(starts.list_starts(now=now), person), *waiting(sites, studies, person)),
        sites=sites,
        runs=active,
        children=children_of(services.home) if person.may(Permission.SEE_SERVICE) else {},
    )


def waiting_starts(starts: Sequence[StartRecord], person: Person) -> tuple[Waiting, ...]:
    """Runs that wait for a second person; said to who asked for them and to who may confirm."""
    return tuple(
        Waiting(
            f"A run of {s.study_id} waits for a second person; {s.asked_by} asked for it.",
            f"/studies/{s.study_id}",
            "Decide" if person.may(Permission.CONFIRM_START) and person.account != s.asked_by else "See the study",
        )
        for s in starts
        if s.state == "pending" and (person.account == s.asked_by or person.may(Permission.CONFIRM_START))
    )


def waiting(sites: tuple[SiteView, ...], studies: tuple[StudyOverview, ...], person: Person) -> tuple[Waiting, ...]:
    """What this person, or somebody they watch over, has to do."""
    found = []
    for site in sites:
        if site.record.state == "pending" and person.may(Permission.MANAGE_SITES):
            name = site.record.site
            found.append(Waiting(f"{name} asks to join.", f"/sites/{name}", "Look at its request"))
    for study in studies:
        manifest = study.signed.manifest
        undecided = [name for name, decision in study.decisions.items() if decision == "open"]
        if undecided:
            said = f"{manifest.title}: {', '.join(undecided)} {'has' if len(undecided) == 1 else 'have'} not decided."
            found.append(Waiting(said, f"/studies/{manifest.study_id}", "See the study"))
    return tuple(found)


def site_view(record: SiteRecord, *, now: datetime) -> SiteView:
    """One site with how it is connected now."""
    seen = record.last_seen
    online = seen is not None and record.state == "approved" and now - utc_moment(seen) < ONLINE_FOR
    return SiteView(record, online, ago(seen, now=now))


def _tile(number: int, text: str, href: str) -> Tile:
    return Tile(str(number), text, href)
