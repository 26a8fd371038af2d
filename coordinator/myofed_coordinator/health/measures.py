"""The numbers of a coordinator at one moment, taken from its rooms; no text but names of sites and codes."""

from __future__ import annotations

import shutil
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography import x509
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from myofed_coordinator.children import children_of
from myofed_coordinator.home import HomeFolder
from myofed_coordinator.services import Services, open_runs
from myofed_schemas.clock import utc_moment
from myofed_schemas.enrolment import SiteRecord
from myofed_schemas.errors import MyofedError
from myofed_schemas.federation import RunStatus

SITE_STATES = ("invited", "pending", "approved", "revoked")
RUN_STATES = ("submitted", "running", "completed", "failed", "stopped")
DAY_S = 86_400


@dataclass(frozen=True)
class MachineNumbers:
    """What does not come from the database.

    Attributes:
        certificate_days: `ca`, `server`, `loopback` -> days that it lasts.
        disk_free_bytes: Of the home's disk.
        audit_entries: Length of the chain; None where its end cannot be read.
        services: Process of `up` -> ready.
    """

    certificate_days: dict[str, float]
    disk_free_bytes: int
    audit_entries: int | None
    services: dict[str, bool]


@dataclass(frozen=True)
class SiteNumbers:
    """The sites.

    Attributes:
        by_state: State -> number, all states.
        contact_age_s: Approved site -> seconds since it was last heard of; those never heard of are missing.
        certificate_days: Approved site -> days that its newest certificate lasts.
    """

    by_state: dict[str, int]
    contact_age_s: dict[str, float]
    certificate_days: dict[str, float]


@dataclass(frozen=True)
class RunNumbers:
    """The runs.

    Attributes:
        by_state: State -> number, all states; those submitted are the queue.
        rounds: Finished, in all runs.
    """

    by_state: dict[str, int]
    rounds: int


@dataclass(frozen=True)
class Measures:
    """Numbers of one moment.

    Attributes:
        machine: Always there.
        database_latency_s: How long the smallest question took; None where the database does not answer.
        sites: None where the database does not answer.
        runs: As they stand in their folders.
    """

    machine: MachineNumbers
    database_latency_s: float | None
    sites: SiteNumbers | None
    runs: RunNumbers


def measure(services: Services, *, now: datetime) -> Measures:
    """The numbers as they are.

    Args:
        services: Open.
        now: Aware.
    """
    latency, sites = None, None
    begin = time.perf_counter()
    try:
        with services.database.read() as session:
            session.execute(text("SELECT 1"))
        latency = time.perf_counter() - begin
        sites = of_sites(services.enrolment.list_sites(), now=now)
    except SQLAlchemyError:
        latency = None
    runs = of_runs(open_runs(services).list())
    return Measures(of_machine(services, now=now), latency, sites, runs)


def of_machine(services: Services, *, now: datetime) -> MachineNumbers:
    """Certificates, disk, chain and processes."""
    home = services.home
    try:
        entries: int | None = services.audit.head().sequence
    except MyofedError:
        entries = None
    return MachineNumbers(
        certificate_days={name: days_left(path, now=now) for name, path in _own(home).items()},
        disk_free_bytes=shutil.disk_usage(home.root).free,
        audit_entries=entries,
        services={name: state == "ready" for name, state in children_of(home).items()},
    )


def of_sites(records: Sequence[SiteRecord], *, now: datetime) -> SiteNumbers:
    """The sites by state, and of those that are in, when they were heard of and how long they will be."""
    states = Counter(record.state for record in records)
    approved = [record for record in records if record.state == "approved"]
    return SiteNumbers(
        by_state={state: states[state] for state in SITE_STATES},  # type: ignore[index]
        contact_age_s={r.site: (now - utc_moment(r.last_seen)).total_seconds() for r in approved if r.last_seen},
        certificate_days={
            r.site: (utc_moment(r.certificate_not_after) - now).total_seconds() / DAY_S
            for r in approved
            if r.certificate_not_after
        },
    )


def of_runs(runs: Sequence[RunStatus]) -> RunNumbers:
    """The runs by state, and what they did."""
    states = Counter(run.state for run in runs)
    by_state = {state: states[state] for state in RUN_STATES}  # type: ignore[index]
    return RunNumbers(by_state, sum(len(run.rounds) for run in runs))


def days_left(certificate: Path, *, now: datetime) -> float:
    """Days that the certificate in this PEM file lasts; negative after its end."""
    end = x509.load_pem_x509_certificate(certificate.read_bytes()).not_valid_after_utc
    return (end - now).total_seconds() / DAY_S


def _own(home: HomeFolder) -> dict[str, Path]:
    return {"ca": home.ca, "server": home.server_certificate, "loopback": home.loopback_certificate}
