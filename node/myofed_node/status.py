"""Where a site stands, from its own disk: enrolment, data, studies, what runs; nobody outside is asked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from myofed_node.client_certificate import not_after
from myofed_node.coordinator_history import open_evidence
from myofed_node.coordinator_link import load_link
from myofed_node.federation.ledger import read_ledger
from myofed_node.federation.privacy_ledger import PrivacyBudget
from myofed_node.federation.training_gate import Gate, gate
from myofed_node.service_state import ServiceState, load_service_state
from myofed_node.site_folder import SiteFolder
from myofed_node.site_setup import Site
from myofed_node.store import SiteStore
from myofed_node.study_standing import StudyStanding, study_standings
from myofed_schemas.clock import system_now, utc_text
from myofed_schemas.errors import MyofedError
from myofed_schemas.ids import Code, SiteId, UtcTime
from myofed_schemas.wire import WireModel

ChildState = Literal["ready", "starting", "down"]


class ServiceStatus(WireModel):
    """`run/status.json` as `up` writes it each second."""

    children: dict[str, ChildState]
    pids: dict[str, int] = Field(default_factory=dict)


class SiteStatus(WireModel):
    """What `status --json` prints.

    Attributes:
        series: State -> number of series, over all ingests.
        subjects: Subjects with at least one image in the data set.
        sessions: Their sessions.
        children: Name -> state of what `up` runs; empty when it does not run.
        web: Address of the site's own page while `up` runs.
        budgets: Of the studies that ask for privacy, where the ledger can be read.
        studies: Where each stands; one with a broken file has its code, and the rest of the site is shown all the same.
        training: Whether a task may begin now, or why not.
        training_window: The policy's hours; None: any.
        revoked_at: When the coordinator last refused this site's certificate; None where it took it since, or the site joined anew.
        coordinator_history: `OK`, or why the coordinator's audit chain is not witnessed any more.
    """

    site: SiteId
    demo: bool
    enrolled: bool
    certificate_not_after: UtcTime | None
    series: dict[str, int]
    subjects: int = Field(ge=0)
    sessions: int = Field(ge=0)
    card_version: int | None
    card_published_at: UtcTime | None
    requests_out: int = Field(ge=0)
    children: dict[str, ChildState]
    service: ServiceState | None
    web: str | None
    budgets: tuple[PrivacyBudget, ...] = ()
    studies: tuple[StudyStanding, ...] = ()
    training: Gate
    training_window: str | None
    revoked_at: UtcTime | None = None
    coordinator_history: Code = "OK"


def site_status(site: Site) -> SiteStatus:
    """The site's state now.

    Raises:
        MyofedError: STORE_MISSING, LEDGER_BROKEN, CERTIFICATE_INVALID.
    """
    folder = site.folder
    store = SiteStore(folder.store)
    states = [row.state.value for row in store.all_series()]
    card = store.latest_card()
    service = load_service_state(folder) if children_of(folder) else None
    studies = study_standings(site)
    return SiteStatus(
        site=site.config.site,
        demo=site.config.policy.demo,
        enrolled=folder.coordinator.exists(),
        certificate_not_after=_certificate_end(folder),
        series={state: states.count(state) for state in sorted(set(states))},
        subjects=len(list(folder.dataset.glob("sub-*"))),
        sessions=len(list(folder.dataset.glob("sub-*/ses-*"))),
        card_version=card.version if card else None,
        card_published_at=(card.published_at or None) if card else None,
        requests_out=sum(entry.kind != "refused" for entry in read_ledger(folder.ledger)),
        children=children_of(folder),
        service=service,
        web=service.web if service else None,
        budgets=tuple(study.budget for study in studies if study.budget),
        studies=studies,
        training=gate(folder, site.config.policy, local=system_now().astimezone()),
        training_window=site.config.policy.training_window,
        revoked_at=_revoked_at(folder),
        coordinator_history=_history_code(folder),
    )


def children_of(folder: SiteFolder) -> dict[str, ChildState]:
    """Name -> state of what `up` runs; empty when `up` does not run (a file it left behind does not count)."""
    try:
        status = ServiceStatus.model_validate(json.loads(folder.status.read_bytes()))
    except (FileNotFoundError, ValueError, ValidationError):
        return {}
    return status.children if any(_alive(pid) for pid in status.pids.values()) else {}


def status_lines(status: SiteStatus) -> list[str]:
    """The state in words."""
    enrolled = f"enrolled, certificate until {status.certificate_not_after}" if status.enrolled else "not enrolled"
    if status.revoked_at:
        enrolled = (
            f"REVOKED: the coordinator refused this site at {status.revoked_at}; ask it why, then for a new invite"
        )
    series = ", ".join(f"{count} {state}" for state, count in status.series.items()) or "nothing ingested yet"
    children = ", ".join(f"{name} {state}" for name, state in status.children.items()) or "not running"
    card = f"version {status.card_version}" if status.card_published_at else "not published"
    lines = [
        f"{status.site}: {enrolled}",
        f"  data set: {status.subjects} subjects, {status.sessions} sessions; series: {series}",
        f"  card: {card}; requests that left: {status.requests_out}",
        f"  services: {children}",
        f"  training: {status.training}{f' (window {status.training_window})' if status.training_window else ''}",
    ]
    if status.service:
        lines.append(f"  last contact: {status.service.last_contact or 'never'} ({status.service.code})")
    if status.coordinator_history != "OK":
        lines.append(f"  THE COORDINATOR'S AUDIT CHAIN IS NOT WITNESSED ({status.coordinator_history}): ask `doctor`")
    if status.web:
        lines.append(f"  page: {status.web} (token in keys/web.token)")
    lines += [line for study in status.studies for line in study.lines()]
    return [*lines, "  DEMO POLICY: synthetic patients only"] if status.demo else lines


def _history_code(folder: SiteFolder) -> str:
    """A damaged file has its code, and the rest of the site is shown all the same."""
    try:
        return "COORDINATOR_HISTORY_CHANGED" if open_evidence(folder) else "OK"
    except MyofedError as error:
        return error.code


def _revoked_at(folder: SiteFolder) -> str | None:
    """As the service last heard it, also where it does not run now."""
    last = load_service_state(folder)
    if last is None or last.code != "SITE_REVOKED" or not folder.coordinator.exists():
        return None
    return last.at if last.at >= load_link(folder).joined_at else None


def _certificate_end(folder: SiteFolder) -> str | None:
    if not folder.tls_certificate.exists():
        return None
    return utc_text(not_after(folder.tls_certificate.read_bytes()))


def _alive(pid: int) -> bool:
    return Path("/proc", str(pid)).exists()
