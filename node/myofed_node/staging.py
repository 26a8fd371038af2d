"""The part of an ingest that happens beside the site's data set: de-identified, converted, validated in a work folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pydantic import ValidationError

from myofed_anonymization import SiteKeys
from myofed_node.ingest import IngestPolicy, Progress, ingest
from myofed_node.mids.validation.validate import validate
from myofed_node.store import IngestState
from myofed_schemas.conversion import REPORT_NAME, IngestReport
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode

DATASET = "dataset"
"""Name inside the work folder; it is there only when everything below it is complete."""


@dataclass(frozen=True)
class StagingRules:
    """What decides the outcome: the site's key, its policy, and the time that the reports carry."""

    keys: SiteKeys
    policy: IngestPolicy
    now: datetime


@dataclass(frozen=True)
class Staged:
    """A validated data set that waits to be taken into the site's.

    Attributes:
        report: Outcome of every file and series.
        dataset: Folder with the images.
        refused: New SeriesInstanceUID -> code, of converted series in which validation found an error.
    """

    report: IngestReport
    dataset: Path
    refused: Mapping[str, str]


def stage(
    source: Path,
    work: Path,
    *,
    rules: StagingRules,
    reached: Callable[[IngestState], None],
    progress: Progress | None = None,
) -> Staged:
    """`work` holds the validated data set of `source`; called again after a kill, it starts anew or finds it there.

    Args:
        source: DICOM as it came.
        work: Folder of this ingest alone.
        rules: Key, policy, time.
        reached: Told each state of the ingest when it is reached.
        progress: Told (step, done, total).

    Raises:
        MyofedError: What `ingest` raises.
    """

    def tell(step: str, done: int, total: int) -> None:
        if step == "deidentify" and done == total:
            reached(IngestState.DEIDENTIFIED)
        if step == "convert" and done == total:
            reached(IngestState.CONVERTED)
        if progress:
            progress(step, done, total)

    if not (work / DATASET / REPORT_NAME).exists():
        ingest(source, work / DATASET, keys=rules.keys, policy=rules.policy, now=rules.now, progress=tell)
    staged = load_staged(work)
    reached(IngestState.VALIDATED)
    return staged


def load_staged(work: Path) -> Staged:
    """The staged data set of an ingest that was validated before.

    Raises:
        MyofedError: STAGED_REPORT_INVALID.
    """
    dataset = work / DATASET
    try:
        report = IngestReport.model_validate_json((dataset / REPORT_NAME).read_bytes())
    except (FileNotFoundError, ValidationError):
        raise MyofedError(
            "STAGED_REPORT_INVALID",
            "expected the report of a staged data set, found none that can be read",
            hint="remove the work folder in the site's intake and ingest again",
            exit_code=ExitCode.SITE_FOLDER,
        ) from None
    return Staged(report, dataset, {} if report.conforms else _refused(report, dataset))


def _refused(report: IngestReport, dataset: Path) -> dict[str, str]:
    """Series by the first error of one of their files; an error of no series' file refuses every series."""
    errors = [(finding.path, finding.code) for finding in validate(dataset).findings if finding.level == "error"]
    owners = {
        name: series.series_instance_uid
        for series in report.series
        for image in series.images
        for name in (image.path, image.sidecar)
    }
    general = [code for path, code in errors if path not in owners]
    if general:
        return dict.fromkeys(owners.values(), general[0])
    return {owners[path]: code for path, code in reversed(errors)}
