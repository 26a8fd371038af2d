"""What a virtual site does with a message: what a node's executor and worker do, without wall, people and processes between."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

import torch

from myofed_coordinator.runs.folder import RunFolder
from myofed_node.federation.encoding import encode
from myofed_node.federation.local_tensors import LocalTensors
from myofed_node.federation.privacy_ledger import private_round
from myofed_node.federation.weights_transport import Carried
from myofed_node.learning.data import SubjectCache
from myofed_node.learning.device import choose_device
from myofed_node.learning.exclusions import RECORDS, TaskKind, UsableSubjects, counts_that_may_leave
from myofed_node.learning.labels import site_labels
from myofed_node.learning.local import evaluate_task, train_task
from myofed_node.learning.protocol import EvaluateRequest, Roles, TrainRequest
from myofed_node.learning.split import split_subjects
from myofed_schemas.errors import MyofedError
from myofed_schemas.federation import GroupScore, MuscleScore, TaskMetrics
from myofed_schemas.files import write_atomically
from myofed_schemas.study import StudyManifest
from myofed_schemas.study_options import Transport
from myofed_simulation.errand import Answer, Desk, Errand


def carry_out(text: str) -> str:
    """The errand is done, and this is the answer; both are JSON, so that any engine can carry them.

    The site's weights lie in the run's folder. Torch computes on one thread in this process from here on: the same bytes
    every time, in whichever process.
    """
    torch.set_num_threads(1)
    errand = Errand.model_validate_json(text)
    try:
        answer = _Visit(errand).work()
    except MyofedError as error:
        answer = Answer(code=error.code)
    return answer.model_dump_json()


@lru_cache(maxsize=1)
def _cache(max_bytes: int) -> SubjectCache:
    """One for all sites that this process plays: memory does not grow with their number."""
    return SubjectCache(max_bytes=max_bytes)


class _Visit:
    """One errand at its site."""

    def __init__(self, errand: Errand) -> None:
        self._errand = errand
        self._instruction = errand.instruction
        self._desk = Desk(RunFolder(Path(errand.folder)))
        self._manifest: StudyManifest = self._desk.run.manifest().manifest
        self._labels = site_labels(self._manifest, errand.site.name)
        self._device = choose_device() if errand.device == "auto" else torch.device("cpu")
        self._own = self._desk.site(errand.site.name)

    def work(self) -> Answer:
        """What the site says.

        Raises:
            MyofedError: As a node's executor and worker.
        """
        packed = self._desk.outgoing.read_bytes()
        if hashlib.sha256(packed).hexdigest() != self._instruction.weights_sha256:
            raise MyofedError("WEIGHTS_DIGEST", "expected weights with the digest of the message, found others")
        roles = split_subjects(self._errand.site.subjects, self._manifest.split)
        self._own.mkdir(mode=0o700, parents=True, exist_ok=True)
        return self._train(packed, roles) if self._instruction.kind == "train" else self._evaluate(packed, roles)

    def _train(self, packed: bytes, roles: Roles) -> Answer:
        private = private_round(self._instruction, self._manifest, roles, study_folder=self._own)
        if private and (kept := private.answered()):
            return self._parcel(packed, kept[1], TaskMetrics.model_validate_json(kept[0]))
        request = TrainRequest(
            manifest=self._manifest,
            dataset=self._errand.site.dataset,
            subjects=roles.model_copy(update={"test": ()}),
            round=self._instruction.round,
            labels=self._labels,
            min_usable=max(1, self._manifest.min_subjects - len(roles.test)),
        )
        local = self._local_tensors()
        usable = self._usable("train")
        start = local.restored(packed, self._instruction)
        trained, metrics = train_task(request, start, cache=usable, device=self._device)
        local.keep(trained, self._instruction)
        metrics = metrics.model_copy(update=self._may_leave(metrics.scores, metrics.group_scores))
        metrics = self._with_exclusions(metrics, usable)
        if private:
            private.release(metrics.model_dump_json(), trained, at=self._errand.at)
        return self._parcel(packed, trained, metrics)

    def _parcel(self, incoming: bytes, trained: bytes, metrics: TaskMetrics) -> Answer:
        """The update lies on disk as it would travel, rounded where the study's transport rounds."""
        encoding = (self._manifest.transport or Transport()).encoding
        kept = Carried(self._own / "carried")
        carried = kept.before(self._instruction) if encoding == "delta-int8" else b""
        parcel, left = encode(trained, incoming=incoming, encoding=encoding, carried=carried)
        if left:
            kept.keep(self._instruction, left)
        path = self._desk.arrival(self._errand.site.name)
        path.parent.mkdir(mode=0o700, exist_ok=True)
        write_atomically(path, parcel)
        return Answer(code="OK", metrics=metrics, update_sha256=hashlib.sha256(parcel).hexdigest())

    def _evaluate(self, packed: bytes, roles: Roles) -> Answer:
        if not roles.validation:
            raise MyofedError("NO_VALIDATION_SUBJECTS", "expected subjects to validate on, found none")
        request = EvaluateRequest(
            manifest=self._manifest,
            dataset=self._errand.site.dataset,
            subjects=roles.validation,
            labels=self._labels,
        )
        weights = self._local_tensors().restored(packed, self._instruction)
        usable = self._usable("evaluate")
        scores, groups = evaluate_task(request, weights, cache=usable, device=self._device)
        metrics = TaskMetrics(examples=0, steps=0, loss=0.0, scores=())
        metrics = metrics.model_copy(update=self._may_leave(scores, groups))
        return Answer(code="OK", metrics=self._with_exclusions(metrics, usable))

    def _usable(self, kind: TaskKind) -> UsableSubjects:
        """Damaged subjects are left out, and written down, as at a node."""
        return UsableSubjects(_cache(self._errand.cache_bytes), self._own / RECORDS[kind])

    def _with_exclusions(self, metrics: TaskMetrics, usable: UsableSubjects) -> TaskMetrics:
        counts = () if self._manifest.privacy else usable.counts()
        kept = counts_that_may_leave(counts, least=self._errand.min_scored)
        return metrics.model_copy(update={"exclusions": kept})

    def _local_tensors(self) -> LocalTensors:
        return LocalTensors(self._own, self._instruction.run_id, self._manifest.local_tensors or ())

    def _may_leave(
        self, scores: tuple[MuscleScore, ...], groups: tuple[GroupScore, ...]
    ) -> dict[str, tuple[MuscleScore, ...] | tuple[GroupScore, ...]]:
        least = self._errand.min_scored
        return {
            "scores": tuple(score for score in scores if score.subjects >= least),
            "group_scores": tuple(score for score in groups if score.subjects >= least),
        }
