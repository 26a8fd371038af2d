"""The node's own executor in place of Flower's: checks every message against what the site's people approved, then works.

A message is refused with ONE code; no text of an exception leaves. Code never comes with a message.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, tzinfo
from pathlib import Path
from typing import Protocol

from pydantic import ValidationError

from myofed_node.audit import SiteAudit
from myofed_node.federation.approvals import Approvals, ApprovedStudy, demo_mark
from myofed_node.federation.flower_adapter import Incoming, Outcome, Weights
from myofed_node.federation.handed_over import HandedOver, handed_over
from myofed_node.federation.local_tensors import LocalTensors
from myofed_node.federation.privacy_ledger import private_round
from myofed_node.federation.retention import forget_over
from myofed_node.federation.term import Term
from myofed_node.federation.training_gate import check_gate, stopped
from myofed_node.federation.weights_guard import admit
from myofed_node.learning.exclusions import RECORDS, counts_that_may_leave
from myofed_node.learning.handover import Packed
from myofed_node.learning.protocol import EvaluateRequest, PingRequest, Reply, TrainRequest
from myofed_node.site_folder import SiteFolder
from myofed_schemas.clock import utc_text
from myofed_schemas.errors import MyofedError
from myofed_schemas.federation import GroupScore, Instruction, MuscleScore, TaskMetrics, bucket
from myofed_schemas.study import StudyManifest

WORKER_STARTS_S = 60.0
"""A restarted worker loads torch; a task that finds none waits this long before it gives up."""
LOST_CODES = ("WORKER_GONE", "FRAME_CUT")
TURN_LOOK_S = 1.0
"""A task that waits for the one before it looks so often whether it is still worth waiting."""


class CallWorker(Protocol):
    """`worker_client.call`, bound to the worker's socket."""

    def __call__(
        self,
        request: PingRequest | TrainRequest | EvaluateRequest,
        blob: bytes | memoryview = b"",
        *,
        timeout_s: float,
        over: Callable[[], bool] | None = None,
    ) -> tuple[Reply, bytes]:
        """The worker's reply and, for training, the new weights; ROUND_OVER once `over` says so."""


@dataclass(frozen=True)
class Means:
    """What the executor works with.

    Attributes:
        call_worker: Reaches the training process.
        now: UTC.
        min_scored_subjects: A sum of Dice over fewer subjects stays here (one subject's "sum" is that subject's value).
        sleep: Waits between two tries to reach a worker that starts.
        zone: Of the training window; None is this machine's.
    """

    call_worker: CallWorker
    now: Callable[[], datetime]
    min_scored_subjects: int
    sleep: Callable[[float], None] = time.sleep
    zone: tzinfo | None = None


class Executor:
    """Answers messages of the coordinator for one site."""

    def __init__(self, folder: SiteFolder, approvals: Approvals, means: Means) -> None:
        self._folder = folder
        self._approvals = approvals
        self._means = means
        self._turn = threading.Lock()

    def handle(self, incoming: Incoming) -> Outcome:
        """What was asked for is done; one message at a time, and none whose round is over.

        Raises:
            MyofedError: MESSAGE_INVALID, a code of `Approvals.check`, `check_gate`, `RoundLog.begin` or `admit`,
                WEIGHTS_DIGEST, ROUND_TOO_LONG, ROUND_OVER, TRAINING_STOPPED, WORKER_LOST, or the worker's own code; the audit chain has
                it too.
        """
        instruction = parse_instruction(incoming)
        try:
            with self._my_turn(incoming.term):
                outcome = self._carry_out(instruction, incoming)
        except MyofedError as error:
            self._enter("ROUND_REFUSED", instruction, {"code": error.code})
            raise
        detail = {"weights": outcome.sha256} if outcome.packed else {}
        self._enter("ROUND_TRAINED" if instruction.kind == "train" else "MODEL_EVALUATED", instruction, detail)
        return outcome

    @contextmanager
    def _my_turn(self, term: Term) -> Iterator[None]:
        """The task before this one has ended; it ends soon where this one superseded it."""
        while not self._turn.acquire(timeout=min(TURN_LOOK_S, term.left_s())):
            term.check()
        try:
            term.check()
            yield
        finally:
            self._turn.release()

    def _carry_out(self, instruction: Instruction, incoming: Incoming) -> Outcome:
        approved = self._approvals.check(instruction)
        self._check_gate()
        # By reference they are fetched here: never for a study that was not approved, or a paused site.
        weights = incoming.weights
        if weights.sha256 != instruction.weights_sha256:
            raise MyofedError("WEIGHTS_DIGEST", "expected weights with the digest of the message, found others")
        log = self._approvals.round_log(instruction.study_id)
        at = utc_text(self._means.now())
        log.begin(instruction, approved.manifest, approved_at=approved.approved_at, at=at)
        forget_over(self._folder.study(instruction.study_id), log, now=self._means.now())
        self._admit(instruction, weights, approved.manifest)
        private = private_round(
            instruction, approved.manifest, approved.roles, study_folder=self._folder.study(instruction.study_id)
        )
        if private and (kept := private.answered()):
            self._approvals.check(instruction)
            return Outcome(*kept)
        local = self._local_tensors(instruction, approved)
        content = local.restored(weights.content, instruction)
        file = weights.file if content is weights.content else None
        with handed_over(self._folder.passing_weights, file, trains=instruction.kind == "train") as files:
            request = self._request(instruction, approved, files)
            reply, sent = self._work(request, b"" if file else content, approved, incoming.term)
            incoming.term.check()
            self._approvals.check(instruction)  # an approval taken back meanwhile, or a stop: nothing leaves
            if stopped(self._folder):
                raise MyofedError("TRAINING_STOPPED", "expected to go on, found that the site stopped training")
            if instruction.kind == "evaluate":
                return self._evaluated(reply, approved)
            outcome = self._trained(reply, files.result(sent), files.trained, approved)
            local.keep(outcome.packed, instruction)
            if private:  # written down before anything leaves
                private.release(outcome.metrics_json, outcome.packed, at=at)
            return outcome

    def _trained(self, reply: Reply, packed: Packed, file: Path | None, approved: ApprovedStudy) -> Outcome:
        if reply.metrics is None:
            raise MyofedError("REPLY_INVALID", "expected metrics from the worker, found none")
        self._check_trained(reply.metrics)
        metrics = reply.metrics.model_copy(update=self._may_leave(reply.metrics.scores, reply.metrics.group_scores))
        metrics = self._with_exclusions(metrics, reply, approved)
        return Outcome(metrics_json=metrics.model_dump_json(), packed=packed, file=file)

    def _evaluated(self, reply: Reply, approved: ApprovedStudy) -> Outcome:
        metrics = TaskMetrics(examples=0, steps=0, loss=0.0, scores=())
        metrics = metrics.model_copy(update=self._may_leave(reply.scores, reply.group_scores))
        metrics = self._with_exclusions(metrics, reply, approved)
        return Outcome(metrics_json=metrics.model_dump_json(), packed=b"")

    def _request(
        self, instruction: Instruction, approved: ApprovedStudy, files: HandedOver
    ) -> TrainRequest | EvaluateRequest:
        """Test subjects are named in neither: no message of the coordinator reaches them."""
        manifest, roles, dataset = approved.manifest, approved.roles, str(self._folder.dataset)
        record = str(self._folder.study(instruction.study_id) / RECORDS[instruction.kind])
        weights_file, trained_file = files.names()
        if instruction.kind == "train":
            needed = max(manifest.min_subjects, self._approvals.policy.minimum_subjects) - len(roles.test)
            return TrainRequest(
                manifest=manifest,
                dataset=dataset,
                subjects=roles.model_copy(update={"test": ()}),
                round=instruction.round,
                labels=approved.labels,
                min_train=max(1, self._means.min_scored_subjects),
                min_usable=max(1, needed),
                exclusions=record,
                max_memory_mb=self._approvals.policy.max_memory_mb,
                weights_file=weights_file,
                trained_file=trained_file,
            )
        if not roles.validation:
            raise MyofedError("NO_VALIDATION_SUBJECTS", "expected subjects to validate on, found none")
        return EvaluateRequest(
            manifest=manifest,
            dataset=dataset,
            subjects=roles.validation,
            labels=approved.labels,
            exclusions=record,
            max_memory_mb=self._approvals.policy.max_memory_mb,
            weights_file=weights_file,
        )

    def _local_tensors(self, instruction: Instruction, approved: ApprovedStudy) -> LocalTensors:
        folder = self._folder.study(instruction.study_id)
        return LocalTensors(folder, instruction.run_id, approved.manifest.local_tensors or ())

    def _may_leave(
        self, scores: tuple[MuscleScore, ...], groups: tuple[GroupScore, ...]
    ) -> dict[str, tuple[MuscleScore, ...] | tuple[GroupScore, ...]]:
        least = self._means.min_scored_subjects
        return {
            "scores": tuple(score for score in scores if score.subjects >= least),
            "group_scores": tuple(score for score in groups if score.subjects >= least),
        }

    def _with_exclusions(self, metrics: TaskMetrics, reply: Reply, approved: ApprovedStudy) -> TaskMetrics:
        """No noise covers these counts, so a study with privacy is told none."""
        counts = () if approved.manifest.privacy else reply.exclusions
        kept = counts_that_may_leave(counts, least=self._means.min_scored_subjects)
        return metrics.model_copy(update={"exclusions": kept})

    def _work(
        self, request: TrainRequest | EvaluateRequest, packed: bytes | memoryview, approved: ApprovedStudy, term: Term
    ) -> tuple[Reply, bytes]:
        self._await_worker(term)
        longest = self._approvals.policy.max_round_s
        limit = float(min(approved.manifest.round_timeout_s, longest))
        try:
            return self._means.call_worker(request, packed, timeout_s=limit, over=term.over)
        except MyofedError as error:
            if error.code == "WORKER_TIMEOUT" and longest < approved.manifest.round_timeout_s:
                raise MyofedError(
                    "ROUND_TOO_LONG", f"expected a task of at most {longest} s, as the policy says"
                ) from None
            if error.code in LOST_CODES:
                raise MyofedError("WORKER_LOST", "expected the worker to finish, found it gone") from None
            raise

    def _check_gate(self) -> None:
        local = self._means.now().astimezone(self._means.zone)
        check_gate(self._folder, self._approvals.policy, local=local)

    def _check_trained(self, metrics: TaskMetrics) -> None:
        """Subjects left out for their files may not make the loss one over fewer than the site lets leave."""
        if metrics.examples < bucket(self._means.min_scored_subjects):
            raise MyofedError(
                "TOO_FEW_TRAINED", "expected a loss over enough subjects, found that too many were left out"
            )

    def _admit(self, instruction: Instruction, weights: Weights, manifest: StudyManifest) -> None:
        initial = self._folder.models / f"{manifest.initial_weights_sha256}.safetensors"
        seen = self._approvals.seen_weights(instruction.study_id)
        admit(instruction, weights, manifest=manifest, seen=seen, initial=initial)

    def _await_worker(self, term: Term) -> None:
        waited = 0.0
        while True:
            term.check()
            try:
                self._means.call_worker(PingRequest(), timeout_s=5.0)
            except MyofedError as error:
                if waited >= WORKER_STARTS_S:
                    raise MyofedError("WORKER_LOST", f"expected a worker, found none ({error.code})") from None
                self._means.sleep(0.5)
                waited += 0.5
            else:
                return

    def _enter(self, action: str, instruction: Instruction, detail: dict[str, str]) -> None:
        SiteAudit(self._folder).append(
            action,
            now=self._means.now(),
            subject=instruction.study_id,
            detail={
                "run": instruction.run_id,
                "round": instruction.round,
                "kind": instruction.kind,
                **detail,
                **demo_mark(self._approvals.policy),
            },
        )


def parse_instruction(incoming: Incoming) -> Instruction:
    """The instruction in this message.

    Raises:
        MyofedError: MESSAGE_INVALID; no value of the message is repeated.
    """
    try:
        return Instruction.model_validate(dict(incoming.instruction))
    except ValidationError:
        raise MyofedError("MESSAGE_INVALID", "expected an instruction, found something else") from None
