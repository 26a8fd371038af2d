"""A coordinator's home with something of everything in it, its people's port served over TLS, and a browser that looks."""

from __future__ import annotations

import contextlib
import shutil
import socket
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import uvicorn
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright
from starlette.types import ASGIApp

sys.path.insert(0, str(Path(__file__).parents[1] / "unit" / "coordinator"))  # sites and studies lie with the unit tests
from catalog_examples import make_cube
from coordinator_factories import FakePerson, FakeSite, make_card, make_manifest, make_person, make_site, make_weights

from myofed_coordinator.accounts.permissions import Person, Role
from myofed_coordinator.config import CoordinatorConfig
from myofed_coordinator.home import HomeFolder
from myofed_coordinator.initialise import initialise
from myofed_coordinator.negotiations.asked import AskedParticipation
from myofed_coordinator.runs.folder import RunFolder
from myofed_coordinator.services import Services, open_services
from myofed_coordinator.studies.leads import Doer
from myofed_schemas.catalog import SuppressedCount
from myofed_schemas.clock import system_now, utc_text
from myofed_schemas.duo import ResearchPurpose
from myofed_schemas.federation import FinalEvaluation, Heartbeat, RoundReport, RunStatus, SiteError
from myofed_schemas.service_loop import free_port
from myofed_schemas.study import SignedManifest

CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
ARTEFACTS = Path(__file__).parents[2] / "test-artefacts" / "pages"
RUNNING, COMPLETED = "run-20261122120000aaaaaaaa", "run-20261121120000bbbbbbbb"
STUDY = "thigh-muscles"
WEIGHTS = make_weights()


@dataclass
class Seeded:
    """A home with sites in every state, two studies, a running and a completed run, and a model."""

    home: HomeFolder
    services: Services
    sites: dict[str, FakeSite] = field(default_factory=dict)
    people: dict[Role, FakePerson] = field(default_factory=dict)
    model: str = ""
    request: str = ""


def seed(root: Path, *, database_url: str | None = None) -> Seeded:
    """The home, filled by the services' own use cases."""
    config = CoordinatorConfig(
        name="Example consortium", people=f"127.0.0.1:{free_port()}", sites="127.0.0.1:1", database_url=database_url
    )
    home = initialise(root / "coordinator", config, actor="admin", now=system_now())
    seeded = Seeded(home, open_services(home, config))
    for name in ("hospital-a", "hospital-b", "hospital-c"):
        seeded.sites[name] = _enrol(seeded, name, approved=True)
    seeded.sites["hospital-d"] = _enrol(seeded, "hospital-d", approved=False)
    seeded.services.enrolment.create_invite("hospital-e", actor="admin", now=system_now(), valid=timedelta(days=3))
    seeded.services.enrolment.revoke("hospital-c", actor="admin", now=system_now())
    for role in Role:
        site = "hospital-a" if role is Role.SITE_REPRESENTATIVE else None
        seeded.people[role] = make_person(seeded.services.accounts, str(role), role, now=system_now(), site=site)
    _publish(seeded)
    seeded.request = _request(seeded)
    signed = _studies(seeded)
    seeded.model = _runs(seeded, signed, root)
    return seeded


def _enrol(seeded: Seeded, name: str, *, approved: bool) -> FakeSite:
    site, now, enrolment = make_site(name), system_now(), seeded.services.enrolment
    invite = enrolment.create_invite(name, actor="admin", now=now, valid=timedelta(days=1), pre_approved=approved)
    enrolment.receive_request(site.request(invite), now=now)
    if approved and name != "hospital-b":
        beat = Heartbeat(myofed_version="0.1.0", flwr_version="1.41.0", state="READY", sent_at=utc_text(now))
        enrolment.note_heartbeat(name, beat, now=now)
    return site


def _publish(seeded: Seeded) -> None:
    cards = (
        make_card("hospital-a"),
        make_card("hospital-a", dataset="leg-mese", title="Leg MESE, follow-up", region="leg", suffixes=("MESE",)),
        make_card("hospital-b", diagnoses=("ORPHA:98896",), vendors=("Philips",), label_origin="edited", conforms=False),
        make_card("hospital-b", dataset="shoulder", title="Shoulder", region="shoulder", subjects=SuppressedCount(rounded_to=5)),
    )  # fmt: skip
    for card in cards:
        seeded.services.catalog.publish(card, site=card.site, now=system_now())
    seeded.services.catalog.publish_cube(make_cube("hospital-a"), site="hospital-a", now=system_now())


def _request(seeded: Seeded) -> str:
    lead = Person(str(Role.STUDY_LEAD), frozenset({Role.STUDY_LEAD}))
    asked = AskedParticipation(
        site="hospital-a",
        dataset="thigh-dixon",
        study_id=STUDY,
        purpose=ResearchPurpose(diseases=("ORPHA:269",), methods=True),
        message="We plan a segmentation of single thigh muscles. Would you take part?",
    )
    thread = seeded.services.negotiations.ask(asked, person=lead, now=system_now())
    return thread.signed.request.negotiation_id


def _studies(seeded: Seeded) -> SignedManifest:
    studies, now = seeded.services.studies, system_now()
    both = ("hospital-a", "hospital-b")
    first = make_manifest(WEIGHTS, sites=both, rounds=12, title="Two muscles of the thigh")
    signed = studies.create(first, WEIGHTS, actor=Doer(str(Role.STUDY_LEAD)), now=now)
    studies.record_decision(seeded.sites["hospital-a"].decide(first), site="hospital-a", now=now)
    declined = seeded.sites["hospital-b"].decide(first, "declined", reason="LEGAL_BASIS")
    studies.record_decision(declined, site="hospital-b", now=now)
    other = make_manifest(
        WEIGHTS, sites=both, study_id="leg-fat", title="Fat of the leg, a longer title that wraps", min_sites=1
    )
    studies.create(other, WEIGHTS, actor=Doer(str(Role.STUDY_LEAD)), now=now)
    ready = make_manifest(
        WEIGHTS, sites=both, study_id="shoulder-muscles", title="Muscles of the shoulder", min_sites=1
    )
    studies.create(ready, WEIGHTS, actor=Doer(str(Role.STUDY_LEAD)), now=now)
    studies.record_decision(seeded.sites["hospital-b"].decide(ready), site="hospital-b", now=now)
    return signed


def _runs(seeded: Seeded, signed: SignedManifest, root: Path) -> str:
    path = root / "model"
    path.write_bytes(WEIGHTS)
    models = seeded.services.models
    record = models.register(COMPLETED, path, manifest_digest=signed.digest, rounds=12, now=system_now())
    write_run(seeded, COMPLETED, signed, rounds=12, state="completed", model=record.statement.sha256)
    write_run(seeded, RUNNING, signed, rounds=4, state="running")
    return record.statement.sha256


def write_run(
    seeded: Seeded, run_id: str, signed: SignedManifest, *, rounds: int, state: str, model: str | None = None
) -> None:
    """The folder of a run that stands there."""
    folder = RunFolder(seeded.home.run_folder(run_id))
    folder.root.mkdir(parents=True, exist_ok=True)
    final = FinalEvaluation(dice=0.871, dice_per_site={"hospital-a": 0.88, "hospital-b": 0.862}, errors=())
    status = RunStatus(
        run_id=run_id,
        study_id=signed.manifest.study_id,
        manifest_digest=signed.digest,
        state=state,
        code="OK",
        rounds=tuple(_round(number) for number in range(1, rounds + 1)),
        model_sha256=model,
        final=final if model else None,
        kept_round=12 if model else None,
    )
    folder.write_status(status)


def _round(number: int) -> RoundReport:
    dice = {"hospital-a": round(0.9 - 0.6 / number, 3), "hospital-b": round(0.86 - 0.5 / number, 3)}
    lost = number == 3
    if lost:
        del dice["hospital-b"]
    return RoundReport(
        round=number,
        started_at="2026-11-22T12:00:00Z",
        seconds=61.5,
        sites=tuple(dice),
        errors=(SiteError(site="hospital-b", code="WORKER_LOST"),) if lost else (),
        loss=0.8 / number,
        dice=sum(dice.values()) / len(dice),
        dice_per_site=dice,
        weights_sha256="a" * 64,
    )


@contextlib.contextmanager
def served(app: ASGIApp, home: HomeFolder, address: str) -> Iterator[str]:
    """The app's address, over TLS with the home's own certificate; nothing listens there afterwards."""
    host, port = address.split(":")
    config = uvicorn.Config(
        app,
        host=host,
        port=int(port),
        ssl_certfile=home.server_certificate,
        ssl_keyfile=home.server_key,
        log_level="warning",
        ws="none",
        lifespan="off",
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    end = time.monotonic() + 20
    while not server.started:
        assert time.monotonic() < end, "the people's port does not start"
        time.sleep(0.02)
    try:
        yield f"https://{address}"
    finally:
        server.should_exit = True
        thread.join(10)
        with socket.socket() as probe:
            assert probe.connect_ex((host, int(port))) != 0


@contextlib.contextmanager
def browser() -> Iterator[Browser]:
    """Debian's chromium without a window."""
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-dev-shm-usage"])
        yield opened
        opened.close()


@dataclass
class Looker:
    """One person's browser window; it notes every error of the console and every refused load."""

    context: BrowserContext
    page: Page
    address: str
    complaints: list[str] = field(default_factory=list)

    def go(self, path: str) -> None:
        """The page is loaded, with its scripts done."""
        answer = self.page.goto(self.address + path, wait_until="load")
        assert answer is not None
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy

    def picture(self, name: str) -> None:
        """A screenshot of the whole page lies among the artefacts."""
        ARTEFACTS.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=ARTEFACTS / f"{name}.png", full_page=True)


@contextlib.contextmanager
def looker(opened: Browser, address: str, **options: object) -> Iterator[Looker]:
    """A fresh window; options as Playwright's new_context takes them."""
    context = opened.new_context(ignore_https_errors=True, **options)
    page = context.new_page()
    it = Looker(context, page, address)
    page.on("console", lambda m: it.complaints.append(m.text) if m.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: it.complaints.append(str(error)))
    try:
        yield it
    finally:
        context.close()
