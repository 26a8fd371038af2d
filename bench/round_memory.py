"""Peak memory of the round loop with updates of 100 MB: `python -m bench.round_memory SITES` prints base and peak in MB.

The loop is the real one; its engine reads each update from the disk when it is asked for, as `GridEngine` takes those by
reference. `base` is the process with everything imported and before the run; the peak is the kernel's (VmHWM).
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import flwr.serverapp  # noqa: F401  part of the base: the ServerApp has it

from bench.round_work import LARGE_NUMBERS, large_weights, work
from myofed_coordinator.federation.collect import Pace
from myofed_coordinator.federation.engine import Reply, Task
from myofed_coordinator.federation.rounds import RoundLoop
from myofed_coordinator.models.weights import sha256_of, tensor_specs
from myofed_coordinator.runs.folder import RunFolder, RunSites
from myofed_schemas.federation import MuscleScore, RunStatus, TaskMetrics
from myofed_schemas.study import SignedManifest

REPOSITORY = Path(__file__).parents[1]
sys.path.insert(0, str(REPOSITORY / "tests" / "functional"))

from wall_harness import make_manifest  # noqa: E402

MODEL_MB = LARGE_NUMBERS * 4 / 1e6


@dataclass(frozen=True)
class SystemClock:
    """This machine's time."""

    def monotonic(self) -> float:
        """Seconds."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Not at all: replies are there."""

    def now(self) -> datetime:
        """UTC."""
        return datetime.now(tz=UTC)


@dataclass
class DiskEngine:
    """All sites answer at once, with updates that lie on the disk."""

    folder: Path
    keys: dict[str, int]
    asked: dict[str, Task] = field(default_factory=dict)

    def online(self) -> dict[str, int]:
        """All of them."""
        return self.keys

    def send(self, tasks: Sequence[tuple[int, Task]]) -> list[str]:
        """A ticket is the node's number."""
        self.asked = {str(node): task for node, task in tasks}
        return list(self.asked)

    def replies(self, tickets: Sequence[str]) -> Iterator[Reply]:
        """One after the other."""
        for ticket in tickets:
            trained = self.asked[ticket].instruction.kind == "train"
            scores = (MuscleScore(muscle="VL", dice_sum=1.0, subjects=2),)
            metrics = TaskMetrics(
                examples=5 if trained else 0, steps=3 if trained else 0, loss=0.5 if trained else 0.0, scores=scores
            )
            packed = (self.folder / ticket).read_bytes() if trained else b""
            yield Reply(ticket, "OK", packed, metrics)
            del packed


def main(sites: int) -> None:
    """One round of so many sites was run."""
    with tempfile.TemporaryDirectory(prefix="myofed-memory-") as folder:
        run, engine = _prepare(Path(folder), sites)
        Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew (proc(5))
        base = _status_mb("VmRSS")
        RoundLoop(run, engine, Pace(SystemClock(), lambda: None)).run()
        print(json.dumps({"base_mb": base, "peak_mb": _status_mb("VmHWM")}))


def _prepare(root: Path, sites: int) -> tuple[RunFolder, DiskEngine]:
    names = tuple(f"site-{number:02d}" for number in range(sites))
    weights = large_weights()
    manifest = make_manifest(names, weights, rounds=1)
    run = RunFolder(root / "run-0123abcd")
    run.root.mkdir()
    run.write_manifest(
        SignedManifest(manifest=manifest, digest=manifest.digest(), signature="00" * 64, signer="00" * 32)
    )
    keys = {name: sha256_of(name.encode()) for name in names}
    run.write_sites(RunSites(node_keys=keys))
    run.initial_weights.write_bytes(weights)
    run.write_status(
        RunStatus(
            run_id=run.run_id,
            study_id=manifest.study_id,
            manifest_digest=manifest.digest(),
            state="submitted",
            code="OK",
            rounds=(),
        )
    )
    assert tensor_specs(weights) == manifest.state_dict
    for number in range(sites):
        weights = work(weights, steps=0)
        (root / str(number)).write_bytes(weights)
    return run, DiskEngine(root, {key: number for number, key in enumerate(keys.values())})


def _status_mb(name: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name)) / 1e3


if __name__ == "__main__":
    main(int(sys.argv[1]))
