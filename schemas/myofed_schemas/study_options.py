"""What a study may ask for beyond plain federated averaging; each option is absent from a manifest that does not use it."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from myofed_schemas.anatomy import muscles
from myofed_schemas.ids import SiteId
from myofed_schemas.muscle_sets import structures
from myofed_schemas.wire import WireModel

StructureId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9 ()/,-]{1,63}$")]
"""Id of a muscle (`VL`) or name of a muscle set (`quadriceps`), as `muscle_sets.structures()` has them."""

StrategyName = Literal["fedavg", "fedprox", "fedadam", "fedbn", "trimmed-mean"]


class StrategyOptions(WireModel):
    """Numbers of a strategy; one that the strategy does not use is refused.

    Attributes:
        proximal_mu: `fedprox` (also with `fedbn`): weight of half the squared distance to the incoming weights.
        server_rate: `fedadam`: the coordinator's learning rate.
        beta_1: `fedadam`: decay of the first moment.
        beta_2: `fedadam`: decay of the second moment.
        tau: `fedadam`: adaptivity, added to the root of the second moment.
        trim_percent: `trimmed-mean`: share of the sites left out at each end, coordinate by coordinate; at least one site.
        release: `fedbn`: what a site that never trained is given for the tensors that stay local: the mean of the sites'
            last ones, or the mean adapted on its own unlabelled images.
    """

    proximal_mu: float | None = Field(default=None, gt=0, le=10)
    server_rate: float | None = Field(default=None, gt=0, le=10)
    beta_1: float | None = Field(default=None, ge=0, lt=1)
    beta_2: float | None = Field(default=None, ge=0, lt=1)
    tau: float | None = Field(default=None, gt=0, le=1)
    trim_percent: int | None = Field(default=None, ge=1, le=49)
    release: Literal["aggregated", "recalibrated"] | None = None

    def given(self) -> frozenset[str]:
        """Names of the options that have a value."""
        return frozenset(name for name, value in self if value is not None)


USES: dict[StrategyName, frozenset[str]] = {
    "fedavg": frozenset(),
    "fedprox": frozenset({"proximal_mu"}),
    "fedadam": frozenset({"server_rate", "beta_1", "beta_2", "tau"}),
    "fedbn": frozenset({"proximal_mu", "release"}),
    "trimmed-mean": frozenset({"trim_percent"}),
}
"""Options a strategy may have."""

NEEDS: dict[StrategyName, frozenset[str]] = {
    "fedavg": frozenset(),
    "fedprox": frozenset({"proximal_mu"}),
    "fedadam": frozenset({"server_rate", "beta_1", "beta_2", "tau"}),
    "fedbn": frozenset({"release"}),
    "trimmed-mean": frozenset({"trim_percent"}),
}
"""Options a strategy must have: a default hidden in code would not be part of what a site approves."""


class Schedule(WireModel):
    """Who trains when, and which round's model is kept.

    Attributes:
        sites_per_round: A sample of the sites trains in each round; all of them where it is absent.
        sampling_seed: Of that sample: the same seed and round choose the same sites.
        learning_rate: `cosine` over the whole run, or `constant` (then `learning_rate_end` is not used).
        warmup_rounds: The learning rate rises linearly over so many rounds first.
        keep: The last round's model, or the one with the best aggregated validation Dice.
        patience_rounds: The run ends when so many rounds in a row brought no better validation Dice.
        straggler_wait_s: Once `min_sites` have answered well, the others have so many seconds more; absent: until
            `round_timeout_s`.
    """

    sites_per_round: int | None = Field(default=None, ge=1, le=1000)
    sampling_seed: int = Field(default=0, ge=0, le=2**31 - 1)
    learning_rate: Literal["cosine", "constant"] = "cosine"
    warmup_rounds: int = Field(default=0, ge=0, le=100)
    keep: Literal["last", "best"] = "last"
    patience_rounds: int | None = Field(default=None, ge=1, le=1000)
    straggler_wait_s: int | None = Field(default=None, ge=1, le=86_400)


class SiteLabels(WireModel):
    """What one site has drawn.

    Attributes:
        site: The site.
        structures: Muscles it labels singly, and sets it labels as one; each of the study's muscles at most once. A
            muscle that stands in none is not labelled there: its voxels may be anything.
    """

    site: SiteId
    structures: tuple[StructureId, ...] = Field(min_length=1, max_length=128)

    @model_validator(mode="after")
    def _known_and_disjoint(self) -> Self:
        known = structures()
        unknown = [name for name in self.structures if name not in known]
        if unknown:
            msg = f"neither a muscle nor a muscle set: {', '.join(unknown)}"
            raise ValueError(msg)
        members = [m for name in self.structures for m in known[name].members]
        if len(set(members)) != len(members):
            msg = f"site {self.site}: a muscle stands in two of its structures"
            raise ValueError(msg)
        return self

    def muscles(self) -> frozenset[str]:
        """Ids of all muscles that some structure of this site covers."""
        return frozenset(m for name in self.structures for m in structures()[name].members)


class MixedLabels(WireModel):
    """Sites that drew different things train one model of single muscles.

    A set is never mapped to one of its members: its voxels ask only that the members' probabilities sum to one.

    Attributes:
        sites: Sites that did not draw every muscle singly; the others did.
        distillation: Weight of keeping, inside a set, the split among its members that the incoming model has; 0 is off.
        step_percent: Local steps of a site that draws sets, in percent of the others'.
    """

    sites: tuple[SiteLabels, ...] = Field(min_length=1)
    distillation: float = Field(default=0.0, ge=0, le=100)
    step_percent: int = Field(default=100, ge=1, le=100)


class Privacy(WireModel):
    """Clipping and Gaussian noise on the node; the site's own policy may ask for more and never takes less.

    Attributes:
        level: `update`: the whole update of a site is clipped and noised; `example`: DP-SGD (Abadi 2016) on its examples.
        clip_norm: L2 bound on the update, or on one example's gradient.
        noise_multiplier: Standard deviation of the noise in units of `clip_norm`.
        delta: Of (epsilon, delta)-differential privacy.
        epsilon: Budget of one site over the whole study; a round that would spend more is refused.
    """

    level: Literal["update", "example"]
    clip_norm: float = Field(gt=0, le=1e6)
    noise_multiplier: float = Field(gt=0, le=1e3)
    delta: float = Field(gt=0, le=1e-3)
    epsilon: float = Field(gt=0, le=1e6)


class Transport(WireModel):
    """How weights travel.

    Attributes:
        by: In Flower's message, or by reference: the message names the digest, the bytes move over `/site/weights`.
        encoding: `float32` exactly; `bfloat16` or `float16` rounded; `delta-int8`: the difference to the incoming weights
            in 8 bits a number, what was rounded away carried over to the site's next update.
    """

    by: Literal["message", "reference"] = "message"
    encoding: Literal["float32", "bfloat16", "float16", "delta-int8"] = "float32"


def muscle_ids() -> frozenset[str]:
    """Ids of all muscles of `muscles.tsv`."""
    return frozenset(m.id for m in muscles())
