"""`python -m bench.strategy_memory`: peak memory of the ServerApp's rounds, with 3 and with 10 updates of 100 MB.

Each figure is of a process of its own that runs the product's round loop (checks, disk, strategy, checkpoint) over one
round, or two where the strategy remembers something, with an engine that makes each reply when it is asked for: what the
engine itself holds is not part of it. Peak: VmHWM of /proc/self/status, which counts file pages that are mapped as well.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from myofed_coordinator.federation.collect import Pace
from myofed_coordinator.federation.engine import Reply, Task
from myofed_coordinator.federation.rounds import RoundLoop
from myofed_coordinator.federation.weights import Tensors, pack, weights_digest
from myofed_coordinator.runs.folder import RunFolder, RunSites
from myofed_schemas.clock import system_now
from myofed_schemas.federation import MuscleScore, RunStatus, TaskMetrics
from myofed_schemas.study import SignedManifest, StudyManifest

LARGEST = (512, 512, 3, 3)
TENSORS = 11
"""Eleven convolutions of 512 x 512 x 3 x 3: 103.8 MB, the largest tensor 9.4 MB."""
STRATEGIES: dict[str, dict[str, Any]] = {
    "fedavg": {},
    "fedadam": {"strategy_options": {"server_rate": 0.1, "beta_1": 0.9, "beta_2": 0.99, "tau": 0.001}},
    "trimmed-mean": {"strategy_options": {"trim_percent": 20}},
}
SITES = (3, 10)


def weights(seed: int) -> Tensors:
    """Made-up weights of about 100 MB."""
    rng = np.random.default_rng(seed)
    return {f"layer.{k}.weight": rng.standard_normal(LARGEST, dtype=np.float32) for k in range(TENSORS)}


def manifest(strategy: str, sites: int, initial_sha256: str) -> StudyManifest:
    """Of one round, or two where the strategy remembers something; every check is on."""
    document = {
        "study_id": "strategy-memory",
        "version": 1,
        "title": "Memory of a round",
        "purpose": "Measures the coordinator's memory",
        "sites": [f"site-{k:02d}" for k in range(sites)],
        "muscles": ["VL"],
        "architecture": {
            "name": "monai-unet-2d",
            "in_channels": 1,
            "out_channels": 2,
            "channels": [8, 16],
            "strides": [2],
            "num_res_units": 0,
            "norm": "instance",
        },
        "state_dict": [{"name": f"layer.{k}.weight", "shape": LARGEST, "dtype": "float32"} for k in range(TENSORS)],
        "initial_weights_sha256": initial_sha256,
        "image": {"kind": "in-phase-magnitude", "spacing_mm": 2.0, "size_px": [96, 96]},
        "training": {
            "optimiser": "adamw",
            "learning_rate": 0.01,
            "learning_rate_end": 0.001,
            "weight_decay": 0.0,
            "batch_size": 8,
            "local_steps": 10,
            "augmentation": "none",
            "seed": 1,
        },
        "split": {"test_percent": 25, "validation_percent": 10, "salt": "s"},
        "strategy": strategy,
        "weighting": "uniform",
        "rounds": 2 if strategy == "fedadam" else 1,
        "min_sites": sites,
        "min_subjects": 1,
        "round_timeout_s": 3600,
        "max_update_norm": 1e9,
        **STRATEGIES[strategy],
    }
    return StudyManifest.model_validate_json(json.dumps(document))


def make_run(root: Path, strategy: str, sites: int) -> RunFolder:
    """A run's folder, ready for its first round."""
    packed = pack(weights(0))
    study = manifest(strategy, sites, weights_digest(packed))
    folder = RunFolder(root / "run-0123abcd")
    folder.root.mkdir()
    folder.initial_weights.write_bytes(packed)
    folder.write_manifest(SignedManifest(manifest=study, digest=study.digest(), signature="00" * 64, signer="00" * 32))
    folder.write_sites(RunSites(node_keys={site: f"{k:064x}" for k, site in enumerate(study.sites)}))
    folder.write_status(
        RunStatus(
            run_id=folder.run_id,
            study_id=study.study_id,
            manifest_digest=study.digest(),
            state="submitted",
            code="OK",
            rounds=(),
        )
    )
    return folder


@dataclass
class LazyEngine:
    """Nodes whose replies are made one at a time, as they are asked for."""

    sites: int
    tasks: dict[str, Task] = field(default_factory=dict)

    def online(self) -> dict[str, int]:
        """All of them."""
        return {f"{k:064x}": k for k in range(self.sites)}

    def send(self, tasks: Sequence[tuple[int, Task]]) -> list[str]:
        """A ticket names question, round and site."""
        tickets = [f"{task.instruction.kind}-{task.instruction.round}-{node}" for node, task in tasks]
        self.tasks = dict(zip(tickets, (task for _, task in tasks), strict=True))
        return tickets

    def replies(self, tickets: Sequence[str]) -> Iterator[Reply]:
        """All, at once."""
        said = TaskMetrics(examples=10, steps=10, loss=0.5, scores=(MuscleScore(muscle="VL", dice_sum=1, subjects=2),))
        for ticket in tickets:
            kind, number, node = ticket.split("-")
            packed = pack(weights(1000 * int(number) + int(node) + 1)) if kind == "train" else b""
            yield Reply(ticket, "OK", packed, said)


class WallClock:
    """This machine's time."""

    def monotonic(self) -> float:
        """Seconds."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """This much later."""
        time.sleep(seconds)

    def now(self) -> datetime:
        """UTC."""
        return system_now()


def peak_mb() -> float:
    """The most memory that this process held so far, in MB."""
    match = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert match, "Linux only"
    return int(match[1]) / 1000


def measure(strategy: str, sites: int) -> dict[str, Any]:
    """One run in this process: its peak, and what was there once the libraries were loaded."""
    idle = peak_mb()
    with tempfile.TemporaryDirectory() as root:
        folder = make_run(Path(root), strategy, sites)
        started = time.process_time()
        status = RoundLoop(folder, LazyEngine(sites), Pace(WallClock(), lambda: None)).run()
        assert status.state == "completed"
        cpu_s = round(time.process_time() - started, 1)
    return {"strategy": strategy, "sites": sites, "idle_mb": round(idle), "peak_mb": round(peak_mb()), "cpu_s": cpu_s}


def main() -> None:
    """Every strategy with 3 and 10 sites, one process after the other; a line of JSON each, and the growth."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--one", nargs=2, metavar=("STRATEGY", "SITES"))
    asked = parser.parse_args()
    if asked.one:
        print(json.dumps(measure(asked.one[0], int(asked.one[1]))))
        return
    for strategy in STRATEGIES:
        peaks = []
        for sites in SITES:
            command = [sys.executable, "-m", "bench.strategy_memory", "--one", strategy, str(sites)]
            line = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
            print(line, flush=True)
            peaks.append(json.loads(line)["peak_mb"])
        print(f"{strategy}: {peaks[1] / peaks[0]:.2f} times the memory with {SITES[1]} sites as with {SITES[0]}")


if __name__ == "__main__":
    main()
