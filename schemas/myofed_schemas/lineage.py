"""Where a model comes from, round by round: signed records, each bound to the one before; verifiable without the coordinator."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from myofed_schemas.canonical import digest
from myofed_schemas.ids import RunId, Sha256, StudyId, UtcTime
from myofed_schemas.model import ModelStatement
from myofed_schemas.study import HexPublicKey, HexSignature
from myofed_schemas.wire import WireModel

Version = Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z.+-]{1,32}$")]


class UpdateTrace(WireModel):
    """What one site put into a round; no name of the site.

    Attributes:
        sha256: Over names and numbers of the update, as the coordinator got it.
        examples: Training subjects, as a bucket; 0 where the round is of an earlier release.
    """

    sha256: Sha256
    examples: int = Field(ge=0, le=1000)


class NodeSoftware(WireModel):
    """What some of the sites ran."""

    myofed: Version
    flwr: Version


class LineageSoftware(WireModel):
    """What the round was computed with.

    Attributes:
        myofed: At the coordinator; so are flwr, numpy and python.
        nodes: Of the sites that gave an update, each kind once.
    """

    myofed: Version
    flwr: Version
    numpy: Version
    python: Version
    nodes: tuple[NodeSoftware, ...] = Field(max_length=64)


class LineageStatement(WireModel):
    """One round of one run.

    Attributes:
        round: From 1.
        manifest_digest: What the sites approved.
        previous: Digest of the statement of the round before; of the manifest for round 1.
        parent_sha256: Weights that went out: the initial ones in round 1, else those of the round before.
        aggregated_sha256: Weights that the round made.
        updates: Of the sites that gave one, by digest.
        sites: Their number.
        loss: Mean training loss.
        dice: Of the weights that went out, on the sites' validation subjects.
        started_at: UTC.
    """

    schema_version: Literal["myofed-lineage-1"] = "myofed-lineage-1"
    study_id: StudyId
    run_id: RunId
    round: int = Field(ge=1, le=1000)
    manifest_digest: Sha256
    previous: Sha256
    parent_sha256: Sha256
    aggregated_sha256: Sha256
    strategy: str
    weighting: str
    updates: tuple[UpdateTrace, ...] = Field(max_length=1000)
    sites: int = Field(ge=0, le=1000)
    loss: float | None
    dice: float | None
    software: LineageSoftware
    started_at: UtcTime


class LineageRecord(WireModel):
    """A statement with the coordinator's Ed25519 signature over its canonical JSON; both in hexadecimal."""

    statement: LineageStatement
    signature: HexSignature
    signer: HexPublicKey


class Lineage(WireModel):
    """All rounds of a run, or those that a model is made of, in order; empty for a run of an earlier release."""

    records: tuple[LineageRecord, ...] = Field(max_length=1000)


def first_broken(lineage: Lineage, model: ModelStatement) -> int | None:
    """The first round at fault of records that do not lead from the study's manifest to exactly this model; None: they do.

    Signatures are checked elsewhere.
    """
    previous, parent = model.manifest_digest, None
    for number, record in enumerate(lineage.records, start=1):
        said = record.statement
        named = (said.run_id, said.study_id, said.manifest_digest, said.round, said.previous)
        if named != (model.run_id, model.study_id, model.manifest_digest, number, previous):
            return number
        if parent is not None and said.parent_sha256 != parent:
            return number
        previous, parent = digest(said), said.aggregated_sha256
    whole = len(lineage.records) == model.rounds and parent == model.sha256
    return None if whole else len(lineage.records)
