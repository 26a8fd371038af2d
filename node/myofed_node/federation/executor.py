"""The node's own executor in place of Flower's: checks every message against what the site's people approved, then works.

A message is refused with ONE code; no text of an exception leaves. Code never comes with a message.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from pydantic import ValidationError

from myofed_node.audit import SiteAudit
from myofed_node.federation.approvals import Approvals, ApprovedStudy
from myofed_node.federation.flower_adapter import Incoming, Outcome
from myofed_node.learning.protocol import EvaluateRequest, PingRequest, Reply, TrainRequest
from myofed_node.site_folder import SiteFolder
from myofed_schemas.clock import utc_text
from myofed_schemas.errors import MyofedError
from myofed_schemas.federation import Instruction, MuscleScore, TaskMetrics

WORKER_STARTS_S = 60.0
"""A restarted worker loads torch; a task that finds none waits this long before it gives up."""
LOST_CODES = ("WORKER_GONE", "FRAME_CUT")


class CallWorker(Protocol):
    """`worker_client.call`, bound to the worker's socket."""

    def __call__(
        self, request: PingRequest | TrainRequest | EvaluateRequest, blob: bytes = b"", *, timeout_s: float
    ) -> tuple[Reply, bytes]:
        """The worker's reply and, for training, the new weights."""


@dataclass(frozen=True)
class Means:
    """What the executor works with.

    Attributes:
        call_worker: Reaches the training process.
        now: UTC.
        min_scored_subjects: A sum of Dice over fewer subjects stays here (one subject's "sum" is that subject's value).
        sleep: Waits between two tries to reach a worker that starts.
    """

    call_worker: CallWorker
    now: Callable[[], datetime]
    min_scored_subjects: int
    sleep: Callable[[float], None] = time.sleep


class Executor:
    """Answers messages of the coordinator for one site."""

    def __init__(self, folder: SiteFolder, approvals: Approvals, means: Means) -> None:
        self._folder = folder
        self._approvals = approvals
        self._means = means
        self._turn = threading.Lock()

    def handle(self, incoming: Incoming) -> Outcome:
        """What was asked for is done; one message at a time.

        Raises:
            MyofedError: MESSAGE_INVALID, a code of `Approvals.check` or `RoundLog.begin`, WEIGHTS_DIGEST, WORKER_LOST,
                or the worker's own code; the audit chain has it too.
        """
        instruction = parse_instruction(incoming)
        try:
            with self._turn:
                outcome = self._carry_out(instruction, incoming.packed)
        except MyofedError as error:
            self._enter("ROUND_REFUSED", instruction, {"code": error.code})
            raise
        detail = {"weights": hashlib.sha256(outcome.packed).hexdigest()} if outcome.packed else {}
        self._enter("ROUND_TRAINED" if instruction.kind == "train" else "MODEL_EVALUATED", instruction, detail)
        return outcome

    def _carry_out(self, instruction: Instruction, packed: bytes) -> Outcome:
        approved = self._approvals.check(instruction)
        if hashlib.sha256(packed).hexdigest() != instruction.weights_sha256:
            raise MyofedError("WEIGHTS_DIGEST", "expected weights with the digest of the message, found others")
        log = self._approvals.round_log(instruction.study_id)
        at = utc_text(self._means.now())
        log.begin(instruction, approved.manifest, approved_at=approved.approved_at, at=at)
        reply, trained = self._work(
            _request(instruction, approved, dataset=str(self._folder.dataset)), packed, approved
        )
        self._approvals.check(instruction)  # an approval taken back meanwhile: nothing leaves
        if instruction.kind == "train" and reply.metrics is not None:
            metrics = reply.metrics.model_copy(update={"scores": self._may_leave(reply.metrics.scores)})
            return Outcome(metrics_json=metrics.model_dump_json(), packed=trained)
        if instruction.kind == "evaluate":
            metrics = TaskMetrics(examples=0, steps=0, loss=0.0, scores=self._may_leave(reply.scores))
            return Outcome(metrics_json=metrics.model_dump_json(), packed=b"")
        raise MyofedError("REPLY_INVALID", "expected metrics from the worker, found none")

    def _may_leave(self, scores: tuple[MuscleScore, ...]) -> tuple[MuscleScore, ...]:
        return tuple(score for score in scores if score.subjects >= self._means.min_scored_subjects)

    def _work(
        self, request: TrainRequest | EvaluateRequest, packed: bytes, approved: ApprovedStudy
    ) -> tuple[Reply, bytes]:
        self._await_worker()
        try:
            return self._means.call_worker(request, packed, timeout_s=float(approved.manifest.round_timeout_s))
        except MyofedError as error:
            if error.code in LOST_CODES:
                raise MyofedError("WORKER_LOST", "expected the worker to finish, found it gone") from None
            raise

    def _await_worker(self) -> None:
        waited = 0.0
        while True:
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
            detail={"run": instruction.run_id, "round": instruction.round, "kind": instruction.kind, **detail},
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


def _request(instruction: Instruction, approved: ApprovedStudy, *, dataset: str) -> TrainRequest | EvaluateRequest:
    """Test subjects are named in neither: no message of the coordinator reaches them."""
    if instruction.kind == "train":
        roles = approved.roles.model_copy(update={"test": ()})
        return TrainRequest(manifest=approved.manifest, dataset=dataset, subjects=roles, round=instruction.round)
    if not approved.roles.validation:
        raise MyofedError("NO_VALIDATION_SUBJECTS", "expected subjects to validate on, found none")
    return EvaluateRequest(manifest=approved.manifest, dataset=dataset, subjects=approved.roles.validation)
