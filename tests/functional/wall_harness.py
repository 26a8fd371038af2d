"""A small federation of real processes on loopback; only the training is made up. Everything ends with the block."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import psutil
from safetensors.numpy import save

from myofed_coordinator.config import CoordinatorConfig, load_config
from myofed_coordinator.home import HomeFolder
from myofed_coordinator.initialise import initialise
from myofed_coordinator.models.weights import sha256_of, tensor_specs
from myofed_coordinator.runs.folder import FINAL_STATES, RunFolder
from myofed_coordinator.services import Services, open_runs, open_services
from myofed_coordinator.studies.leads import Doer
from myofed_node.federation.approvals import Approvals
from myofed_node.join import join_once
from myofed_node.settings import initial_config
from myofed_node.site_setup import Site, make_site
from myofed_schemas.federation import RunStatus
from myofed_schemas.service_loop import free_port
from myofed_schemas.study import Architecture, InputImage, Split, StudyManifest, Training

HERE = Path(__file__).parent
STUDY = "thigh-muscles"
SUBJECTS = tuple(f"s{number}" for number in range(8))


def now() -> datetime:
    return datetime.now(tz=UTC)


def until(condition: Callable[[], object], *, seconds: float, what: str) -> None:
    """The condition has come true."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not within {seconds} s: {what}"
        time.sleep(0.1)


@dataclass
class Process:
    """An `up` command and everything under it."""

    popen: subprocess.Popen[bytes]
    status: Path

    def pids(self) -> dict[str, int]:
        return dict(json.loads(self.status.read_bytes())["pids"])

    def states(self) -> dict[str, str]:
        return dict(json.loads(self.status.read_bytes())["children"]) if self.status.exists() else {}

    def ready(self) -> bool:
        assert self.popen.poll() is None, f"{self.status.parent} ended with {self.popen.returncode}"
        states = self.states()
        return bool(states) and all(state == "ready" for state in states.values())

    def family(self) -> list[psutil.Process]:
        parent = psutil.Process(self.popen.pid)
        return [parent, *parent.children(recursive=True)]

    def stop(self) -> None:
        """SIGTERM, and nobody is left."""
        family = self.family() if self.popen.poll() is None else []
        self.popen.terminate()
        self.popen.wait(20)
        _, alive = psutil.wait_procs(family, timeout=5)
        assert not alive, f"left behind: {[p.name() for p in alive]}"

    def kill(self) -> list[psutil.Process]:
        """SIGKILL to `up` itself; gives all that were under it."""
        family = self.family()
        self.popen.kill()
        self.popen.wait()
        return family


@dataclass
class Node:
    """One hospital."""

    site: Site
    process: Process | None = None

    @property
    def name(self) -> str:
        return self.site.config.site

    def up(self) -> None:
        self.process = start([str(HERE / "wall_node.py"), str(self.site.folder.root)], self.site.folder.status)

    def pace(self, seconds: float) -> None:
        """How long each task takes from now on, also one that is under way."""
        path = self.site.folder.run / "pace.json"
        path.with_suffix(".new").write_text(json.dumps({"seconds": seconds}))
        path.with_suffix(".new").rename(path)

    def tasks(self) -> int:
        """How many tasks reached the worker."""
        seen = self.site.folder.run / "seen.jsonl"
        return len(seen.read_text().splitlines()) if seen.exists() else 0


def start(arguments: list[str], status: Path) -> Process:
    status.unlink(missing_ok=True)
    environment = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "OMP_NUM_THREADS": "1"}
    log = (status.parent.parent / "up.log").open("ab")
    popen = subprocess.Popen([sys.executable, *arguments], env=environment, stdout=log, stderr=log)
    return Process(popen, status)


@dataclass
class Federation:
    """A coordinator and its nodes."""

    home: HomeFolder
    services: Services
    process: Process | None = None
    nodes: dict[str, Node] = field(default_factory=dict)

    def up(self) -> None:
        """The coordinator's services are ready."""
        code = "from myofed_coordinator.cli import main; main()"
        self.process = start(["-c", code, "up", str(self.home.root)], self.home.status)
        until(self.process.ready, seconds=60, what="coordinator ready")

    def join(self, name: str) -> Node:
        """A new site with a certificate; its services are not up."""
        root = self.home.root.parent / name
        site = make_site(root, config=initial_config(name, demo=True, settings=["heartbeat_s=2"]), now=now())
        invite = self.services.enrolment.create_invite(
            name, actor="test", now=now(), valid=timedelta(hours=1), pre_approved=True
        )
        assert join_once(site, invite, now=now()).state == "approved"
        self.nodes[name] = Node(site)
        return self.nodes[name]

    def create_study(self, **changes: object) -> StudyManifest:
        """A study for all sites that joined, offered to them."""
        weights = initial_weights()
        manifest = make_manifest(tuple(self.nodes), weights, **changes)
        self.services.studies.create(manifest, weights, actor=Doer("test"), now=now())
        return manifest

    def approve(self, node: Node) -> None:
        """The site's people approved the study, and the coordinator knows it by the node's own ways."""
        approvals = Approvals(node.site.folder, node.site.config)
        until(approvals.studies, seconds=30, what=f"manifest at {node.name}")
        approvals.approve(STUDY, by="tester", now=now(), subjects=SUBJECTS)
        until(lambda: self.decision(node.name) == "approved", seconds=30, what=f"decision of {node.name}")

    def decision(self, site: str) -> str:
        return self.services.studies.show(STUDY).decisions[site]

    def start_run(self) -> RunFolder:
        runs = open_runs(self.services)
        return runs.folder(runs.start(STUDY, actor="test", now=now()).run_id)

    def finish(self, folder: RunFolder, *, seconds: float) -> RunStatus:
        until(lambda: folder.status().state in FINAL_STATES, seconds=seconds, what=f"end of run, {folder.status()}")
        return folder.status()

    def rounds(self, folder: RunFolder) -> int:
        return len(folder.status().rounds)


def initial_weights() -> bytes:
    """Uneven eighths, so that the fake worker's steps of one are exact and no row is another's multiple."""
    eighths = np.random.default_rng(0).integers(-16, 16, (33, 32)).astype(np.float32) / 8
    return save({"net.weight": eighths[:32].copy(), "net.bias": eighths[32, :4].copy()})


def make_manifest(sites: tuple[str, ...], weights: bytes, **changes: object) -> StudyManifest:
    values: dict[str, object] = {
        "study_id": STUDY,
        "version": 1,
        "title": "Thigh muscles",
        "purpose": "Test of the wall",
        "sites": sites,
        "muscles": ("VL",),
        "architecture": Architecture(
            name="monai-unet-2d",
            in_channels=1,
            out_channels=2,
            channels=(4, 8),
            strides=(2,),
            num_res_units=0,
            norm="instance",
        ),
        "state_dict": tensor_specs(weights),
        "initial_weights_sha256": sha256_of(weights),
        "image": InputImage(kind="in-phase-magnitude", spacing_mm=2.0, size_px=(16, 16)),
        "training": Training(
            optimiser="adamw",
            learning_rate=1.0,  # a step of one is plausible to a node's guard
            learning_rate_end=1.0,
            weight_decay=0.0,
            batch_size=2,
            local_steps=3,
            augmentation="none",
            seed=1,
        ),
        "split": Split(test_percent=25, validation_percent=25, salt="s"),
        "strategy": "fedavg",
        "weighting": "uniform",
        "rounds": 3,
        "min_sites": 2,
        "min_subjects": 1,
        "round_timeout_s": 60,
        "demo": True,
    }
    return StudyManifest.model_validate(values | changes)


@contextlib.contextmanager
def federation(root: Path, *, sites: int) -> Iterator[Federation]:
    """Coordinator up, sites joined and up, an approved study still to be made."""
    config = CoordinatorConfig(people=f"127.0.0.1:{free_port()}", sites=f"127.0.0.1:{free_port()}", demo=True)
    home = initialise(root / "coordinator", config, actor="test", now=now())
    it = Federation(home, open_services(home, load_config(home)))
    try:
        it.up()
        for number in range(sites):
            it.join(f"site-{'abcdefgh'[number]}").up()
        for node in it.nodes.values():
            assert node.process is not None
            until(node.process.ready, seconds=60, what=f"{node.name} ready")
        yield it
    finally:
        processes = [it.process, *(node.process for node in it.nodes.values())]
        running = [p for p in processes if p is not None and p.popen.poll() is None]
        for process in running:
            process.popen.send_signal(signal.SIGTERM)
        for process in running:
            process.stop()
        it.services.close()


def approved_study(it: Federation, **changes: object) -> StudyManifest:
    """A study that every site approved."""
    manifest = it.create_study(**changes)
    for node in it.nodes.values():
        it.approve(node)
    return manifest
