"""The executor: every message against the approval, one code for every refusal."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from learning_factories import manifest
from pydantic import BaseModel
from safetensors.numpy import load, save
from site_factories import NOW, FakeCoordinator, demo_site, enrol, study

from myofed_node.audit import SiteAudit
from myofed_node.config import PrivacyFloor
from myofed_node.federation.approvals import Approvals
from myofed_node.federation.executor import Executor, Means
from myofed_node.federation.executor_process import fail_closed
from myofed_node.federation.flower_adapter import Incoming, Weights
from myofed_node.federation.term import Term
from myofed_node.federation.training_gate import turn
from myofed_node.learning.exclusions import RECORDS
from myofed_node.learning.protocol import EvaluateRequest, PingRequest, Reply, TrainRequest
from myofed_node.site_setup import Site
from myofed_schemas.errors import MyofedError
from myofed_schemas.federation import ExclusionCount, GroupScore, MuscleScore, TaskMetrics
from myofed_schemas.study import Split, StudyManifest
from myofed_schemas.study_options import Privacy


def weights(position: int) -> bytes:
    """What an honest coordinator sends at the start of this round; the initial ones in the first."""
    first = np.random.default_rng(1).normal(0, 0.3, (8, 1, 3, 3))
    moved = np.random.default_rng(2).normal(0, 0.01, (8, 1, 3, 3)) * (position - 1)
    return save({"model.0.conv.weight": (first + moved).astype(np.float32)})


WEIGHTS = weights(1)
SCORES = (MuscleScore(muscle="VL", dice_sum=1.0, subjects=2),)
SUBJECTS = tuple(f"S{number}" for number in range(8))
PRIVACY = Privacy(level="update", clip_norm=1.0, noise_multiplier=8.0, delta=1e-5, epsilon=1.2)
"""One round costs 1.01, two cost 1.48."""


@dataclass
class FakeWorker:
    """Answers as the worker does, or raises what the test says."""

    raises: list[Exception] = field(default_factory=list)
    asked: list[TrainRequest | EvaluateRequest] = field(default_factory=list)
    timeouts: list[float] = field(default_factory=list)
    pings: int = 0
    reply: Reply | None = None

    def __call__(self, request: Any, blob: bytes = b"", *, timeout_s: float, over: Any = None) -> tuple[Reply, bytes]:
        if isinstance(request, PingRequest):
            self.pings += 1
            if self.raises and self.raises[0].code == "WORKER_UNREACHABLE":  # type: ignore[attr-defined]
                raise self.raises.pop(0)
            return Reply(code="OK"), b""
        self.asked.append(request)
        self.timeouts.append(timeout_s)
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
            zone=UTC,
        )
        return Executor(self.site.folder, approvals, means)

    def message(self, *, packed: bytes | None = None, term: Term | None = None, **changes: object) -> Incoming:
        number = changes.get("round", 1)
        assert isinstance(number, int)
        sent = weights(number + (changes.get("kind") == "evaluate"))
        values = {
            "kind": "train",
            "study_id": "thigh",
            "manifest_digest": self.manifest.digest(),
            "run_id": "run-00000001",
            "round": 1,
            "weights_sha256": hashlib.sha256(sent).hexdigest(),
        }
        return Incoming(instruction=values | changes, packed=sent if packed is None else packed, term=term)

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
    manifest = study(WEIGHTS, rounds=3, **changes)
    site.folder.models.mkdir(exist_ok=True)
    (site.folder.models / f"{manifest.initial_weights_sha256}.safetensors").write_bytes(WEIGHTS)
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
    assert request.max_memory_mb == bench.site.config.policy.max_memory_mb
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

    def revoke_while_working(
        request: Any, blob: bytes = b"", *, timeout_s: float, over: Any = None
    ) -> tuple[Reply, bytes]:
        if not isinstance(request, PingRequest):
            approvals.revoke("thigh", by="tester", now=NOW)
        return answer(request, blob, timeout_s=timeout_s)

    means = Means(call_worker=revoke_while_working, now=lambda: NOW, min_scored_subjects=1, sleep=bench.slept.append)
    executor = Executor(bench.site.folder, approvals, means)
    with pytest.raises(MyofedError) as caught:
        fail_closed(executor, bench.message())
    assert caught.value.code == "REVOKED"
    assert len(bench.worker.asked) == 1


def paused(bench: Bench) -> None:
    turn(bench.site.folder, "paused", by="chief", now=NOW)


def with_policy(bench: Bench, **changes: object) -> None:
    """The site's policy is another from now on."""
    policy = bench.site.config.policy.model_copy(update=changes)
    bench.site = replace(bench.site, config=bench.site.config.model_copy(update={"policy": policy}))


def hours(bench: Bench) -> None:
    """NOW is midnight UTC."""
    with_policy(bench, training_window="08:00-17:00")


@pytest.mark.parametrize(("close", "code"), [(paused, "SITE_PAUSED"), (hours, "OUTSIDE_WINDOW")])
def test_closed_site_refuses_every_kind_of_task(bench: Bench, close: Callable[[Bench], None], code: str) -> None:
    """Before the round counts: it may be asked again when the site is open."""
    close(bench)
    for message in (bench.message(), bench.message(kind="evaluate", round=3)):
        assert bench.refused(message) == code
    assert bench.worker.asked == []
    assert not (bench.site.folder.study("thigh") / "rounds.jsonl").exists()


def test_nothing_leaves_when_the_site_stopped_training_during_the_work(bench: Bench) -> None:
    """Also where the worker had finished before it saw that its caller was gone."""
    answer = bench.worker.__call__

    def stop_while_working(
        request: Any, blob: bytes = b"", *, timeout_s: float, over: Any = None
    ) -> tuple[Reply, bytes]:
        if not isinstance(request, PingRequest):
            turn(bench.site.folder, "stopped", by="chief", now=NOW)
        return answer(request, blob, timeout_s=timeout_s)

    means = Means(call_worker=stop_while_working, now=lambda: NOW, min_scored_subjects=1)
    executor = Executor(bench.site.folder, Approvals(bench.site.folder, bench.site.config), means)
    with pytest.raises(MyofedError) as caught:
        fail_closed(executor, bench.message())
    assert caught.value.code == "TRAINING_STOPPED"


def test_task_takes_no_longer_than_the_policy_says(bench: Bench) -> None:
    """The study may ask for hours: the site's limit holds, and has a code of its own."""
    late = MyofedError("WORKER_TIMEOUT", "text of this machine")
    bench.worker.raises = [late]
    assert bench.refused(bench.message()) == "WORKER_TIMEOUT"
    with_policy(bench, max_round_s=30)
    bench.worker.raises = [late]
    assert bench.refused(bench.message(round=2)) == "ROUND_TOO_LONG"
    bench.executor.handle(bench.message(round=3))
    assert bench.worker.timeouts == [600.0, 30.0, 30.0]


def test_weights_that_no_round_can_have_made_reach_no_worker(bench: Bench) -> None:
    """The guard stands between the log and the worker; the refusal is in the audit chain."""
    bench.executor.handle(bench.message())
    crafted = save({"model.0.conv.weight": np.ones((8, 1, 3, 3), np.float32)})
    message = bench.message(packed=crafted, round=2, weights_sha256=hashlib.sha256(crafted).hexdigest())
    assert bench.refused(message) == "WEIGHTS_IMPLAUSIBLE"
    assert len(bench.worker.asked) == 1
    assert bench.entries()[-1][1]["code"] == "WEIGHTS_IMPLAUSIBLE"


def test_loss_over_too_few_subjects_does_not_leave(bench: Bench) -> None:
    """So many were left out for their files that the mean is over fewer than the site lets leave."""
    bench.min_scored_subjects = 10  # the fake worker trained with five
    assert bench.refused(bench.message()) == "TOO_FEW_TRAINED"


def test_entries_of_a_demo_site_say_so(bench: Bench) -> None:
    """Everything a demo policy touches is marked."""
    bench.executor.handle(bench.message())
    marked = [(action, detail.get("demo")) for action, detail in bench.entries()]
    assert ("STUDY_APPROVED", 1) in marked
    assert ("ROUND_TRAINED", 1) in marked


def aggregates_only(kind: type[BaseModel]) -> bool:
    """Numbers, bounded names, and tuples of such documents: no list of numbers, no free text."""
    for field_info in kind.model_fields.values():
        inner = get_args(field_info.annotation)
        if inner and inner[-1] is Ellipsis and issubclass(inner[0], BaseModel):
            if not (len(inner[0].model_fields) > 1 and aggregates_only(inner[0])):
                return False
        elif field_info.annotation is str and field_info.metadata:
            continue
        elif field_info.annotation not in (int, float):
            return False
    return True


def test_no_figure_of_one_batch_or_one_case_has_a_place_in_what_leaves() -> None:
    """By type: counts, one mean loss over all steps, and sums over subjects beside how many they are."""
    assert aggregates_only(TaskMetrics)
    numbers = {name for name, info in TaskMetrics.model_fields.items() if info.annotation in (int, float)}
    assert numbers == {"examples", "steps", "loss"}
    for kind in (MuscleScore, GroupScore):
        assert {"dice_sum", "subjects"} < set(kind.model_fields)


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


def test_sets_of_a_few_subjects_do_not_leave_either(bench: Bench) -> None:
    """The floor is the same for a muscle and for several taken as one."""
    groups = (
        GroupScore(structure="quadriceps", dice_sum=2.0, subjects=3),
        GroupScore(structure="hamstrings", dice_sum=1.0, subjects=2),
    )
    metrics = TaskMetrics(examples=5, steps=3, loss=0.5, scores=SCORES, group_scores=groups)
    bench.worker.reply = Reply(code="OK", metrics=metrics, scores=SCORES, group_scores=groups)
    bench.min_scored_subjects = 3
    for message in (bench.message(), bench.message(kind="evaluate", round=3)):
        left = TaskMetrics.model_validate_json(bench.executor.handle(message).metrics_json)
        assert (left.scores, left.group_scores) == ((), groups[:1])


def test_worker_hears_what_this_site_draws(tmp_path: Path) -> None:
    """The site's own part of the manifest, and of nobody else's."""
    mixed = {"sites": [{"site": "alpha", "structures": ["quadriceps", "GR"]}]}
    bench = make_bench(tmp_path, mixed_labels=mixed)
    bench.executor.handle(bench.message())
    bench.executor.handle(bench.message(kind="evaluate", round=3))
    assert [r.labels.structures for r in bench.worker.asked] == [("quadriceps", "GR")] * 2


def test_fedbn_puts_the_sites_own_tensors_back_before_each_round(tmp_path: Path) -> None:
    """The digest is checked on what came; the worker gets the site's own values in it; a round asked again the same ones."""
    shapes = manifest().state_dict
    name, other = shapes[0].name, shapes[1].name

    def after(seed: int) -> bytes:
        drawn = {t.name: np.random.default_rng(0).normal(1, 0.5, t.shape) for t in shapes}
        moved = {n: v + 0.01 * np.random.default_rng(seed).normal(0, 1, v.shape) for n, v in drawn.items()}
        return save({n: v.astype(np.float32) for n, v in moved.items()})

    digest = hashlib.sha256(after(1)).hexdigest()
    fedbn = {"strategy": "fedbn", "strategy_options": {"release": "aggregated"}, "local_tensors": (name,)}
    bench = make_bench(tmp_path, **fedbn, state_dict=shapes, initial_weights_sha256=digest)
    blobs: list[bytes] = []

    def worker(request: Any, blob: bytes = b"", *, timeout_s: float, over: Any = None) -> tuple[Reply, bytes]:
        if not isinstance(request, PingRequest):
            blobs.append(blob)
        reply, trained = bench.worker(request, blob, timeout_s=timeout_s)
        return reply, trained and after(100 + len(blobs))

    means = Means(call_worker=worker, now=lambda: NOW, min_scored_subjects=1)
    executor = Executor(bench.site.folder, Approvals(bench.site.folder, bench.site.config), means)
    for kind, number, seed in (("train", 1, 1), ("train", 2, 2), ("train", 2, 2), ("evaluate", 3, 3)):
        packed = after(seed)
        digest = hashlib.sha256(packed).hexdigest()
        executor.handle(bench.message(packed=packed, weights_sha256=digest, kind=kind, round=number))
    for blob, own, incoming in zip(blobs, (1, 101, 101, 103), (1, 2, 2, 3), strict=True):
        assert np.array_equal(load(blob)[name], load(after(own))[name])
        assert np.array_equal(load(blob)[other], load(after(incoming))[other])


def test_round_beyond_the_privacy_budget_reaches_no_worker(tmp_path: Path) -> None:
    """The data are not touched for what may not leave."""
    bench = make_bench(tmp_path, privacy=PRIVACY)
    bench.executor.handle(bench.message())
    assert bench.refused(bench.message(round=2)) == "PRIVACY_BUDGET_SPENT"
    assert len(bench.worker.asked) == 1


def test_private_round_asked_again_gets_the_same_bytes_without_the_worker(tmp_path: Path) -> None:
    """Whatever noise the worker would draw now: what left once leaves again, and the budget stays."""
    bench = make_bench(tmp_path, privacy=PRIVACY)
    first = bench.executor.handle(bench.message())
    bench.worker.reply = Reply(code="OK")
    assert bench.executor.handle(bench.message()) == first
    assert len(bench.worker.asked) == 1


def test_budget_is_spent_before_the_answer_is_handed_on(tmp_path: Path) -> None:
    """A disk that takes no entry lets nothing leave."""
    bench = make_bench(tmp_path, privacy=PRIVACY)
    ledger = bench.site.folder.study("thigh") / "privacy.jsonl"
    ledger.mkdir()
    with pytest.raises(MyofedError) as caught:
        fail_closed(bench.executor, bench.message())
    assert caught.value.code == "EXECUTOR_FAILED"


def test_study_below_the_sites_privacy_is_refused_at_every_message(tmp_path: Path) -> None:
    """A floor that the site raises after its approval holds from the next start of the node on."""
    bench = make_bench(tmp_path, privacy=PRIVACY)
    floor = PrivacyFloor(level="update", max_clip_norm=0.5, min_noise_multiplier=4, max_epsilon=8)
    policy = bench.site.config.policy.model_copy(update={"privacy_floor": floor})
    config = bench.site.config.model_copy(update={"policy": policy})
    bench.site = replace(bench.site, config=config)
    assert bench.refused(bench.message()) == "POLICY_PRIVACY"
    assert bench.worker.asked == []


def test_subjects_left_out_are_told_by_code_and_bucket_where_the_policy_lets_them(bench: Bench) -> None:
    """Seven of one code leave as five; two of another stay; the record lies in the study's folder."""
    counts = (ExclusionCount(code="IMAGE_UNREADABLE", subjects=7), ExclusionCount(code="LABEL_GRID", subjects=2))
    metrics = TaskMetrics(examples=5, steps=3, loss=0.5, scores=SCORES)
    bench.min_scored_subjects = 5
    bench.worker.reply = Reply(code="OK", metrics=metrics, exclusions=counts)
    trained = TaskMetrics.model_validate_json(bench.executor.handle(bench.message()).metrics_json)
    evaluated = TaskMetrics.model_validate_json(
        bench.executor.handle(bench.message(kind="evaluate", round=1)).metrics_json
    )
    assert trained.exclusions == evaluated.exclusions == (ExclusionCount(code="IMAGE_UNREADABLE", subjects=5),)
    records = [Path(asked.exclusions or "") for asked in bench.worker.asked]
    assert records == [bench.site.folder.study("thigh") / name for name in RECORDS.values()]
    assert records[0] != records[1], "the evaluation, which reads fewer subjects, must not overwrite what training said"


def test_worker_is_told_how_many_usable_subjects_the_policy_needs(bench: Bench) -> None:
    """Test subjects, who are not read, count as usable."""
    bench.min_scored_subjects = 2
    bench.executor.handle(bench.message())
    (asked,) = bench.worker.asked
    assert isinstance(asked, TrainRequest)
    tested = len(Approvals(bench.site.folder, bench.site.config).roles("thigh").test)
    assert (asked.min_train, asked.min_usable) == (2, max(1, 3 - tested))


def test_study_with_privacy_is_told_no_exclusions(tmp_path: Path) -> None:
    """No noise covers such a count."""
    bench = make_bench(tmp_path, privacy=PRIVACY)
    metrics = TaskMetrics(examples=5, steps=3, loss=0.0, scores=SCORES)
    bench.worker.reply = Reply(code="OK", metrics=metrics, exclusions=(ExclusionCount(code="LABEL_GRID", subjects=9),))
    told = TaskMetrics.model_validate_json(bench.executor.handle(bench.message()).metrics_json)
    assert told.exclusions == ()


def test_message_whose_round_is_over_is_dropped_before_it_counts(bench: Bench) -> None:
    """It waited too long; the worker is not asked, the log of rounds knows nothing of it."""
    assert bench.refused(bench.message(term=Term(until=-1.0))) == "ROUND_OVER"
    assert bench.worker.asked == []
    assert Approvals(bench.site.folder, bench.site.config).round_log("thigh").entries() == []
    assert bench.entries()[-1][1]["code"] == "ROUND_OVER"


def test_answer_that_comes_after_the_round_does_not_leave(bench: Bench) -> None:
    """One limit for everything a task does: fetching, waiting for the worker, and training."""
    seconds = [0.0]
    term = Term(until=100.0, monotonic=lambda: seconds[0])
    answer = bench.worker.__call__

    def slow(request: Any, blob: bytes = b"", *, timeout_s: float, over: Any = None) -> tuple[Reply, bytes]:
        if not isinstance(request, PingRequest):
            assert not over()
            seconds[0] = 101.0
            assert over()
        return answer(request, blob, timeout_s=timeout_s)

    means = Means(call_worker=slow, now=lambda: NOW, min_scored_subjects=1, sleep=bench.slept.append)
    executor = Executor(bench.site.folder, Approvals(bench.site.folder, bench.site.config), means)
    with pytest.raises(MyofedError) as caught:
        fail_closed(executor, bench.message(term=term))
    assert caught.value.code == "ROUND_OVER"


def test_worker_that_never_comes_is_not_waited_for_longer_than_the_round(bench: Bench) -> None:
    """A minute of patience is no reason to hold up the next message."""
    seconds = [0.0]
    bench.worker.raises = [MyofedError("WORKER_UNREACHABLE", "nobody")] * 1000

    def tick() -> float:
        seconds[0] += 1.0
        return seconds[0]

    assert bench.refused(bench.message(term=Term(until=20.0, monotonic=tick))) == "ROUND_OVER"
    assert len(bench.slept) < 20


def test_later_task_ends_the_one_before_it_and_has_its_turn(bench: Bench) -> None:
    """A stale task holds the executor no longer than the worker needs to see that its caller is gone."""
    stale, begun = Term(), threading.Event()
    answer = bench.worker.__call__

    def worker(request: Any, blob: bytes = b"", *, timeout_s: float, over: Any = None) -> tuple[Reply, bytes]:
        if not isinstance(request, PingRequest) and not begun.is_set():
            begun.set()
            assert stale.superseded.wait(20)
            assert over()
            raise MyofedError("ROUND_OVER", "hung up")
        return answer(request, blob, timeout_s=timeout_s)

    means = Means(call_worker=worker, now=lambda: NOW, min_scored_subjects=1, sleep=bench.slept.append)
    executor = Executor(bench.site.folder, Approvals(bench.site.folder, bench.site.config), means)
    ended: list[str] = []

    def first() -> None:
        with pytest.raises(MyofedError) as caught:
            executor.handle(bench.message(term=stale))
        ended.append(caught.value.code)

    thread = threading.Thread(target=first)
    thread.start()
    assert begun.wait(20)
    with pytest.raises(MyofedError) as caught:
        executor.handle(bench.message(term=Term(until=time.monotonic() + 0.2)))
    assert caught.value.code == "ROUND_OVER", "a task that waits its turn has a limit as well"
    stale.superseded.set()
    outcome = executor.handle(bench.message(round=2))
    thread.join(20)
    assert (outcome.packed, ended) == (b"trained", ["ROUND_OVER"])


def by_file(bench: Bench, tmp_path: Path) -> Incoming:
    """The first round's message; its weights lie in a file, as those by reference do."""
    file = tmp_path / "x.in"
    file.write_bytes(WEIGHTS)
    sha256 = hashlib.sha256(WEIGHTS).hexdigest()
    return Incoming(bench.message().instruction, lambda: Weights(memoryview(WEIGHTS), sha256, file))


def test_weights_that_came_in_a_file_are_handed_to_the_worker_as_one(bench: Bench, tmp_path: Path) -> None:
    """It is told where they lie and where the trained ones go; the audit chain has the digest of what it wrote."""
    bench.site.folder.passing_weights.mkdir(parents=True)
    answer = bench.worker.__call__

    def worker(request: Any, blob: bytes = b"", *, timeout_s: float, over: Any = None) -> tuple[Reply, bytes]:
        reply, sent = answer(request, blob, timeout_s=timeout_s)
        if isinstance(request, PingRequest):
            return reply, sent
        assert (blob, request.weights_file) == (b"", str(tmp_path / "x.in"))
        Path(request.trained_file).write_bytes(b"trained")
        return reply, b""

    means = Means(call_worker=worker, now=lambda: NOW, min_scored_subjects=1)
    executor = Executor(bench.site.folder, Approvals(bench.site.folder, bench.site.config), means)
    outcome = executor.handle(by_file(bench, tmp_path))
    assert outcome.file is not None
    assert (outcome.packed, outcome.file.parent) == (b"trained", bench.site.folder.passing_weights)
    assert bench.entries()[-1][1]["weights"] == hashlib.sha256(b"trained").hexdigest()


def test_trained_weights_of_a_refused_task_are_gone(bench: Bench, tmp_path: Path) -> None:
    """Here the site stopped training while the worker wrote them."""
    bench.site.folder.passing_weights.mkdir(parents=True)
    answer = bench.worker.__call__

    def worker(request: Any, blob: bytes = b"", *, timeout_s: float, over: Any = None) -> tuple[Reply, bytes]:
        if isinstance(request, TrainRequest):
            assert request.trained_file is not None
            Path(request.trained_file).write_bytes(b"trained")
            turn(bench.site.folder, "stopped", by="chief", now=NOW)
        return answer(request, blob, timeout_s=timeout_s)[0], b""

    means = Means(call_worker=worker, now=lambda: NOW, min_scored_subjects=1)
    executor = Executor(bench.site.folder, Approvals(bench.site.folder, bench.site.config), means)
    with pytest.raises(MyofedError) as caught:
        executor.handle(by_file(bench, tmp_path))
    assert caught.value.code == "TRAINING_STOPPED"
    assert list(bench.site.folder.passing_weights.iterdir()) == []
