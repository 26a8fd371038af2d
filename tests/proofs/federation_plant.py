"""A coordinator and its hospitals as real processes with a real worker, kept up as systemd would keep them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil

TESTS = Path(__file__).parents[1]
for _folder in ("functional", "unit/simulation"):  # the harness and the tiny patients lie with their tests
    sys.path.insert(0, str(TESTS / _folder))

import wall_harness as wall
from simulation_factories import DRAFT, initial, write_subject

from myofed_coordinator.config import CoordinatorConfig, load_config
from myofed_coordinator.home import HomeFolder
from myofed_coordinator.initialise import initialise
from myofed_coordinator.models.weights import sha256_of, tensor_specs
from myofed_coordinator.services import open_services
from myofed_coordinator.studies.leads import Doer
from myofed_node.federation.approvals import Approvals
from myofed_schemas.service_loop import free_port
from myofed_schemas.study import StudyManifest

SITES = ("site-a", "site-b", "site-c")
COORDINATOR = "coordinator"
SUBJECTS = 6
RESTART_S = 1.0
"""systemd's RestartSec; its default is 0.1 s."""
MADE_UP_NODE = TESTS / "functional" / "wall_node.py"
PROGRAM = "import sys; from {module}.cli import main; sys.argv[0] = 'myofed'; main()"


@dataclass
class Plant:
    """The services of one coordinator and its nodes; each `up` is started again whenever it ends.

    Attributes:
        it: Folders and services of the coordinator, and the nodes.
        trains: The nodes have the real worker; else the harness's, which adds one to every weight and needs no torch.
        ended: Exit status of every `up` that ended without having been killed here.
    """

    it: wall.Federation
    trains: bool = True
    ended: list[str] = field(default_factory=list)
    _over: threading.Event = field(default_factory=threading.Event)
    _keeper: threading.Thread | None = None

    def names(self) -> tuple[str, ...]:
        """Of all services."""
        return (COORDINATOR, *self.it.nodes)

    def root(self, name: str) -> Path:
        """Its folder."""
        return self.it.home.root if name == COORDINATOR else self.it.nodes[name].site.folder.root

    def process(self, name: str) -> wall.Process | None:
        """The `up` of this name as it was last started."""
        return self.it.process if name == COORDINATOR else self.it.nodes[name].process

    def start(self, name: str) -> None:
        """The `up` was told to start."""
        if name == COORDINATOR:
            argv = ["-c", PROGRAM.format(module="myofed_coordinator"), "up", str(self.it.home.root)]
            self.it.process = wall.start(argv, self.it.home.status)
            return
        node = self.it.nodes[name]
        root = str(node.site.folder.root)
        real, made_up = ["-c", PROGRAM.format(module="myofed_node"), "up", root], [str(MADE_UP_NODE), root]
        node.process = wall.start(real if self.trains else made_up, node.site.folder.status)

    def ready(self, name: str) -> bool:
        """Every child of it serves."""
        process = self.process(name)
        states = process.states() if process is not None and process.popen.poll() is None else {}
        return bool(states) and set(states.values()) == {"ready"}

    def await_ready(self, *, seconds: float = 180) -> None:
        """All services are ready."""
        for name in self.names():
            wall.until(lambda name=name: self.ready(name), seconds=seconds, what=f"{name} ready")

    def keep_up(self) -> None:
        """From now on an `up` that ended is started again, as systemd's Restart=always does."""
        self._over.clear()
        self._keeper = threading.Thread(target=self._keep, daemon=True)
        self._keeper.start()

    def stop(self) -> list[str]:
        """Everything was asked to stop; what did not end, or was left behind by something killed."""
        if self._keeper is not None:
            self._over.set()
            self._keeper.join()
            self._keeper = None
        running = [p for p in map(self.process, self.names()) if p is not None and p.popen.poll() is None]
        for process in running:
            process.popen.send_signal(signal.SIGTERM)
        faults = []
        for process in running:
            try:
                process.popen.wait(60)
            except subprocess.TimeoutExpired:
                faults.append(f"{process.status.parent.parent.name}: `up` did not stop within 60 s")
                process.popen.kill()
                process.popen.wait()
        left = self.left_behind()
        for process in left:
            faults.append(f"left behind: {' '.join(process.cmdline()[:4])[:120]}")
            process.kill()
        return faults

    def left_behind(self, *, seconds: float = 20) -> list[psutil.Process]:
        """Processes that still work in one of the folders after so many seconds."""
        end = time.monotonic() + seconds
        while (left := [p for p in psutil.process_iter() if self._is_ours(p)]) and time.monotonic() < end:
            time.sleep(0.5)
        return left

    def _is_ours(self, process: psutil.Process) -> bool:
        try:
            root = str(self.it.home.root.parent)
            if process.pid == os.getpid() or process.status() == psutil.STATUS_ZOMBIE:
                return False
            return process.cwd().startswith(root) or any(root in part for part in process.cmdline())
        except psutil.Error:
            return False

    def _keep(self) -> None:
        while not self._over.wait(0.1):
            for name in self.names():
                process = self.process(name)
                if process is None or process.popen.poll() is None:
                    continue
                if process.popen.returncode != -signal.SIGKILL:
                    self.ended.append(f"{name}: `up` ended by itself with {process.popen.returncode}")
                if not self._over.wait(RESTART_S):
                    self.start(name)


@contextmanager
def plant(root: Path, *, sites: tuple[str, ...] = SITES, trains: bool = True) -> Iterator[Plant]:
    """A coordinator and enrolled, ready nodes with a few synthetic patients each; nothing of it runs afterwards."""
    config = CoordinatorConfig(people=f"127.0.0.1:{free_port()}", sites=f"127.0.0.1:{free_port()}", demo=True)
    home: HomeFolder = initialise(root / COORDINATOR, config, actor="proof", now=wall.now())
    made = Plant(wall.Federation(home, open_services(home, load_config(home))), trains)
    try:
        made.start(COORDINATOR)
        wall.until(lambda: made.ready(COORDINATOR), seconds=180, what="coordinator ready")
        for number, name in enumerate(sites):
            node = made.it.join(name)
            for index in range(SUBJECTS):
                write_subject(node.site.folder.dataset, f"s{index}", seed=100 * number + index)
            made.start(name)
        made.await_ready()
        yield made
    finally:
        made.stop()
        made.it.services.close()


def approved_study(made: Plant, *, rounds: int, local_steps: int, round_timeout_s: int) -> StudyManifest:
    """A study that every site approved and in which every site takes part in every round.

    Both sides keep something from round to round, so that a round done twice by mistake would show in the weights: local
    normalisation and what the encoding rounded away at the sites, and the updates seen at the coordinator.
    """
    weights = initial()
    specs = tensor_specs(weights)
    training = {**DRAFT["training"], "local_steps": local_steps}  # type: ignore[dict-item]
    if not made.trains:  # steps of one are plausible then
        training |= {"learning_rate": 1.0, "learning_rate_end": 1.0}
    manifest = StudyManifest.model_validate(
        DRAFT
        | {
            "study_id": wall.STUDY,
            "version": 1,
            "sites": tuple(made.it.nodes),
            "state_dict": specs,
            "initial_weights_sha256": sha256_of(weights),
            "training": training,
            "strategy": "fedbn",
            "strategy_options": {"release": "aggregated"},
            "local_tensors": tuple(t.name for t in specs if ".adn.N." in t.name),
            "transport": {"by": "message", "encoding": "delta-int8"},
            "rounds": rounds,
            "min_sites": len(made.it.nodes),
            "round_timeout_s": round_timeout_s,
            "demo": True,
        }
    )
    made.it.services.studies.create(manifest, weights, actor=Doer("proof"), now=wall.now())
    for node in made.it.nodes.values():
        approvals = Approvals(node.site.folder, node.site.config)
        wall.until(approvals.studies, seconds=60, what=f"manifest at {node.name}")
        subjects = tuple(f"s{index}" for index in range(SUBJECTS))
        approvals.approve(wall.STUDY, by="proof", now=wall.now(), subjects=subjects)
        wall.until(lambda n=node: made.it.decision(n.name) == "approved", seconds=60, what=f"decision of {node.name}")  # type: ignore[misc]
    return manifest
