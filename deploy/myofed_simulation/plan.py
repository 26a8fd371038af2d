"""What a simulation is asked to do, and what it leaves behind for whoever wants to do it again."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from myofed_schemas.canonical import digest
from myofed_schemas.ids import Code, RunId, Sha256, SiteId, SubjectLabel
from myofed_schemas.study import StudyManifest
from myofed_schemas.wire import WireModel

MAX_SITES = 1000
Device = Literal["cpu", "auto"]
EngineName = Literal["flower", "pool"]


class FolderSite(WireModel):
    """A data set that is a virtual site as it lies there."""

    name: SiteId
    dataset: str = Field(min_length=1, max_length=4096)


class Folders(WireModel):
    """Every virtual site has a data set of its own."""

    kind: Literal["folders"] = "folders"
    sites: tuple[FolderSite, ...] = Field(min_length=1, max_length=MAX_SITES)


class Phantoms(WireModel):
    """Virtual sites with synthetic patients, drawn from the seed; scanners in turn, as in the demonstration."""

    kind: Literal["phantoms"] = "phantoms"
    sites: int = Field(ge=1, le=MAX_SITES)
    subjects: int = Field(ge=3, le=10_000)


class Dealt(WireModel):
    """One data set, dealt out by subject.

    Attributes:
        dataset: Its folder.
        sites: To so many virtual sites.
        skew: Site k of K is given a share in proportion to k ** -skew; 0 gives all sites the same number.
    """

    kind: Literal["dealt"] = "dealt"
    dataset: str = Field(min_length=1, max_length=4096)
    sites: int = Field(ge=1, le=MAX_SITES)
    skew: float = Field(ge=0, le=5)


Source = Annotated[Folders | Phantoms | Dealt, Field(discriminator="kind")]


class Plan(WireModel):
    """Everything that decides the weights.

    Attributes:
        study: The manifest, with the sites that the study names.
        source: Where virtual sites and their subjects come from.
        seed: Of the phantoms, or of the deal; what decides the training is in the manifest.
        min_scored: A site tells a Dice only as a sum over at least so many subjects, as a site's policy has it.
        device: `cpu`: the same bits every time. `auto`: a CUDA device where there is one.
    """

    study: StudyManifest
    source: Source
    seed: int = Field(ge=0, le=2**31 - 1)
    min_scored: int = Field(default=1, ge=1)
    device: Device = "cpu"

    def digest(self) -> str:
        """SHA-256 of the canonical JSON."""
        return digest(self)


class VirtualSite(WireModel):
    """A site of the simulation: whose subjects it has; its labels stay in this process's own folders."""

    name: SiteId
    dataset: str
    subjects: tuple[SubjectLabel, ...]


class SiteData(WireModel):
    """What one virtual site had: a count, and the digest of its subjects' files; no label of a subject."""

    site: SiteId
    subjects: int
    data_sha256: Sha256


class RunRecord(WireModel):
    """`run.json`: all that is needed to do the run again, and what came out.

    Attributes:
        command: As typed.
        versions: Package -> version, with Python's and the platform.
        plan: What was asked.
        manifest: As simulated: the study's, with one entry for each virtual site.
        manifest_sha256: Its digest.
        run_id: Follows from plan and data.
        engine: Which carried the messages; has no say in the weights.
        workers: Processes that trained; have no say either.
        sites: Data of each virtual site.
        rounds_sha256: Weights after each round.
        state: Of the run.
        code: `OK`, or why it failed.
        kept_round: The round whose model is kept.
        model_sha256: Of `model.safetensors`.
        seconds: Sum of the rounds' own.
        peak_rss_mb: Largest resident memory of one process: of this one, and of the largest worker.
    """

    schema_version: Literal["myofed-simulation-1"] = "myofed-simulation-1"
    command: tuple[str, ...]
    versions: dict[str, str]
    plan: Plan
    manifest: StudyManifest
    manifest_sha256: Sha256
    run_id: RunId
    engine: EngineName
    workers: int
    sites: tuple[SiteData, ...]
    rounds_sha256: tuple[Sha256, ...] = ()
    state: Literal["running", "completed", "failed", "stopped"] = "running"
    code: Code = "OK"
    kept_round: int | None = None
    model_sha256: Sha256 | None = None
    seconds: float = 0.0
    peak_rss_mb: tuple[int, int] | None = None
