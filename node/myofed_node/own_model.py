"""A site's own model, and the Dice of any model on the site's test subjects: for the comparison with the federated one."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from myofed_node.coordinator_api import CoordinatorApi
from myofed_node.federation.egress_client import EgressClient
from myofed_node.learning.labels import site_labels
from myofed_node.learning.local import evaluate_model, train_local
from myofed_node.site_setup import Site
from myofed_node.study_desk import StudyDesk, initial_weights
from myofed_schemas.canonical import digest
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode
from myofed_schemas.federation import MuscleScore, TaskMetrics

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
        weights = _read(path)
        found = evaluate_model(
            weights, manifest=manifest, dataset=site.folder.dataset, subjects=roles.test, labels=labels
        )
        scores.append((hashlib.sha256(weights).hexdigest(), found))
    return Scores(digest(roles), len(roles.test), tuple(scores))


def _desk(site: Site) -> StudyDesk:
    return StudyDesk(site, CoordinatorApi(EgressClient(site.folder)))


def _read(path: Path) -> bytes:
    """The file's bytes, if it is a file of a plausible size."""
    if not path.is_file() or path.stat().st_size > LARGEST_MODEL_BYTES:
        raise MyofedError(
            "MODEL_UNREADABLE",
            f"expected a safetensors file of at most {LARGEST_MODEL_BYTES >> 20} MiB, found none or a larger one",
            hint="name the file that train-local or models export wrote",
            exit_code=ExitCode.BAD_INPUT,
        )
    return path.read_bytes()
