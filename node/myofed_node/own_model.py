"""A site's own model, and the Dice of any model on the site's test subjects: for the comparison with the federated one."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from myofed_node.coordinator_api import CoordinatorApi
from myofed_node.federation.egress_client import EgressClient
from myofed_node.federation.local_tensors import LocalTensors
from myofed_node.learning.labels import site_labels
from myofed_node.learning.local import evaluate_model, train_local
from myofed_node.site_setup import Site
from myofed_node.study_desk import StudyDesk, initial_weights
from myofed_schemas.canonical import digest
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode
from myofed_schemas.federation import Instruction, MuscleScore, TaskMetrics
from myofed_schemas.study import StudyManifest

LARGEST_MODEL_BYTES = 1 << 30


@dataclass(frozen=True)
class OwnModel:
    """Safetensors bytes and what the training said."""

    weights: bytes
    metrics: TaskMetrics


@dataclass(frozen=True)
class Scores:
    """Models by digest with their scores, on the split of this digest."""

    split_sha256: str
    test_subjects: int
    scores: tuple[tuple[str, tuple[MuscleScore, ...]], ...]


def train_own_model(site: Site, study_id: str) -> OwnModel:
    """A model trained on this site's training subjects alone, as long as the whole run and from the same start.

    Raises:
        MyofedError: STUDY_UNKNOWN, NOT_APPROVED, WEIGHTS_*, or what the training raises.
    """
    desk = _desk(site)
    manifest = desk.approved_manifest(study_id)
    weights, metrics = train_local(
        initial_weights(site, manifest),
        manifest=manifest,
        dataset=site.folder.dataset,
        subjects=desk.approvals.roles(study_id),
        labels=site_labels(manifest, site.config.site),
    )
    return OwnModel(weights, metrics)


def train_personal_model(site: Site, study_id: str, *, model: Path, run_id: str | None = None) -> OwnModel:
    """The federated model trained on with this site's training subjects, chosen by its validation subjects.

    Args:
        site: This site.
        study_id: An approved study.
        model: The model that the run released.
        run_id: Of a study with `local_tensors`: the run whose tensors of this site belong to the model; needed where the
            site took part in several.

    Raises:
        MyofedError: STUDY_UNKNOWN, NOT_APPROVED, MODEL_UNREADABLE, RUN_UNNAMED, LOCAL_TENSORS_DAMAGED, WEIGHTS_*, or what
            the training raises.
    """
    desk = _desk(site)
    manifest = desk.approved_manifest(study_id)
    weights, metrics = train_local(
        _with_own_tensors(read_model(model), site, manifest, run_id=run_id),
        manifest=manifest,
        dataset=site.folder.dataset,
        subjects=desk.approvals.roles(study_id),
        labels=site_labels(manifest, site.config.site),
        personal=True,
    )
    return OwnModel(weights, metrics)


def evaluate_models(site: Site, study_id: str, *, models: Sequence[Path]) -> Scores:
    """The Dice of each model on the subjects that no training of this study at this site has seen.

    Raises:
        MyofedError: STUDY_UNKNOWN, NOT_APPROVED, MODEL_UNREADABLE, WEIGHTS_*, or what the evaluation raises.
    """
    desk = _desk(site)
    manifest, roles = desk.approved_manifest(study_id), desk.approvals.roles(study_id)
    labels = site_labels(manifest, site.config.site)
    scores = []
    for path in models:
        weights = read_model(path)
        found = evaluate_model(
            weights, manifest=manifest, dataset=site.folder.dataset, subjects=roles.test, labels=labels
        )
        scores.append((hashlib.sha256(weights).hexdigest(), found))
    return Scores(digest(roles), len(roles.test), tuple(scores))


def _with_own_tensors(weights: bytes, site: Site, manifest: StudyManifest, *, run_id: str | None) -> bytes:
    """What stays at this site is put back as for an evaluation; a site that never trained has nothing to put back."""
    folder = site.folder.study(manifest.study_id)
    runs = sorted(path.name for path in (folder / "local-tensors").glob("run-*"))
    if not manifest.local_tensors or not (runs or run_id):
        return weights
    named = [run for run in runs if run_id in (None, run)]
    if len(named) != 1:
        raise MyofedError(
            "RUN_UNNAMED",
            f"expected one run with tensors of this site, found {len(named)}",
            hint=f"name one of them: --run {' or '.join(runs)}" if runs else "leave --run out: this site did not train",
            exit_code=ExitCode.BAD_INPUT,
        )
    asked = Instruction(
        kind="evaluate",
        study_id=manifest.study_id,
        manifest_digest=manifest.digest(),
        run_id=named[0],
        round=manifest.rounds,
        weights_sha256=hashlib.sha256(weights).hexdigest(),
    )
    return LocalTensors(folder, named[0], manifest.local_tensors).restored(weights, asked)


def _desk(site: Site) -> StudyDesk:
    return StudyDesk(site, CoordinatorApi(EgressClient(site.folder)))


def read_model(path: Path) -> bytes:
    """The file's bytes, if it is a file of a plausible size.

    Raises:
        MyofedError: MODEL_UNREADABLE.
    """
    if not path.is_file() or path.stat().st_size > LARGEST_MODEL_BYTES:
        raise MyofedError(
            "MODEL_UNREADABLE",
            f"expected a safetensors file of at most {LARGEST_MODEL_BYTES >> 20} MiB, found none or a larger one",
            hint="name the file that train-local or models export wrote",
            exit_code=ExitCode.BAD_INPUT,
        )
    return path.read_bytes()
