"""`release: recalibrated`: the released model with local tensors fitted to this site's own unlabelled images; it stays here."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

import torch
from pydantic import Field, ValidationError

from myofed_node.federation.approvals import Approvals
from myofed_node.federation.network_policy import check_network
from myofed_node.federation.study_files import StudyFiles
from myofed_node.learning.device import choose_device
from myofed_node.learning.exclusions import ABOUT_ONE_SUBJECT
from myofed_node.learning.models import check_architecture
from myofed_node.learning.recalibrate import RATE, STEPS, recalibrated
from myofed_node.learning.split import known_roles
from myofed_node.learning.unlabelled import subjects_with_images, unlabelled_slices
from myofed_node.own_model import read_model
from myofed_node.site_setup import Site
from myofed_schemas.clock import utc_text
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode
from myofed_schemas.federation import bucket
from myofed_schemas.ids import Code, Sha256, SiteId, StudyId, UtcTime
from myofed_schemas.study import StudyManifest
from myofed_schemas.wire import WireModel

POOL_SLICES = 512
"""Of all subjects together; the few steps draw some hundred of them."""
LARGEST_MANIFEST_BYTES = 16 << 20


class LeftOut(WireModel):
    """Subjects whose files cannot be used, by code; a bucket of their number."""

    code: Code
    subjects: int = Field(ge=1)


class Recalibration(WireModel):
    """Where a recalibrated model comes from: `FILE.json` beside its weights.

    Attributes:
        sha256: Of the file.
        parent_sha256: Of the released model it was made from.
        study_id: The study.
        manifest_digest: Which manifest, exactly.
        site: Whose images.
        demo: Under a policy marked demo.
        subjects: Bucket of the number of subjects whose images were used.
        left_out: Subjects that could not be used.
        test_subjects_left_out: The site had a split of this study, and its test subjects were not looked at.
        tensors: Number of local tensors that moved.
        steps: Optimiser steps.
        learning_rate: Of AdamW.
        batch_size: Slices a step.
        seed: Of the draws.
        made_at: UTC.
    """

    schema_version: Literal["myofed-recalibrated-1"] = "myofed-recalibrated-1"
    sha256: Sha256
    parent_sha256: Sha256
    study_id: StudyId
    manifest_digest: Sha256
    site: SiteId
    demo: bool
    subjects: int = Field(ge=1)
    left_out: tuple[LeftOut, ...]
    test_subjects_left_out: bool
    tensors: int = Field(ge=1)
    steps: int = Field(ge=1)
    learning_rate: float = Field(gt=0)
    batch_size: int = Field(ge=1)
    seed: int = Field(ge=0)
    made_at: UtcTime


@dataclass(frozen=True)
class RecalibratedModel:
    """Safetensors bytes and where they come from."""

    weights: bytes
    lineage: Recalibration


def known_manifest(site: Site, study_id: str) -> StudyManifest:
    """The newest manifest of a study that names this site; it need not be approved, because nothing leaves.

    Raises:
        MyofedError: STUDY_UNKNOWN, MANIFEST_CHANGED.
    """
    return Approvals(site.folder, site.config).show(study_id).newest.manifest


def read_manifest(path: Path) -> StudyManifest:
    """A manifest that people handed over: JSON of itself, or of what holds it (`study show --json` of the coordinator).

    Raises:
        MyofedError: MANIFEST_UNREADABLE.
    """
    try:
        with path.open("rb") as stream:
            document = json.loads(stream.read(LARGEST_MANIFEST_BYTES))
        return StudyManifest.model_validate(document.get("manifest", document))
    except (OSError, ValueError, AttributeError, ValidationError):
        raise MyofedError(
            "MANIFEST_UNREADABLE",
            "expected a study's manifest as JSON, found none",
            hint="myofed-coordinator study show STUDY --json prints it",
            exit_code=ExitCode.BAD_INPUT,
        ) from None


def recalibrate_model(
    site: Site, manifest: StudyManifest, model: Path, *, now: datetime, threads: int = 1
) -> RecalibratedModel:
    """The model, fitted to the images of this site's subjects; test subjects of an approved split are not looked at.

    Args:
        site: Whose images.
        manifest: The study that the model was trained in.
        model: Safetensors, as `models export` wrote it.
        now: UTC.
        threads: CPU threads; 1 gives the same bytes every time.

    Raises:
        MyofedError: RELEASE_NOT_RECALIBRATED, MODEL_UNREADABLE, NO_IMAGES, WEIGHTS_*, ARCHITECTURE_*, or a code of
            `check_network`.
    """
    _check_release(manifest)
    check_network(manifest, site.config.policy)
    check_architecture(manifest)
    parent = read_model(model)
    roles = known_roles(StudyFiles(site.folder).splits(manifest.study_id))
    images, left_out = _images(site.folder.dataset, manifest, without=frozenset(roles.test))
    torch.set_num_threads(threads)
    weights = recalibrated(parent, images, manifest=manifest, device=choose_device())
    lineage = Recalibration(
        sha256=hashlib.sha256(weights).hexdigest(),
        parent_sha256=hashlib.sha256(parent).hexdigest(),
        study_id=manifest.study_id,
        manifest_digest=manifest.digest(),
        site=site.config.site,
        demo=site.config.policy.demo,
        subjects=bucket(len(images)),
        left_out=left_out,
        test_subjects_left_out=bool(roles.test),
        tensors=len(manifest.local_tensors or ()),
        steps=STEPS,
        learning_rate=RATE,
        batch_size=manifest.training.batch_size,
        seed=manifest.training.seed,
        made_at=utc_text(now),
    )
    return RecalibratedModel(weights, lineage)


def _check_release(manifest: StudyManifest) -> None:
    released = manifest.strategy_options.release if manifest.strategy_options else None
    if released != "recalibrated":
        raise MyofedError(
            "RELEASE_NOT_RECALIBRATED",
            f"expected a study with release: recalibrated, found {released or 'none'}",
            hint="the study's model is used as it is (docs/strategies.md)",
            exit_code=ExitCode.BAD_INPUT,
        )


def _images(
    dataset: Path, manifest: StudyManifest, *, without: frozenset[str]
) -> tuple[list[torch.Tensor], tuple[LeftOut, ...]]:
    """One tensor a usable subject, (n, c, h, w) each, and who could not be used."""
    subjects = [s for s in subjects_with_images(dataset) if s not in without]
    most = max(1, POOL_SLICES // max(1, len(subjects)))
    images, codes = [], Counter[str]()
    for subject in subjects:
        try:
            images.append(unlabelled_slices(dataset, subject, image=manifest.image, most=most))
        except MyofedError as error:
            if not error.code.startswith(ABOUT_ONE_SUBJECT):
                raise
            codes[error.code] += 1
    return images, tuple(LeftOut(code=code, subjects=bucket(n)) for code, n in sorted(codes.items()))
