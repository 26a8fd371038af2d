"""The study manifest: everything a site approves before it trains, under one digest."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal, Self

from pydantic import Field, SerializerFunctionWrapHandler, StringConstraints, model_serializer, model_validator

from myofed_schemas.approval import RoleSignature
from myofed_schemas.canonical import digest
from myofed_schemas.ids import Code, MuscleId, Sha256, SiteId, StudyId, UtcTime
from myofed_schemas.study_networks import Network, Unet2d
from myofed_schemas.study_options import (
    NEEDS,
    USES,
    MixedLabels,
    Privacy,
    Schedule,
    StrategyName,
    StrategyOptions,
    Transport,
    muscle_ids,
)
from myofed_schemas.study_planning import Planning
from myofed_schemas.study_terms import DataUse, LegalBasis
from myofed_schemas.wire import WireModel

DuoTerm = Annotated[str, StringConstraints(pattern=r"^DUO:\d{7}$")]
PRINTABLE = r"^[^\x00-\x1f\x7f-\x9f]+$"
"""No control characters: people read it on a terminal before they approve."""

HexSignature = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{128}$")]
HexPublicKey = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


NORM_SIGMAS = 4.0
"""The norm of n standard normal numbers is above sqrt(n) + 4 with probability exp(-8) at most (Laurent and Massart 2000, lemma 1)."""

TensorName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.]{1,200}$")]


class TensorSpec(WireModel):
    """One entry of the state dict: what a message may carry, and nothing else."""

    name: TensorName
    shape: tuple[Annotated[int, Field(ge=0, le=2**31)], ...] = Field(max_length=8)
    dtype: Literal["float32", "int64"]


Architecture = Unet2d
"""The first network of the allow-list, by the name it had when it was the only one."""


Channel = Literal["in-phase", "water", "fat", "t1w"]
SizePx = tuple[Annotated[int, Field(ge=16, le=1024)], Annotated[int, Field(ge=16, le=1024)]]
"""Rows, columns."""


class InputImage(WireModel):
    """How a site forms the network's input: one channel that every site has, one thigh at a time.

    Each axial slice of the in-phase magnitude image is split at the midline, the left thigh mirrored, resampled to
    `spacing_mm` in plane, cropped or padded to `size_px` and z-scored.
    """

    kind: Literal["in-phase-magnitude"]
    spacing_mm: float = Field(ge=0.5, le=5.0)
    size_px: SizePx

    @property
    def channel_names(self) -> tuple[Channel, ...]:
        """What the network's input channels are, in their order."""
        return ("in-phase",)


class InputChannels(WireModel):
    """The same from several sequences, so that one model serves sites that do not all have them.

    A channel that a site lacks is zero. The label map may lie on any of them; the others are sampled on its grid.

    Attributes:
        channels: Input channels of the network, each once; a site needs one of them.
        dropout: Probability with which training leaves out a channel of a slice, never the last one.
        spacing_mm: As in `InputImage`.
        size_px: As in `InputImage`.
    """

    kind: Literal["channels"]
    channels: tuple[Channel, ...] = Field(min_length=1, max_length=4)
    dropout: float = Field(ge=0, le=0.9)
    spacing_mm: float = Field(ge=0.5, le=5.0)
    size_px: SizePx

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        if len(set(self.channels)) != len(self.channels):
            msg = "a channel is named twice"
            raise ValueError(msg)
        return self

    @property
    def channel_names(self) -> tuple[Channel, ...]:
        """What the network's input channels are, in their order."""
        return self.channels


StudyInput = InputImage | InputChannels
"""What a site makes of its images."""


class Training(WireModel):
    """Hyper-parameters of the local steps; a site runs exactly these."""

    optimiser: Literal["adamw"]
    learning_rate: float = Field(gt=0, le=1)
    learning_rate_end: float = Field(ge=0, le=1)
    """Cosine from `learning_rate` in the first round to this in the last."""
    weight_decay: float = Field(ge=0, le=1)
    batch_size: int = Field(ge=1, le=64)
    local_steps: int = Field(ge=1, le=1000)
    augmentation: Literal["none", "geometric", "geometric-intensity"]
    seed: int = Field(ge=0, le=2**31 - 1)


class Split(WireModel):
    """Which subjects train, validate and test: drawn once per study and site, with a key that the site alone has.

    Attributes:
        test_percent: Chance of a subject to test; small sites have at least one who does.
        validation_percent: Chance to validate; where it is above 0, at least one does.
        salt: Another salt is another draw; without the key it tells nothing about who is drawn.
    """

    test_percent: int = Field(ge=10, le=50)
    validation_percent: int = Field(ge=0, le=30)
    salt: str = Field(min_length=1, max_length=64)


class StudyManifest(WireModel):
    """What a consortium asks its sites to do, complete; any change is a new version to approve again."""

    schema_version: Literal["myofed-study-1"] = "myofed-study-1"
    study_id: StudyId
    version: int = Field(ge=1)
    title: str = Field(min_length=3, max_length=200, pattern=PRINTABLE)
    purpose: str = Field(min_length=3, max_length=2000, pattern=PRINTABLE)
    duo: tuple[DuoTerm, ...] = ()
    sites: tuple[SiteId, ...] = Field(min_length=1)
    label_set: Literal["individual"] = "individual"
    muscles: tuple[MuscleId, ...] = Field(min_length=1)
    """Class k+1 of the network is muscle k; class 0 is background."""
    architecture: Network
    state_dict: tuple[TensorSpec, ...] = Field(min_length=1)
    initial_weights_sha256: Sha256
    image: Annotated[StudyInput, Field(discriminator="kind")]
    training: Training
    split: Split
    strategy: StrategyName
    weighting: Literal["uniform", "examples"]
    rounds: int = Field(ge=1, le=1000)
    min_sites: int = Field(ge=1)
    """Quorum: a round with fewer valid updates fails the run."""
    min_subjects: int = Field(ge=1)
    """A site with fewer subjects must not take part (the site's own policy may ask for more)."""
    round_timeout_s: int = Field(ge=10, le=86_400)
    demo: bool = False
    """A demonstration on synthetic patients; a site refuses it unless its policy is marked demo as well."""
    strategy_options: StrategyOptions | None = None
    local_tensors: tuple[TensorName, ...] | None = Field(default=None, min_length=1)
    """`fedbn`: tensors of the state dict that stay at each site and are not part of the rounds' mean."""
    max_update_norm: float | None = Field(default=None, gt=0, le=1e9)
    """Largest L2 norm of an update minus the weights that went out, without the local tensors; a site that sends more has an error in that round."""
    schedule: Schedule | None = None
    mixed_labels: MixedLabels | None = None
    privacy: Privacy | None = None
    transport: Transport | None = None
    planning: Planning | None = None
    """Where the input and the depth of the network come from; a site that answered compares the digest with its own answer."""
    legal_basis: LegalBasis | None = None
    data_use: DataUse | None = None

    @model_serializer(mode="wrap")
    def _without_unused_options(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """An option that is not used is absent, so that a manifest of an earlier release keeps its digest and signature."""
        document: dict[str, Any] = handler(self)
        return {name: value for name, value in document.items() if value is not None}

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        unknown = [m for m in self.muscles if m not in muscle_ids()]
        if unknown:
            msg = f"muscles not in muscles.tsv: {', '.join(unknown)}"
            raise ValueError(msg)
        if len(set(self.muscles)) != len(self.muscles) or len(set(self.sites)) != len(self.sites):
            msg = "a muscle or site is named twice"
            raise ValueError(msg)
        if self.architecture.out_channels != len(self.muscles) + 1:
            msg = f"out_channels is {self.architecture.out_channels}, expected {len(self.muscles) + 1} (background + muscles)"
            raise ValueError(msg)
        if self.min_sites > len(self.sites):
            msg = f"min_sites is {self.min_sites}, but only {len(self.sites)} sites are named"
            raise ValueError(msg)
        self._check_strategy()
        self._check_options()
        return self

    def _check_strategy(self) -> None:
        given = self.strategy_options.given() if self.strategy_options else frozenset()
        missing, unused = NEEDS[self.strategy] - given, given - USES[self.strategy]
        if missing or unused:
            wrong = ", ".join(sorted(missing or unused))
            msg = f"strategy {self.strategy} {'needs' if missing else 'does not use'} {wrong}"
            raise ValueError(msg)
        if (self.strategy == "fedbn") != (self.local_tensors is not None):
            msg = "local_tensors belong to strategy fedbn, and it needs them"
            raise ValueError(msg)

    def _check_options(self) -> None:
        names = {tensor.name for tensor in self.state_dict}
        if self.local_tensors and not set(self.local_tensors) < names:
            msg = "local_tensors must be some, not all, of the state dict's tensors"
            raise ValueError(msg)
        if self.schedule and (self.schedule.sites_per_round or self.min_sites) < self.min_sites:
            msg = f"sites_per_round is below min_sites ({self.min_sites})"
            raise ValueError(msg)
        if self.mixed_labels:
            self._check_mixed_labels(self.mixed_labels)
        if self.max_update_norm is not None and self.privacy and self.privacy.level == "update":
            self._check_noise(self.max_update_norm, self.privacy)

    def _check_noise(self, limit: float, privacy: Privacy) -> None:
        """The norm of n Gaussian numbers of deviation s is s (sqrt(n) + 4) at most, but once in 3 000."""
        shared = (t for t in self.state_dict if t.dtype == "float32" and t.name not in (self.local_tensors or ()))
        numbers = sum(math.prod(tensor.shape) for tensor in shared)
        deviation = privacy.noise_multiplier * privacy.clip_norm
        longest = math.hypot(deviation * (math.sqrt(numbers) + NORM_SIGMAS), privacy.clip_norm)
        if longest > limit:
            msg = (
                f"max_update_norm is {limit:g}, but the study's own noise makes honest updates of norm up to {longest:.6g} "
                f"(noise_multiplier {privacy.noise_multiplier:g} x clip_norm {privacy.clip_norm:g}, {numbers} weights): "
                "leave max_update_norm out, or set it above that"
            )
            raise ValueError(msg)

    def _check_mixed_labels(self, mixed: MixedLabels) -> None:
        named = [labels.site for labels in mixed.sites]
        if len(set(named)) != len(named) or not set(named) <= set(self.sites):
            msg = "mixed_labels must name sites of the study, each once"
            raise ValueError(msg)
        for labels in mixed.sites:
            if not labels.muscles() & set(self.muscles):
                msg = f"site {labels.site} labels none of the study's muscles"
                raise ValueError(msg)

    def digest(self) -> str:
        """SHA-256 of the canonical JSON: what sites approve and what every message must name."""
        return digest(self)


class SignedManifest(WireModel):
    """A manifest as the coordinator sends it: Ed25519 over the canonical JSON of `manifest`, both in hexadecimal."""

    manifest: StudyManifest
    digest: Sha256
    signature: HexSignature
    signer: HexPublicKey


class StudyDecision(WireModel):
    """What the people of a site decided about one version of a study; signed with the site's identity key."""

    study_id: StudyId
    version: int = Field(ge=1)
    digest: Sha256
    site: SiteId
    decision: Literal["approved", "declined", "revoked"]
    reason: Code
    decided_at: UtcTime
    demo: Literal[True] | None = None
    """Decided under a policy marked demo; absent from every other decision, and from those of earlier releases."""
    signed_by: tuple[RoleSignature, ...] | None = Field(default=None, min_length=1, max_length=16)
    """Personal signatures behind it, by role; absent where the operator decided alone. No name of a person."""

    @model_serializer(mode="wrap")
    def _without_what_is_absent(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        document: dict[str, Any] = handler(self)
        return {name: value for name, value in document.items() if value is not None}


class SignedDecision(WireModel):
    """A decision with the site's Ed25519 signature over its canonical JSON."""

    decision: StudyDecision
    signature: HexSignature
