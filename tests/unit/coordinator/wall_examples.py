"""Factories for tests of the rounds: a tiny manifest, weights that fit it, an engine of a few lines."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from myofed_coordinator.federation.engine import Reply, Task
from myofed_coordinator.federation.weights import Tensors, pack, unpack, weights_digest
from myofed_coordinator.runs.folder import RunFolder, RunSites
from myofed_schemas.federation import MuscleScore, RunStatus, TaskMetrics
from myofed_schemas.study import (
    Architecture,
    InputImage,
    SignedManifest,
    Split,
    StudyManifest,
    TensorSpec,
    Training,
)

SPEC = (
    TensorSpec(name="net.weight", shape=(2, 3), dtype="float32"),
    TensorSpec(name="net.steps", shape=(1,), dtype="int64"),
)


def tensors(value: float, *, steps: int = 1) -> Tensors:
    """Weights that fit SPEC, all of one value."""
    return {"net.weight": np.full((2, 3), value, np.float32), "net.steps": np.array([steps], np.int64)}


def make_manifest(**changes: object) -> StudyManifest:
    """A valid manifest of two muscles for three sites, changed as asked."""
    values: dict[str, object] = {
        "study_id": "thigh-muscles",
        "version": 1,
        "title": "Thigh muscles",
        "purpose": "Test of the rounds",
        "sites": ("hospital-a", "hospital-b", "hospital-c"),
        "muscles": ("VL", "RF"),
        "architecture": Architecture(
            name="monai-unet-2d",
            in_channels=1,
            out_channels=3,
            channels=(4, 8),
            strides=(2,),
            num_res_units=0,
            norm="instance",
        ),
        "state_dict": SPEC,
        "initial_weights_sha256": weights_digest(pack(tensors(0.0))),
        "image": InputImage(kind="in-phase-magnitude", spacing_mm=2.0, size_px=(16, 16)),
        "training": Training(
            optimiser="adamw",
            learning_rate=1.0,  # weights of a few units are plausible updates
            learning_rate_end=1.0,
            weight_decay=0.0,
            batch_size=2,
            local_steps=40,
            augmentation="none",
            seed=1,
        ),
        "split": Split(test_percent=25, validation_percent=10, salt="s"),
        "strategy": "fedavg",
        "weighting": "uniform",
        "rounds": 3,
        "min_sites": 2,
        "min_subjects": 1,
        "round_timeout_s": 30,
        "demo": True,
    }
    return StudyManifest.model_validate(values | changes)


def make_run(root: Path, **changes: object) -> RunFolder:
    """A run's folder, ready for its first round."""
    manifest = make_manifest(**changes)
    folder = RunFolder(root / "run-0123abcd")
    folder.root.mkdir(parents=True)
    signed = SignedManifest(manifest=manifest, digest=manifest.digest(), signature="00" * 64, signer="00" * 32)
    folder.write_manifest(signed)
    folder.write_sites(RunSites(node_keys={site: key_of(site) for site in manifest.sites}))
    folder.initial_weights.write_bytes(pack(tensors(0.0)))
    folder.write_status(
        RunStatus(
            run_id=folder.run_id,
            study_id=manifest.study_id,
            manifest_digest=manifest.digest(),
            state="submitted",
            code="OK",
            rounds=(),
        )
    )
    return folder


def key_of(site: str) -> str:
    """The made-up digest of a site's node key."""
    return site[-1].encode().hex() * 32


class FakeClock:
    """Time that passes only when somebody sleeps."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def monotonic(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds

    def now(self) -> datetime:
        return datetime(2026, 11, 22, tzinfo=UTC)


def metrics(**changes: object) -> TaskMetrics:
    """Plausible metrics, changed as asked."""
    values: dict[str, object] = {
        "examples": 10,
        "steps": 3,
        "loss": 0.5,
        "scores": (MuscleScore(muscle="VL", dice_sum=1.0, subjects=2),),
    }
    return TaskMetrics.model_validate(values | changes)


Answer = Callable[[str, Task], Reply | None]
"""A site's behaviour; None is silence."""


def add_one(site: str, task: Task) -> Reply:
    """A good site: every weight is one more than it came."""
    came = unpack(task.packed, SPEC)
    packed = pack(tensors(float(came["net.weight"].mean()) + 1.0)) if task.instruction.kind == "train" else b""
    return Reply(ticket="", code="OK", packed=packed, metrics=metrics())


@dataclass
class FakeEngine:
    """Nodes that answer at once, each as told."""

    answers: dict[str, Answer] = field(default_factory=dict)
    sent: list[tuple[str, Task]] = field(default_factory=list)
    replied: dict[str, Reply] = field(default_factory=dict)

    def online(self) -> dict[str, int]:
        return {key_of(site): number for number, site in enumerate(sorted(self.answers), start=1)}

    def send(self, tasks: Sequence[tuple[int, Task]]) -> list[str]:
        tickets = []
        for number, task in tasks:
            site = sorted(self.answers)[number - 1]
            ticket = f"ticket-{len(self.sent)}"
            self.sent.append((site, task))
            reply = self.answers[site](site, task)
            if reply is not None:
                self.replied[ticket] = Reply(ticket, reply.code, reply.packed, reply.metrics)
            tickets.append(ticket)
        return tickets

    def replies(self, tickets: Sequence[str]) -> Iterator[Reply]:
        for ticket in tickets:
            if ticket in self.replied:
                yield self.replied.pop(ticket)
