"""The acceptance walk: two nodes as processes enrol, publish, are counted, get a study; one approves, one declines, one is revoked.

The coordinator's part is done by hands: a person's browser, or commands on its machine. The nodes' part is always by command.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import nibabel as nib
import numpy as np
import pages_harness as harness
import wall_harness as wall
import yaml
from coordinator_factories import FakePerson, make_person
from pages_harness import Looker
from pages_walk import grave_findings, log_in
from playwright.sync_api import Browser, expect

sys.path.insert(0, str(Path(__file__).parents[1] / "unit" / "node"))  # tiny subjects lie with the unit tests
from test_node_learning_data import write_subject

from myofed_coordinator.accounts.permissions import Role
from myofed_coordinator.config import CoordinatorConfig, load_config
from myofed_coordinator.home import HomeFolder
from myofed_coordinator.initialise import initialise
from myofed_coordinator.services import open_services
from myofed_node.settings import initial_config
from myofed_node.site_setup import Site, make_site
from myofed_schemas.service_loop import free_port

SITES = ("hospital-a", "hospital-b")
STUDY = "two-muscles"
SUBJECTS = 4
COORDINATOR = "from myofed_coordinator.cli import main; main()"
NODE = "from myofed_node.entry import main; main()"
NETWORK = {
    "name": "monai-unet-2d",
    "in_channels": 1,
    "out_channels": 2,
    "channels": [4, 8],
    "strides": [2],
    "num_res_units": 0,
    "norm": "instance",
}
IMAGE = {"kind": "in-phase-magnitude", "spacing_mm": 2.0, "size_px": [32, 32]}


def run(program: str, *words: str, code: int = 0) -> str:
    """A command in a process of its own has ended with this status; gives its standard output."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", program, *words], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == code, f"{words}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


class Hands(Protocol):
    """Who does the coordinator's part."""

    def invite(self, site: str) -> Path:
        """The invite's file."""

    def approve(self, site: str) -> None:
        """The site is let in."""

    def count(self) -> tuple[int, int]:
        """Subjects that surely are there, and sites that told."""

    def offer(self, weights: Path) -> None:
        """The study is signed and offered to both sites."""

    def decisions(self) -> dict[str, str]:
        """Site -> its last word."""

    def revoke(self, site: str) -> None:
        """The site is out."""

    def state(self, site: str) -> str:
        """Of the site."""


@dataclass
class ByCommand:
    """Commands on the coordinator's machine."""

    home: HomeFolder

    def invite(self, site: str) -> Path:
        out = self.home.root.parent / f"{site}.invite.json"
        self._run("invite", site, "--out", str(out))
        return out

    def approve(self, site: str) -> None:
        self._run("sites", "approve", site)

    def count(self) -> tuple[int, int]:
        answer = json.loads(self._run("catalog", "query", "--region", "thigh", "--json"))
        return answer["subjects_at_least"], len({card["site"] for card in answer["cards"]})

    def offer(self, weights: Path) -> None:
        file = weights.with_suffix(".yaml")
        file.write_text(yaml.safe_dump(draft()))
        self._run("study", "create", "--file", str(file), "--weights", str(weights))

    def decisions(self) -> dict[str, str]:
        return dict(json.loads(self._run("study", "show", STUDY, "--json"))["decisions"])

    def revoke(self, site: str) -> None:
        self._run("sites", "revoke", site)

    def state(self, site: str) -> str:
        records = json.loads(self._run("sites", "list", "--json"))["sites"]
        return str(next(record["state"] for record in records if record["site"] == site))

    def _run(self, *words: str) -> str:
        return run(COORDINATOR, *words, "--home", str(self.home.root))


@dataclass
class ByPage:
    """An administrator's and a study lead's browser; every page that is passed is looked at by axe-core."""

    folder: Path
    administrator: Looker
    lead: Looker
    pictures: int = 0
    grave: list[str] = field(default_factory=list)

    def invite(self, site: str) -> Path:
        page = self._go(self.administrator, "/sites")
        page.page.fill("#site", site)
        with page.page.expect_download() as download:
            page.page.click("text=Make the invite")
        out = self.folder / f"{site}.invite.json"
        download.value.save_as(out)
        return out

    def approve(self, site: str) -> None:
        page = self._go(self.administrator, f"/sites/{site}")
        page.page.click(f"text=Approve {site}")
        expect(page.page.locator(".notice")).to_contain_text("The site is approved")

    def count(self) -> tuple[int, int]:
        page = self._go(self.lead, "/feasibility")
        page.page.select_option("#region", "thigh")
        page.page.click("main button[type=submit]")
        expect(page.page.locator("#h-answer")).to_be_visible(timeout=20_000)
        subjects, sites = page.page.locator("section strong").all_inner_texts()[:2]
        self._look(page)
        return int(subjects), int(sites)

    def offer(self, weights: Path) -> None:
        window = self._go(self.lead, "/study-draft")
        page, wanted = window.page, draft()
        page.click("text=Begin >> nth=-1")
        for name in ("study_id", "title", "purpose"):
            page.fill(f"#{name}", str(wanted[name]))
        page.click("text=Save and go on")
        for site in SITES:
            page.check(f"#sites-{site}")
        page.fill("#min_sites", "1")
        page.fill("#min_subjects", "3")
        page.select_option("#demo", "yes")
        page.click("text=Save and go on")
        page.fill("#muscles", "VL")
        page.fill("#architecture", yaml.safe_dump(NETWORK))
        page.fill("#image", yaml.safe_dump(IMAGE))
        page.set_input_files("#upload", weights)
        expect(page.locator("#upload-state")).to_have_text("Uploaded and chosen.", timeout=20_000)
        page.click("text=Save and go on")
        page.click("text=Save and go on")
        self._look(window)
        page.click("text=Sign and offer")
        expect(page.locator(".notice")).to_contain_text("signed and offered")

    def decisions(self) -> dict[str, str]:
        page = self._go(self.lead, f"/studies/{STUDY}").page
        rows = page.locator("#w-version-1 tbody tr")
        return {
            rows.nth(n).locator("th").inner_text(): rows.nth(n).locator(".pill").inner_text()
            for n in range(rows.count())
        }

    def revoke(self, site: str) -> None:
        page = self._go(self.administrator, f"/sites/{site}")
        page.page.fill("#confirm", site)
        page.page.click(f"text=Revoke {site}")
        expect(page.page.locator(".notice")).to_contain_text("The site is revoked")
        self._look(page)

    def state(self, site: str) -> str:
        return self._go(self.lead, f"/sites/{site}").page.inner_text("h1 .pill")

    def _go(self, window: Looker, path: str) -> Looker:
        window.go(path)
        return window

    def _look(self, window: Looker) -> None:
        self.pictures += 1
        window.picture(f"walk-{self.pictures}")
        self.grave += grave_findings(window) + window.complaints


def draft() -> dict[str, object]:
    """The study as docs/study.md writes one."""
    return {
        "study_id": STUDY,
        "title": "One muscle of the thigh",
        "purpose": "Segmentation for follow-up",
        "sites": list(SITES),
        "muscles": ["VL"],
        "architecture": NETWORK,
        "image": IMAGE,
        "training": {
            "optimiser": "adamw",
            "learning_rate": 0.003,
            "learning_rate_end": 0.0003,
            "weight_decay": 0.0001,
            "batch_size": 8,
            "local_steps": 4,
            "augmentation": "none",
            "seed": 1,
        },
        "split": {"test_percent": 25, "validation_percent": 15, "salt": "walk"},
        "strategy": "fedavg",
        "weighting": "uniform",
        "rounds": 2,
        "min_sites": 1,
        "min_subjects": 3,
        "round_timeout_s": 60,
        "demo": True,
    }


@dataclass
class Consortium:
    """A coordinator that runs, two sites that have data and no certificate, and people with accounts."""

    federation: wall.Federation
    sites: dict[str, Site]
    people: dict[Role, FakePerson]
    address: str

    def node(self, site: str, *words: str, code: int = 0) -> str:
        return run(NODE, *words, "--site", str(self.sites[site].folder.root), code=code)


def name_labels(dataset: Path) -> None:
    """Every label map has the sidecar that a card is made from."""
    for image in dataset.glob("derivatives/labels/**/*_dseg.nii.gz"):
        values = np.unique(np.asarray(nib.load(image).dataobj))
        document = {"LabelOrigin": "manual", "Labels": {str(int(value)): "a muscle" for value in values if value}}
        image.with_name(image.name.replace(".nii.gz", ".json")).write_text(json.dumps(document))


@contextlib.contextmanager
def consortium(root: Path, *, database_url: str | None = None) -> Iterator[Consortium]:
    """Everything ends with the block."""
    config = CoordinatorConfig(
        people=f"127.0.0.1:{free_port()}", sites=f"127.0.0.1:{free_port()}", demo=True, database_url=database_url
    )
    home = initialise(root / "coordinator", config, actor="test", now=wall.now())
    it = wall.Federation(home, open_services(home, load_config(home)))
    try:
        people = {
            r: make_person(it.services.accounts, str(r), r, now=wall.now())
            for r in (Role.ADMINISTRATOR, Role.STUDY_LEAD)
        }
        sites = {}
        for number, name in enumerate(SITES):
            made = initial_config(name, demo=True, settings=["heartbeat_s=2"])
            sites[name] = make_site(root / name, config=made, now=wall.now())
            for seed in range(SUBJECTS):
                write_subject(sites[name].folder.dataset, f"p{number}{seed}", seed=10 * number + seed)
            name_labels(sites[name].folder.dataset)
        it.up()
        yield Consortium(it, sites, people, f"https://{config.people}")
    finally:
        running = [p for p in (it.process, *(n.process for n in it.nodes.values())) if p and p.popen.poll() is None]
        for process in running:
            process.stop()
        it.services.close()


@contextlib.contextmanager
def by_page(it: Consortium, opened: Browser, folder: Path) -> Iterator[ByPage]:
    """Two windows, each of somebody who is signed in."""
    with harness.looker(opened, it.address) as one, harness.looker(opened, it.address) as two:
        log_in(one, it.people[Role.ADMINISTRATOR], now=wall.now())
        log_in(two, it.people[Role.STUDY_LEAD], now=wall.now())
        yield ByPage(folder, one, two)


def walk(it: Consortium, hands: Hands, folder: Path) -> None:
    """The whole walk; each step has been seen from both sides."""
    for name, site in it.sites.items():
        invite = str(hands.invite(name))
        it.node(name, "join", "--invite", invite, code=23)
        hands.approve(name)
        it.node(name, "join", "--invite", invite)
        it.federation.nodes[name] = node = wall.Node(site)
        node.up()
    for name, node in it.federation.nodes.items():
        assert node.process is not None
        wall.until(node.process.ready, seconds=120, what=f"{name} ready")
        it.node(name, "publish")
    assert hands.count() == (2 * SUBJECTS, 2)

    study, weights = folder / "study.yaml", folder / "initial.safetensors"
    study.write_text(yaml.safe_dump(draft()))
    run(NODE, "model", "init", "--study", str(study), "--out", str(weights))
    hands.offer(weights)
    assert hands.decisions() == dict.fromkeys(SITES, "open")
    for name in SITES:
        wall.until(
            lambda name=name: STUDY in it.node(name, "studies", "list", "--json"), seconds=120, what=f"study at {name}"
        )
    it.node("hospital-a", "approve", STUDY)
    it.node("hospital-b", "decline", STUDY)
    expected = {"hospital-a": "approved", "hospital-b": "declined"}
    wall.until(lambda: hands.decisions() == expected, seconds=120, what="both decisions")

    hands.revoke("hospital-b")
    assert hands.state("hospital-b") == "revoked"
    assert "SITE_REVOKED" in run_refused(it, "hospital-b")
    it.node("hospital-a", "publish")
    actions = [(entry.actor, entry.action) for entry in it.federation.services.audit.entries()]
    for deed in (("hospital-a", "STUDY_APPROVED"), ("hospital-b", "STUDY_DECLINED"), ("hospital-b", "CARD_PUBLISHED")):
        assert deed in actions
    it.federation.services.audit.verify()


def run_refused(it: Consortium, site: str) -> str:
    """What a command of a site that is out says."""
    words = ["publish", "--withdraw", "--json", "--site", str(it.sites[site].folder.root)]
    done = subprocess.run([sys.executable, "-c", NODE, *words], capture_output=True, text=True, check=False)
    assert done.returncode != 0
    return done.stdout + done.stderr
