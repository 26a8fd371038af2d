"""The global model after each round, on disk before anything is said about it; a run goes on from the last whole one."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import ValidationError

from myofed_coordinator.federation.weights import weights_digest
from myofed_coordinator.runs.folder import RunFolder
from myofed_schemas.errors import MyofedError
from myofed_schemas.federation import RoundReport
from myofed_schemas.files import write_atomically


@dataclass(frozen=True)
class Progress:
    """How far a run has come.

    Attributes:
        reports: One a finished round, from round 1 without a gap.
        packed: The global model after the last of them, or the initial weights.
    """

    reports: tuple[RoundReport, ...]
    packed: bytes

    @property
    def next_round(self) -> int:
        """The round to do now."""
        return len(self.reports) + 1


def save_checkpoint(folder: RunFolder, report: RoundReport, packed: bytes) -> None:
    """The round is finished for good: weights on disk first, then the report that names their digest.

    Raises:
        MyofedError: CHECKPOINT_DIGEST where the report names other weights.
    """
    if report.weights_sha256 != weights_digest(packed):
        raise MyofedError("CHECKPOINT_DIGEST", "expected the report to name these weights, found another digest")
    write_atomically(folder.weights(report.round), packed)
    write_atomically(folder.report(report.round), report.model_dump_json().encode())


def load_progress(folder: RunFolder, *, initial_sha256: str) -> Progress:
    """The last whole checkpoint: every round up to it has a report, and its weights have the digest that this names.

    A round whose report is missing, or whose weights are missing or altered, and all after it, do not count.

    Args:
        folder: The run.
        initial_sha256: What the manifest says of the initial weights.

    Raises:
        MyofedError: INITIAL_WEIGHTS where the initial weights are not those of the manifest.
    """
    initial = folder.initial_weights.read_bytes() if folder.initial_weights.exists() else b""
    if weights_digest(initial) != initial_sha256:
        raise MyofedError("INITIAL_WEIGHTS", "expected the initial weights of the manifest, found others or none")
    reports: list[RoundReport] = []
    packed = initial
    while (found := _whole_round(folder, len(reports) + 1)) is not None:
        report, packed = found
        reports.append(report)
    return Progress(reports=tuple(reports), packed=packed)


def _whole_round(folder: RunFolder, number: int) -> tuple[RoundReport, bytes] | None:
    """None is an answer here: this round is not finished."""
    if not (folder.report(number).exists() and folder.weights(number).exists()):
        return None
    try:
        report = RoundReport.model_validate_json(folder.report(number).read_bytes())
    except ValidationError:
        return None
    packed = folder.weights(number).read_bytes()
    return (report, packed) if weights_digest(packed) == report.weights_sha256 and report.round == number else None
