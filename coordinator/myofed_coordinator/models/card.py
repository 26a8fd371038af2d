"""A model's card: what it was made from, how it scored, what is known of its privacy, and whether it may leave the consortium."""

from __future__ import annotations

import re
from functools import cache
from importlib.metadata import requires
from importlib.resources import files
from typing import Literal

import numpy as np
from pydantic import Field

from myofed_schemas.bundle_metadata import FrameworkVersions, bundle_metadata, licence_of
from myofed_schemas.federation import RunStatus, bucket
from myofed_schemas.model import ModelStatement
from myofed_schemas.model_card import CardRound, ModelCard, PrivacyFigure, Release, ReleaseReason
from myofed_schemas.study import StudyManifest
from myofed_schemas.study_terms import CONSORTIUM_ONLY
from myofed_schemas.wire import WireModel

RELEASE_TRAINING_SUBJECTS = 26
"""A site; with fewer the model stays among its sites. Those of 40 labelled subjects, the default of `policy.minimum_subjects`
(docs/privacy.md says what was measured there)."""
LIMITS = (
    "For research; no medical device.",
    "Dice is over validation subjects of the sites that trained, never over subjects of another hospital.",
    "It holds for images made like the study's input, of the muscles named here.",
    "Privacy figures are of the settings named beside them, on synthetic patients; they prove nothing about other data.",
)


class PrivacyFigures(WireModel):
    """The figures of the last whole `python -m bench privacy`, written by `python -m bench.privacy.figures`.

    Attributes:
        commit: Of the code that was attacked.
        figures: In the order of docs/privacy.md.
    """

    schema_version: Literal["myofed-privacy-figures-1"] = "myofed-privacy-figures-1"
    commit: str = Field(pattern=r"^[0-9a-f]{40}$")
    figures: tuple[PrivacyFigure, ...] = Field(min_length=1)


def card_of(statement: ModelStatement, manifest: StudyManifest, status: RunStatus | None) -> ModelCard:
    """The card of this model.

    Args:
        statement: From the registry.
        manifest: Of its run.
        status: Of its run; None where the run's folder is gone.
    """
    rounds = _rounds(status)
    dice = next((r.dice for r in rounds if r.round == statement.rounds), None)
    known = privacy_figures()
    return ModelCard(
        model=statement,
        title=manifest.title,
        purpose=manifest.purpose,
        study_version=manifest.version,
        muscles=manifest.muscles,
        network=manifest.architecture.name,
        channels=manifest.image.channel_names,
        strategy=manifest.strategy,
        weighting=manifest.weighting,
        rounds_planned=manifest.rounds,
        local_steps=manifest.training.local_steps,
        batch_size=manifest.training.batch_size,
        sites=len({site for report in status.rounds for site in report.sites}) if status else 0,
        labelled_subjects_at_least=manifest.min_subjects,
        training_subjects_expected=bucket(max(1, expected_training(manifest))),
        rounds=rounds,
        dice=dice,
        demo=manifest.demo,
        privacy=manifest.privacy,
        release=release_of(manifest),
        licence=licence_of(manifest),
        monai=bundle_metadata(manifest, statement.sha256, versions=framework_versions(), dice=dice),
        limits=LIMITS,
        figures_commit=known.commit,
        figures=known.figures,
        manifest_digest=statement.manifest_digest,
    )


def expected_training(manifest: StudyManifest) -> int:
    """Training subjects that the smallest allowed site is expected to have: the split's share of its labelled subjects."""
    share = 100 - manifest.split.test_percent - manifest.split.validation_percent
    return manifest.min_subjects * share // 100


def release_of(manifest: StudyManifest) -> Release:
    """The mark of a model of this study; a study whose smallest site is too small has no model for others."""
    reasons: list[ReleaseReason] = []
    if manifest.demo:
        reasons.append("demo-policy")
    if expected_training(manifest) < RELEASE_TRAINING_SUBJECTS:
        reasons.append("few-training-subjects")
    if licence_of(manifest) == CONSORTIUM_ONLY:
        reasons.append("consortium-licence")
    return Release(mark="consortium-only" if reasons else "may-be-released", reasons=tuple(reasons))


@cache
def framework_versions() -> FrameworkVersions:
    """What this release's nodes train with, as its own metadata pins it; the coordinator has neither of the two."""
    pinned = dict(re.findall(r"^(torch|monai)==([0-9.]+)", "\n".join(requires("myofed") or ()), re.MULTILINE))
    return FrameworkVersions(monai=pinned["monai"], torch=pinned["torch"], numpy=np.__version__)


@cache
def privacy_figures() -> PrivacyFigures:
    """The packaged figures of the last whole bench."""
    packaged = files("myofed_coordinator.models") / "privacy_figures.json"
    return PrivacyFigures.model_validate_json(packaged.read_bytes())


def _rounds(status: RunStatus | None) -> tuple[CardRound, ...]:
    """A round's own model is scored in the round after it, the last one in the final evaluation."""
    if status is None:
        return ()
    scored = {report.round - 1: report.dice for report in status.rounds}
    if status.rounds and status.final:
        scored[status.rounds[-1].round] = status.final.dice
    return tuple(CardRound(round=r.round, sites=len(r.sites), dice=scored.get(r.round)) for r in status.rounds)
