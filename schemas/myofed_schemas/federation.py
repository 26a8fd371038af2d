"""What coordinator and sites say to each other during a run: numbers, digests and codes, never text of an exception."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer

from myofed_schemas.ids import Code, MuscleId, RunId, Sha256, SiteId, StudyId, UtcTime
from myofed_schemas.study_options import StructureId
from myofed_schemas.wire import WireModel

PACKED = "packed"
"""Name of the ONE value that carries a whole safetensors file (one array per tensor costs 60 requests a hop)."""

INLINE_BYTES = 4 << 20
"""Up to this size it is a scalar of the message's one record (3 objects a message), above it an array (6 objects and one
more for every 5 MiB): Flower cuts arrays into pieces, scalars not, and every object is a request on each of four hops."""

FLEET_PATHS = tuple(
    f"/v1/fleet/{call}"
    for call in (
        "activate-node",
        "deactivate-node",
        "send-node-heartbeat",
        "pull-messages",
        "push-messages",
        "get-run",
        "get-fab",
        "push-object",
        "pull-object",
        "confirm-message-received",
    )
)
"""The ten calls a stock Flower 1.41.0 SuperNode makes; the sites' port and the egress pass these and no other."""

FLEET_HEADERS = (
    "content-type",
    "accept",
    "flwr-public-key",
    "flwr-signature",
    "flwr-timestamp",
    "flwr-package-name",
    "flwr-package-version",
    "flwr-component-name",
)
"""The headers those calls need; egress and sites' port pass these and no other, so that nothing rides along in one."""

MAX_REPLY_OBJECTS = 256
"""Objects of one reply: 3 with its update in a record, 6 and one more for every 5 MiB otherwise, so 109 at the largest weights."""

FLEET_BODY_BYTES = 16 << 20
"""Largest body of a fleet call in either direction; Flower cuts its objects into pieces of 5 MiB."""

EXAMPLE_BUCKETS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)


def bucket(count: int) -> int:
    """The largest bucket that is not above `count`: a site's exact number of subjects never leaves it.

    Raises:
        ValueError: `count` is below 1.
    """
    if count < 1:
        msg = f"count is {count}, expected at least 1"
        raise ValueError(msg)
    return max(b for b in EXAMPLE_BUCKETS if b <= count)


class Instruction(WireModel):
    """What a message from the ServerApp asks for; travels as the scalars of a Flower ConfigRecord."""

    kind: Literal["train", "evaluate"]
    study_id: StudyId
    manifest_digest: Sha256
    run_id: RunId
    round: int = Field(ge=1, le=1000)
    weights_sha256: Sha256


MAX_SCORED = 1_000_000
"""More subjects than any site has: a larger number is no count."""


class MuscleScore(WireModel):
    """Sufficient statistics of Dice over a site's subjects for one muscle; no per-subject value."""

    muscle: MuscleId
    dice_sum: float = Field(ge=0, le=MAX_SCORED)
    subjects: int = Field(ge=0, le=MAX_SCORED)


class GroupScore(WireModel):
    """Sufficient statistics of Dice over a site's subjects for several muscles taken as one; no per-subject value."""

    structure: StructureId
    dice_sum: float = Field(ge=0, le=MAX_SCORED)
    subjects: int = Field(ge=0, le=MAX_SCORED)


class ExclusionCount(WireModel):
    """Subjects that a site's task had to leave out because of their own files, by code; no pseudonym."""

    code: Code
    subjects: int = Field(ge=1, le=MAX_SCORED)


class TaskMetrics(WireModel):
    """What a site says about its task, beside the weights.

    Attributes:
        examples: Training subjects, as a bucket.
        steps: Optimiser steps done.
        loss: Mean training loss over the steps (0 for evaluate).
        scores: Dice of the INCOMING model on the site's validation subjects.
        group_scores: The same for the muscle sets that some site of the study draws as one; empty where none does.
        exclusions: Subjects left out, by code, as buckets; only counts that the site's policy lets leave.
    """

    examples: int = Field(ge=0)
    steps: int = Field(ge=0)
    loss: float
    scores: tuple[MuscleScore, ...]
    group_scores: tuple[GroupScore, ...] = ()
    exclusions: tuple[ExclusionCount, ...] = Field(default=(), max_length=64)

    @model_serializer(mode="wrap")
    def _without_what_is_empty(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """A site with nothing to say of groups or exclusions says what a site of an earlier release did."""
        document: dict[str, Any] = handler(self)
        return {name: value for name, value in document.items() if value or name not in ("group_scores", "exclusions")}


def mean_dice(scores: tuple[MuscleScore, ...]) -> float | None:
    """Mean over muscles of the mean Dice over subjects; None where no muscle has a subject."""
    means = [s.dice_sum / s.subjects for s in scores if s.subjects > 0]
    return sum(means) / len(means) if means else None


class SiteError(WireModel):
    """A site that gave no valid update in a round, and why, as a code."""

    site: SiteId
    code: Code


class RoundReport(WireModel):
    """One finished round, as written to the run's folder and shown on the status page."""

    round: int = Field(ge=1)
    started_at: UtcTime
    seconds: float = Field(ge=0)
    sites: tuple[SiteId, ...]
    errors: tuple[SiteError, ...]
    loss: float | None
    dice: float | None
    """Mean over sites of the incoming global model's Dice on the sites' validation subjects."""
    dice_per_site: dict[SiteId, float]
    weights_sha256: Sha256
    exclusions: dict[SiteId, tuple[ExclusionCount, ...]] = Field(default_factory=dict)
    """Subjects that training left out, as the sites told; empty where none told any."""

    @model_serializer(mode="wrap")
    def _without_what_nobody_told(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return _without_empty_exclusions(handler(self))


class FinalEvaluation(WireModel):
    """Dice of the last round's model on the sites' validation subjects, asked for once after the last round.

    A run that keeps its best round may keep an earlier model: its Dice stands in the report of the round after it.
    """

    dice: float | None
    dice_per_site: dict[SiteId, float]
    errors: tuple[SiteError, ...]
    exclusions: dict[SiteId, tuple[ExclusionCount, ...]] = Field(default_factory=dict)
    """Subjects that this evaluation left out, as the sites told."""

    @model_serializer(mode="wrap")
    def _without_what_nobody_told(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return _without_empty_exclusions(handler(self))


def _without_empty_exclusions(document: dict[str, Any]) -> dict[str, Any]:
    """A report in which no site told of exclusions is as one of an earlier release."""
    return {name: value for name, value in document.items() if value or name != "exclusions"}


class RunStatus(WireModel):
    """State of a run; a run always ends in completed, failed or stopped."""

    run_id: RunId
    study_id: StudyId
    manifest_digest: Sha256
    state: Literal["submitted", "running", "completed", "failed", "stopped"]
    code: Code
    """`OK`, or why the run failed, e.g. `QUORUM_LOST`."""
    rounds: tuple[RoundReport, ...]
    model_sha256: Sha256 | None = None
    """Weights of the model that the run keeps."""
    final: FinalEvaluation | None = None
    kept_round: int | None = Field(default=None, ge=1, le=1000)
    """The round whose weights are that model; absent until the run is completed."""

    @model_serializer(mode="wrap")
    def _without_kept_round_until_completed(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        document: dict[str, Any] = handler(self)
        return {name: value for name, value in document.items() if name != "kept_round" or value is not None}


class Heartbeat(WireModel):
    """A node's sign of life; versions and codes only."""

    myofed_version: str = Field(pattern=r"^[0-9][0-9A-Za-z.+-]{0,31}$")
    flwr_version: str = Field(pattern=r"^[0-9][0-9A-Za-z.+-]{0,31}$")
    state: Code
    sent_at: UtcTime


class HeartbeatReply(WireModel):
    """The coordinator's clock, so that a node can tell a skew before Flower refuses it."""

    received_at: UtcTime
