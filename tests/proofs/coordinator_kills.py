"""A coordinator killed with SIGKILL at random moments of enrolment, publishing, approval and backup, on both databases.

After every kill the records are whole, no record is there twice, every backup that has its name is whole, and the people's
port serves again within ten seconds; at the end everything is there once.
"""

from __future__ import annotations

import os
import random
import signal
import ssl
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import func, select, text

sys.path.insert(0, str(Path(__file__).parents[1] / "unit" / "coordinator"))  # factories and databases of the unit tests

from released_databases import drop_all

from myofed_coordinator.backup.restore import check_backup
from myofed_coordinator.catalog.models import CardRow
from myofed_coordinator.config import CoordinatorConfig, load_config, split_address
from myofed_coordinator.enrolment.models import CertificateRow, InviteRow, SiteRow
from myofed_coordinator.home import HomeFolder
from myofed_coordinator.initialise import initialise
from myofed_coordinator.services import Services, open_services
from myofed_coordinator.studies.models import DecisionRow, StudyRow
from myofed_schemas.errors import MyofedError
from myofed_schemas.files import HALF_WRITTEN
from myofed_schemas.service_loop import free_port
from proofs.coordinator_run import PASSPHRASE, STUDIES
from proofs.killed_process import TESTS, finished, read_until, started

RUN = "proofs.coordinator_run"
SITES = 8
SERVES_WITHIN_S = 10.0


@dataclass(frozen=True)
class Place:
    """Where one coordinator lives."""

    root: Path
    config: CoordinatorConfig

    @property
    def home(self) -> HomeFolder:
        """Its home."""
        return HomeFolder(self.root / "coordinator")

    def steps(self) -> int:
        """Of one whole run."""
        return 2 * SITES + STUDIES + STUDIES * SITES


def killed_coordinators(
    kills: int = 100, seed: int = 1, *, postgres_url: str | None = None, serve_every: int = 1
) -> tuple[list[dict[str, Any]], list[str]]:
    """What so many kills did, one to three of them before each run to the end, and what must not have happened.

    Args:
        kills: How many.
        seed: Of the moments.
        postgres_url: An empty database for every second coordinator; None takes SQLite alone.
        serve_every: After every how manieth kill the people's port is started.
    """
    rng, begin = random.Random(seed), time.monotonic()
    counts: Counter[str] = Counter()
    failed: list[str] = []
    slowest = 0.0
    while counts["kills"] < kills:
        url = postgres_url if counts["runs to the end"] % 2 else None
        with (
            tempfile.TemporaryDirectory(prefix="myofed-coordinator-kills-") as folder,
            new_place(Path(folder), url) as it,
        ):
            for _ in range(min(rng.choice((1, 2, 3)), kills - counts["kills"])):
                killed = _kill(it, rng, counts)
                faults = records(it)
                if killed and counts["kills"] % serve_every == 0:
                    seconds = _serves(it)
                    slowest, counts["restarts"] = max(slowest, seconds), counts["restarts"] + 1
                    faults += [f"the people's port served after {seconds:.1f} s"] if seconds > SERVES_WITHIN_S else []
                failed += [f"kill {counts['kills'] - 1}: {fault}" for fault in faults]
            status = finished(RUN, it.home.root, SITES)
            faults = [f"exit status {status}"] if status else [*records(it), *missing(it, counts)]
            failed += [f"after kill {counts['kills'] - 1}: {fault}" for fault in faults]
            counts["runs to the end"] += 1
            counts["on PostgreSQL" if url else "on SQLite"] += 1
        if counts["kills"] % 10 == 0:
            print(f"{counts['kills']} of {kills} kills, {len(failed)} failed", file=sys.stderr)
    tried = {"seed": seed, "sites": SITES, **counts, "slowest_restart_s": round(slowest, 2)}
    return [tried | {"seconds": round(time.monotonic() - begin, 1)}], failed


@contextmanager
def new_place(folder: Path, url: str | None) -> Iterator[Place]:
    """A new coordinator; of PostgreSQL nothing is left afterwards."""
    addresses = {"people": f"127.0.0.1:{free_port()}", "sites": f"127.0.0.1:{free_port()}"}
    config = CoordinatorConfig(database_url=url, demo=True, **addresses)  # type: ignore[arg-type]
    place = Place(folder, config)
    for name in ("sites", "backups"):
        (folder / name).mkdir()
    if url:
        drop_all(url)
    initialise(place.home.root, config, actor="admin", now=datetime.now(UTC))
    try:
        yield place
    finally:
        if url:
            drop_all(url)


def _kill(place: Place, rng: random.Random, counts: Counter[str]) -> bool:
    """One run, killed at a random moment; whether it still ran."""
    done = rng.randrange(place.steps())
    with started(RUN, place.home.root, SITES) as process:
        if done:
            read_until(process, done)
            time.sleep(rng.uniform(0, 0.08))
        else:
            time.sleep(rng.uniform(0, 2))  # while it opens
        alive = process.poll() is None
        os.killpg(process.pid, signal.SIGKILL) if alive else None
        process.wait()
    counts["kills" if alive else "too late"] += 1
    return alive


def records(place: Place) -> list[str]:
    """What is wrong with what lies there now, whenever that is."""
    faults: list[str] = []
    try:
        services = open_services(place.home, load_config(place.home))
    except MyofedError as error:
        return [f"does not open: {error.code}"]
    try:
        if not _is_chain(services):
            faults.append("the audit chain does not hold")
        faults += _twice(services) + _without_entry(services)
        with services.database.read() as session:
            if services.database.engine.dialect.name == "sqlite":
                said = session.scalar(text("PRAGMA integrity_check"))
                faults += [] if said == "ok" else ["the database is corrupt"]
                faults += (
                    ["a row without its parent"] if session.execute(text("PRAGMA foreign_key_check")).first() else []
                )
    finally:
        services.close()
    for path in (place.root / "backups").iterdir():
        if HALF_WRITTEN.fullmatch(path.name) is None and not path.name.startswith("tmp"):
            try:
                check_backup(path, PASSPHRASE)
            except MyofedError as error:
                faults.append(f"a backup that is not whole: {error.code}")
    return faults


def _is_chain(services: Services) -> bool:
    """Every whole line holds; half of a last one, never reported as done, gives way to the next entry."""
    content = services.home.audit.read_bytes()
    if not content.endswith(b"\n"):
        services.home.audit.write_bytes(content[: content.rfind(b"\n") + 1])
    try:
        services.heads.verify_own()
    except MyofedError:
        return False
    return True


def _twice(services: Services) -> list[str]:
    unique = {
        "a certificate of a site": CertificateRow.site,
        "a card": CardRow.site,
        "an invite": InviteRow.site,
        "a study": StudyRow.study_id,
    }
    faults = []
    with services.database.read() as session:
        for what, column in unique.items():
            allowed = 2 if what == "an invite" else 1  # one whose file was not written yet is made anew, and expires
            for name, count in session.execute(select(column, func.count()).group_by(column)):
                faults += [f"{what} {count} times: {name}"] if count > allowed else []
        pairs = select(DecisionRow.site, DecisionRow.study_id, func.count())
        for site, study, count in session.execute(pairs.group_by(DecisionRow.site, DecisionRow.study_id)):
            faults += [f"a decision {count} times: {site} {study}"] if count > 1 else []
    return faults


def _without_entry(services: Services) -> list[str]:
    """What was decided and does not stand in the chain."""
    entries = list(services.audit.entries())
    said = {(entry.action, value) for entry in entries for value in (entry.subject, *map(str, entry.detail.values()))}
    with services.database.read() as session:
        wanted = [("SITE_APPROVED", sha) for sha in session.scalars(select(CertificateRow.sha256))]
        wanted += [("SITE_ASKED", site) for site in session.scalars(select(SiteRow.site))]
        wanted += [("STUDY_CREATED", study) for study in session.scalars(select(StudyRow.study_id))]
    return [f"without an entry: {action}" for action, value in wanted if (action, value) not in said]


def missing(place: Place, counts: Counter[str]) -> list[str]:
    """What a run to its end has not done."""
    services = open_services(place.home, load_config(place.home))
    try:
        with services.database.read() as session:
            found = {
                "approved sites": session.scalar(select(func.count()).where(SiteRow.state == "approved")),
                "cards": session.scalar(select(func.count()).select_from(CardRow)),
                "studies": session.scalar(select(func.count()).select_from(StudyRow)),
                "decisions": session.scalar(select(func.count()).select_from(DecisionRow)),
            }
        actions = Counter(entry.action for entry in services.audit.entries())
        counts["entries made again after a kill"] += max(0, actions["SITE_APPROVED"] - SITES)
    finally:
        services.close()
    wanted = {"approved sites": SITES, "cards": SITES, "studies": STUDIES, "decisions": SITES * STUDIES}
    return [f"{found[what]} {what}, expected {number}" for what, number in wanted.items() if found[what] != number]


def _serves(place: Place) -> float:
    """Seconds from the start of the people's port to its first answer."""
    host, port = split_address(place.config.people)
    trust = ssl.create_default_context(cafile=str(place.home.ca))
    begin = time.monotonic()
    command = [sys.executable, "-m", "myofed_coordinator.api", str(place.home.root)]
    process = subprocess.Popen(command, cwd=TESTS, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        with httpx.Client(verify=trust, trust_env=False, timeout=5.0) as client:
            while time.monotonic() - begin < 3 * SERVES_WITHIN_S:
                try:
                    if client.get(f"https://{host}:{port}/health").status_code == httpx.codes.OK:
                        break
                except httpx.TransportError:
                    time.sleep(0.05)
        return time.monotonic() - begin
    finally:
        process.kill()
        process.wait()
