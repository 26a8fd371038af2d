"""Rounds of this system for `bench round`: sites' port, egress, SuperNode, executor and a warm worker, as in production."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil

from bench.round_watch import Rounds, family, watch
from bench.round_work import large_weights, small_weights
from myofed_coordinator.runs.folder import RunFolder
from myofed_schemas.study import Training
from myofed_schemas.study_options import Transport

REPOSITORY = Path(__file__).parents[1]
sys.path.insert(0, str(REPOSITORY / "tests" / "functional"))  # the harness that starts a federation lies with the tests

import wall_harness as wall  # noqa: E402

PARTS = (
    *("flower-superlink", "flower-superexec", "flwr-serverapp", "sites_port", "people_port", "runs"),
    *("round_node.py", "egress_port", "executor_process", "flower-supernode", "myofed_node.service"),
)
"""Words of our processes' command lines; `round_node.py` is the worker. All else is an `up`."""
PACE_S = 4.0
"""A task of the round in which a site is killed takes this long."""


@contextmanager
def our_federation() -> Iterator[wall.Federation]:
    """Coordinator and three nodes with the benchmark's worker."""
    wall.Node.up = _up  # type: ignore[method-assign]
    with tempfile.TemporaryDirectory(prefix="myofed-round-") as folder, wall.federation(Path(folder), sites=3) as it:
        yield it


def measure(it: wall.Federation, *, kind: str, rounds: int, steps: int) -> Rounds:
    """So many rounds of one kind: `empty`, `unet` or `model100mb`."""
    run = _start(it, kind=kind, rounds=rounds, steps=steps)

    def lost() -> str:
        status = run.status()
        return "" if status.code == "OK" else run.events.read_text()

    measured = watch(lambda: _ends(run, rounds), lambda: _processes(it), rounds=rounds, lost=lost, name=part)
    it.finish(run, seconds=60)
    return measured


def part(words: Sequence[str]) -> str:
    """What a process of ours with this command line is."""
    said = " ".join(words)
    return next((name for name in PARTS if name in said), "up")


def site_killed(it: wall.Federation) -> float:
    """Seconds that a round lasts longer for the others when a whole site is killed in the middle of it."""
    for node in it.nodes.values():
        node.pace(PACE_S)
    run = _start(it, kind="empty", rounds=4, steps=0)
    victim = it.nodes["site-c"]
    wall.until(lambda: len(_ends(run, 4)) == 1, seconds=120, what="first round")
    before = victim.tasks()
    wall.until(lambda: victim.tasks() > before, seconds=60, what="victim at work")
    assert victim.process is not None
    for process in victim.process.kill():
        try:
            process.kill()
        except psutil.Error:
            continue
    wall.until(lambda: len(_ends(run, 4)) == 4, seconds=900, what="end of the run")
    first, second, _third, _fourth = _ends(run, 4)
    reports = run.status().rounds
    usual = reports[0].seconds
    for node in it.nodes.values():
        node.pace(0)
    return second - first - usual


def _start(it: wall.Federation, *, kind: str, rounds: int, steps: int) -> RunFolder:
    weights = large_weights() if kind == "model100mb" else small_weights()
    version = max((s.manifest.version for s in it.services.studies.of_site("site-a")), default=0) + 1
    base = wall.make_manifest(tuple(it.nodes), weights).training
    training = Training.model_validate(
        {**base.model_dump(), "local_steps": max(1, steps), "learning_rate_end": base.learning_rate}
    )
    changes = {"transport": Transport(by="reference")} if kind == "model100mb" else {}
    manifest = wall.make_manifest(
        tuple(it.nodes), weights, version=version, rounds=rounds, training=training, round_timeout_s=600, **changes
    )
    it.services.studies.create(manifest, weights, actor="bench", now=wall.now())
    for node in it.nodes.values():
        _approve(it, node, version)
    return it.start_run()


def _approve(it: wall.Federation, node: wall.Node, version: int) -> None:
    from myofed_node.federation.approvals import Approvals

    approvals = Approvals(node.site.folder, node.site.config)

    def newest() -> bool:
        return any(state.newest.manifest.version == version for state in approvals.studies())

    wall.until(newest, seconds=60, what=f"manifest at {node.name}")
    approvals.approve(wall.STUDY, by="bench", now=wall.now(), subjects=wall.SUBJECTS)
    wall.until(lambda: it.decision(node.name) == "approved", seconds=60, what=f"decision of {node.name}")


def _ends(run: RunFolder, rounds: int) -> list[float]:
    paths = [run.report(number) for number in range(1, rounds + 1)]
    return [path.stat().st_mtime for path in paths if path.exists()]


def _processes(it: wall.Federation) -> list[psutil.Process]:
    processes = [it.process, *(node.process for node in it.nodes.values())]
    return family(*(process.popen.pid for process in processes if process is not None))


def _up(node: wall.Node) -> None:
    node.site.folder.status.unlink(missing_ok=True)
    environment = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "OMP_NUM_THREADS": "1"}
    argv = [sys.executable, "-m", "bench.round_node", str(node.site.folder.root)]
    log = (node.site.folder.root / "up.log").open("ab")
    popen = subprocess.Popen(argv, env=environment, cwd=REPOSITORY, stdout=log, stderr=log)
    node.process = wall.Process(popen, node.site.folder.status)
