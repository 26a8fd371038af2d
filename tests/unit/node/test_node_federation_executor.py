"""The executor: every message against the approval, one code for every refusal."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from site_factories import NOW, FakeCoordinator, demo_site, enrol, study

from myofed_node.audit import SiteAudit
from myofed_node.federation.approvals import Approvals
from myofed_node.federation.executor import Executor, Means
from myofed_node.federation.executor_process import fail_closed
from myofed_node.federation.flower_adapter import Incoming
from myofed_node.learning.protocol import EvaluateRequest, PingRequest, Reply, TrainRequest
from myofed_node.site_setup import Site
from myofed_schemas.errors import MyofedError
from myofed_schemas.federation import MuscleScore, TaskMetrics
from myofed_schemas.study import Split, StudyManifest

WEIGHTS = b"weights of the coordinator"
SCORES = (MuscleScore(muscle="VL", dice_sum=1.0, subjects=2),)
SUBJECTS = tuple(f"S{number}" for number in range(8))


@dataclass
class FakeWorker:
    """Answers as the worker does, or raises what the test says."""

    raises: list[Exception] = field(default_factory=list)
    asked: list[TrainRequest | EvaluateRequest] = field(default_factory=list)
    pings: int = 0
    reply: Reply | None = None

    def __call__(self, request: Any, blob: bytes = b"", *, timeout_s: float) -> tuple[Reply, bytes]:
        if isinstance(request, PingRequest):
            self.pings += 1
            if self.raises and self.raises[0].code == "WORKER_UNREACHABLE":  # type: ignore[attr-defined]
                raise self.raises.pop(0)
            return Reply(code="OK"), b""
        self.asked.append(request)
        if self.raises:
            raise self.raises.pop(0)
        metrics = TaskMetrics(examples=5, steps=3, loss=0.5, scores=SCORES)
        trained = Reply(code="OK", metrics=metrics if request.kind == "train" else None, scores=SCORES)
        return self.reply or trained, b"trained" if request.kind == "train" else b""


@dataclass
class Bench:
    site: Site
    manifest: StudyManifest
    worker: FakeWorker
    slept: list[float] = field(default_factory=list)
    min_scored_subjects: int = 1

    @property
    def executor(self) -> Executor:
        approvals = Approvals(self.site.folder, self.site.config)
        means = Means(
            call_worker=self.worker,
            now=lambda: NOW,
            min_scored_subjects=self.min_scored_subjects,
            sleep=self.slept.append,
        )
        return Executor(self.site.folder, approvals, means)

    def message(self, *, packed: bytes = WEIGHTS, **changes: object) -> Incoming:
        values = {
            "kind": "train",
            "study_id": "thigh",
            "manifest_digest": self.manifest.digest(),
            "run_id": "run-00000001",
            "round": 1,
            "weights_sha256": hashlib.sha256(WEIGHTS).hexdigest(),
        }
        return Incoming(instruction=values | changes, packed=packed)

    def refused(self, message: Incoming) -> str:
        with pytest.raises(MyofedError) as caught:
            fail_closed(self.executor, message)
        return caught.value.code

    def entries(self) -> list[tuple[str, dict[str, str | int]]]:
        return [(e.action, e.detail) for e in SiteAudit(self.site.folder).entries()]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return make_bench(tmp_path)


def make_bench(tmp_path: Path, **changes: object) -> Bench:
    site, coordinator = demo_site(tmp_path / "site"), FakeCoordinator()
    enrol(site, coordinator)
    manifest = study(rounds=3, **changes)
    approvals = Approvals(site.folder, site.config)
    approvals.store_manifest(coordinator.offer(manifest))
    approvals.approve("thigh", by="tester", now=NOW, subjects=SUBJECTS)
    return Bench(site, manifest, FakeWorker())


def test_message_that_is_no_instruction_is_refused(bench: Bench) -> None:
    """A field too many, too few, of another kind."""
    for spoiled in ({"extra": 1}, {"round": 0}, {"kind": "shell"}, {"run_id": "../x"}):
        assert bench.refused(bench.message(**spoiled)) == "MESSAGE_INVALID"
    assert bench.worker.asked == []


def test_message_for_what_was_not_approved_reaches_no_worker(bench: Bench) -> None:
    """Another study, another manifest, other weights than announced: refused, in the audit chain, nothing done."""
    assert bench.refused(bench.message(study_id="other")) == "NOT_APPROVED"
    assert bench.refused(bench.message(manifest_digest="0" * 64)) == "MANIFEST_CHANGED"
    assert bench.refused(bench.message(packed=b"other weights")) == "WEIGHTS_DIGEST"
    assert bench.worker.asked == []
    codes = [detail["code"] for action, detail in bench.entries() if action == "ROUND_REFUSED"]
    assert codes == ["NOT_APPROVED", "MANIFEST_CHANGED", "WEIGHTS_DIGEST"]


def test_replayed_round_reaches_no_worker(bench: Bench) -> None:
    """The log is read from disk: a restarted executor knows it too."""
    bench.executor.handle(bench.message(round=2))
    assert bench.refused(bench.message(round=1)) == "ROUND_REPLAYED"
    assert len(bench.worker.asked) == 1


def test_worker_that_dies_in_its_task_is_one_code(bench: Bench) -> None:
    """Gone, or gone in the middle of its answer."""
    for number, code in enumerate(("WORKER_GONE", "FRAME_CUT"), start=1):
        bench.worker.raises = [MyofedError(code, "text of this machine")]
        assert bench.refused(bench.message(round=number)) == "WORKER_LOST"


def test_workers_own_code_is_passed_on(bench: Bench) -> None:
    """What the worker refuses has its name."""
    bench.worker.raises = [MyofedError("WEIGHTS_KEYS", "text of this machine")]
    assert bench.refused(bench.message()) == "WEIGHTS_KEYS"


def test_worker_that_starts_is_waited_for_and_one_that_never_comes_is_lost(bench: Bench) -> None:
    """A restart takes seconds; a minute is the end of patience."""
    away = MyofedError("WORKER_UNREACHABLE", "nobody")
    bench.worker.raises = [away] * 3
    bench.executor.handle(bench.message())
    assert len(bench.slept) == 3
    bench.worker.raises = [away] * 1000
    assert bench.refused(bench.message(round=2)) == "WORKER_LOST"
    assert len(bench.worker.asked) == 1


def test_unforeseen_defect_is_a_code_and_no_text(bench: Bench) -> None:
    """Whatever the exception says stays here."""
    bench.worker.raises = [ZeroDivisionError("patient's name")]
    with pytest.raises(MyofedError) as caught:
        fail_closed(bench.executor, bench.message())
    assert caught.value.code == "EXECUTOR_FAILED"
    assert "patient" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_worker_without_metrics_is_refused(bench: Bench) -> None:
    """A reply that says nothing is no update."""
    bench.worker.reply = Reply(code="OK")
    assert bench.refused(bench.message()) == "REPLY_INVALID"


def test_approved_round_is_trained_without_the_test_subjects(bench: Bench) -> None:
    """The worker hears of those who train and validate; weights, metrics and an audit entry come of it."""
    outcome = bench.executor.handle(bench.message())
    assert outcome.packed == b"trained"
    assert json.loads(outcome.metrics_json)["examples"] == 5
    (request,) = bench.worker.asked
    assert isinstance(request, TrainRequest)
    roles = Approvals(bench.site.folder, bench.site.config).roles("thigh")
    assert request.subjects.test == ()
    assert (request.subjects.train, request.subjects.validation) == (roles.train, roles.validation)
    assert roles.test
    action, detail = bench.entries()[-1]
    assert (action, detail["weights"]) == ("ROUND_TRAINED", hashlib.sha256(b"trained").hexdigest())


def test_evaluation_is_of_validation_subjects_only_and_returns_no_weights(bench: Bench) -> None:
    """The final model's Dice on those that neither trained nor test."""
    outcome = bench.executor.handle(bench.message(kind="evaluate", round=3))
    assert outcome.packed == b""
    metrics = TaskMetrics.model_validate_json(outcome.metrics_json)
    assert (metrics.examples, metrics.scores) == (0, SCORES)
    (request,) = bench.worker.asked
    assert isinstance(request, EvaluateRequest)
    assert set(request.subjects) == set(Approvals(bench.site.folder, bench.site.config).roles("thigh").validation)


def test_nothing_leaves_when_the_approval_was_taken_back_during_the_work(bench: Bench) -> None:
    """The decision is read again before the weights go out."""
    approvals = Approvals(bench.site.folder, bench.site.config)
    answer = bench.worker.__call__

    def revoke_while_working(request: Any, blob: bytes = b"", *, timeout_s: float) -> tuple[Reply, bytes]:
        if not isinstance(request, PingRequest):
            approvals.revoke("thigh", by="tester", now=NOW)
        return answer(request, blob, timeout_s=timeout_s)

    means = Means(call_worker=revoke_while_working, now=lambda: NOW, min_scored_subjects=1, sleep=bench.slept.append)
    executor = Executor(bench.site.folder, approvals, means)
    with pytest.raises(MyofedError) as caught:
        fail_closed(executor, bench.message())
    assert caught.value.code == "REVOKED"
    assert len(bench.worker.asked) == 1


def test_dice_of_a_few_subjects_does_not_leave(bench: Bench) -> None:
    """A sum over one subject is that subject's value: below the site's floor the muscle is left out, training goes on."""
    bench.min_scored_subjects = 3  # the fake worker scored two
    trained = json.loads(bench.executor.handle(bench.message()).metrics_json)
    evaluated = json.loads(bench.executor.handle(bench.message(kind="evaluate", round=3)).metrics_json)
    assert (trained["scores"], evaluated["scores"], trained["loss"]) == ([], [], 0.5)


def test_site_without_validation_subjects_says_so(tmp_path: Path) -> None:
    """An evaluation of nobody is no evaluation."""
    bench = make_bench(tmp_path, split=Split(test_percent=25, validation_percent=0, salt="s"))
    assert bench.refused(bench.message(kind="evaluate", round=3)) == "NO_VALIDATION_SUBJECTS"
