"""A model's card as it travels: what the model was made from, how it scored, what is known of its privacy, under which licence."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from myofed_schemas.bundle_metadata import BundleMetadata
from myofed_schemas.ids import MuscleId, Sha256
from myofed_schemas.model import ModelStatement
from myofed_schemas.study_options import Privacy
from myofed_schemas.study_terms import Licence
from myofed_schemas.wire import WireModel

ReleaseReason = Literal["demo-policy", "few-training-subjects", "consortium-licence"]


class PrivacyFigure(WireModel):
    """One figure of an attack.

    Attributes:
        attack: What was tried.
        setting: On which study's settings.
        measure: What the figure is.
        value: The point; `low` and `high` are its 95 % interval.
        target: At most this.
    """

    attack: Literal["inversion", "membership-by-loss", "membership-by-calibrated-loss"]
    setting: str
    measure: str
    value: float
    low: float
    high: float
    target: float


class CardRound(WireModel):
    """One round: how many sites gave an update, and the Dice of the model that the round made (none after a lost evaluation)."""

    round: int = Field(ge=1)
    sites: int = Field(ge=0)
    dice: float | None


class Release(WireModel):
    """Whether the model may leave the consortium as far as its privacy goes, and what speaks against it."""

    mark: Literal["consortium-only", "may-be-released"]
    reasons: tuple[ReleaseReason, ...]


class ModelCard(WireModel):
    """Everything the coordinator can say of one model; no name of a site, no count that a site did not agree to.

    Attributes:
        model: The signed statement.
        study_version: Of the manifest.
        network: Its name in the allow-list.
        channels: What the network sees.
        sites: Sites that gave an update in some round.
        labelled_subjects_at_least: A site; what the manifest asks for and every node checked.
        training_subjects_expected: A site, as a bucket: the share of those that trains.
        rounds: Those done; empty where the run's folder is gone.
        dice: Of this model, mean over sites.
        demo: Trained under policies marked demo, on synthetic patients.
        privacy: As in the manifest: `epsilon` is the budget that no site passed; None: privacy off.
        licence: Under which the study lets its models out; `LicenseRef-consortium-only` where it says nothing.
        monai: What `metadata.json` of a MONAI bundle says of it.
        figures_commit: The code whose attacks `figures` tells of.
    """

    schema_version: Literal["myofed-model-card-1"] = "myofed-model-card-1"
    model: ModelStatement
    title: str
    purpose: str
    study_version: int
    muscles: tuple[MuscleId, ...]
    network: str
    channels: tuple[str, ...]
    strategy: str
    weighting: str
    rounds_planned: int
    local_steps: int
    batch_size: int
    sites: int
    labelled_subjects_at_least: int
    training_subjects_expected: int
    rounds: tuple[CardRound, ...]
    dice: float | None
    demo: bool
    privacy: Privacy | None
    release: Release
    licence: Licence
    monai: BundleMetadata
    limits: tuple[str, ...]
    figures_commit: str
    figures: tuple[PrivacyFigure, ...]
    manifest_digest: Sha256
