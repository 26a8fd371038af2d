"""The global model after each round, on disk before anything is said about it; a run goes on from the last whole one."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError
from safetensors.numpy import save_file

from myofed_coordinator.federation.weights import read_tensor, weights_digest
from myofed_coordinator.runs.folder import RoundRecord, RunFolder
from myofed_schemas.canonical import canonical_json
from myofed_schemas.errors import MyofedError
from myofed_schemas.federation import RoundReport
from myofed_schemas.files import fsync_folder, write_atomically


@dataclass(frozen=True)
class Checkpoint:
    """What is kept of a finished round.

    Attributes:
        report: Names the digest of `packed`.
        packed: The global model after the round.
        digests: Site -> digest of what it sent (`weights.content_digest`).
        memory: What the strategy remembers, float64 by its own names; empty for most.
        examples: Site -> training subjects that it told, as a bucket.
    """

    report: RoundReport
    packed: bytes
    digests: Mapping[str, str] = field(default_factory=dict)
    memory: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    examples: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Progress:
    """How far a run has come.

    Attributes:
        reports: One a finished round, from round 1 without a gap.
        packed: The global model after the last of them, or the initial weights.
        seen: Site -> digests of what it sent in these rounds.
        memory: File of what the strategy remembers after the last of them; None where there is nothing to remember.
    """

    reports: tuple[RoundReport, ...]
    packed: bytes
    seen: Mapping[str, frozenset[str]] = field(default_factory=dict)
    memory: Path | None = None

    @property
    def next_round(self) -> int:
        """The round to do now."""
        return len(self.reports) + 1

    def remembered(self, name: str) -> NDArray[Any]:
        """One array of the strategy's memory."""
        assert self.memory is not None
        return read_tensor(self.memory, name)

    def after(self, report: RoundReport, packed: bytes, record: RoundRecord, memory: Path) -> Progress:
        """One round further."""
        seen = {site: frozenset({digest}) for site, digest in record.digests.items()}
        seen = {site: self.seen.get(site, frozenset()) | seen.get(site, frozenset()) for site in {*self.seen, *seen}}
        return replace(
            self,
            reports=(*self.reports, report),
            packed=packed,
            seen=seen,
            memory=memory if record.memory_sha256 else None,
        )


def save_checkpoint(folder: RunFolder, checkpoint: Checkpoint, progress: Progress) -> Progress:
    """The round is finished for good, and this is how far the run has come.

    Weights, memory and record are on disk first, then the report: it says that all of them are whole. Of the strategy's
    memory the last two rounds' are kept: it is several times as large as the model.

    Raises:
        MyofedError: CHECKPOINT_DIGEST where the report names other weights.
    """
    report, number = checkpoint.report, checkpoint.report.round
    if report.weights_sha256 != weights_digest(checkpoint.packed):
        raise MyofedError("CHECKPOINT_DIGEST", "expected the report to name these weights, found another digest")
    write_atomically(folder.weights(number), checkpoint.packed)
    memory_sha256 = _write_memory(folder, checkpoint)
    record = RoundRecord(
        digests=dict(checkpoint.digests), memory_sha256=memory_sha256, examples=dict(checkpoint.examples)
    )
    write_atomically(folder.record(number), canonical_json(record))
    write_atomically(folder.report(number), report.model_dump_json().encode())
    folder.memory(number - 2).unlink(missing_ok=True)
    return progress.after(report, checkpoint.packed, record, folder.memory(number))


def load_progress(folder: RunFolder, *, initial_sha256: str, remembers: bool = False) -> Progress:
    """The last whole checkpoint: every round up to it has a report, and its weights have the digest that this names.

    A round whose report is missing, or whose weights or record are missing or altered, and all after it, do not count; nor
    does one whose strategy's memory is missing or altered.

    Args:
        folder: The run.
        initial_sha256: What the manifest says of the initial weights.
        remembers: The strategy has a memory.

    Raises:
        MyofedError: INITIAL_WEIGHTS where the initial weights are not those of the manifest.
    """
    initial = folder.initial_weights.read_bytes() if folder.initial_weights.exists() else b""
    if weights_digest(initial) != initial_sha256:
        raise MyofedError("INITIAL_WEIGHTS", "expected the initial weights of the manifest, found others or none")
    progress = whole = Progress(reports=(), packed=initial)
    while (found := _whole_round(folder, progress.next_round)) is not None:
        progress = progress.after(*found, folder.memory(progress.next_round))
        if not remembers or _memory_is_whole(folder, len(progress.reports), found[2]):
            whole = progress
    return whole


def _write_memory(folder: RunFolder, checkpoint: Checkpoint) -> str | None:
    """Its digest. Written from the arrays themselves: several times a model's size would not be in memory twice."""
    if not checkpoint.memory:
        return None
    path = folder.memory(checkpoint.report.round)
    new = path.with_suffix(".new")
    save_file(dict(checkpoint.memory), new)
    new.chmod(0o600)
    with new.open("rb") as stream:
        sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
        os.fsync(stream.fileno())
    new.replace(path)
    fsync_folder(path.parent)
    return sha256


def _memory_is_whole(folder: RunFolder, number: int, record: RoundRecord) -> bool:
    """An earlier round's memory was deleted: only the last two can be gone on from."""
    path = folder.memory(number)
    if record.memory_sha256 is None or not path.exists():
        return False
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest() == record.memory_sha256


def _whole_round(folder: RunFolder, number: int) -> tuple[RoundReport, bytes, RoundRecord] | None:
    """None is an answer here: this round is not finished."""
    if not (folder.report(number).exists() and folder.weights(number).exists()):
        return None
    try:
        report = RoundReport.model_validate_json(folder.report(number).read_bytes())
        record = _record(folder, number)
    except ValidationError:
        return None
    packed = folder.weights(number).read_bytes()
    whole = weights_digest(packed) == report.weights_sha256 and report.round == number
    return (report, packed, record) if whole else None


def _record(folder: RunFolder, number: int) -> RoundRecord:
    """Empty for a round of an earlier release, which kept none: its updates can be told from no later ones."""
    path = folder.record(number)
    return RoundRecord.model_validate_json(path.read_bytes()) if path.exists() else RoundRecord(digests={})
