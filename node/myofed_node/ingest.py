"""From DICOM as it left the scanner to a validated ORMIR-MIDS data set: de-identify, convert, validate."""

from __future__ import annotations

import datetime as dt
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pydicom
from pydantic import ValidationError
from pydicom.errors import InvalidDicomError

from myofed_anonymization.deidentify import Options, deidentify, read_report
from myofed_anonymization.inputs import Inputs
from myofed_anonymization.keys import SiteKeys
from myofed_anonymization.policy import Policy
from myofed_anonymization.uids import new_uid
from myofed_node.mids.convert import ConvertOptions, convert
from myofed_node.mids.judging.overrides import NO_OVERRIDES, Overrides
from myofed_node.mids.validation.validate import validate
from myofed_schemas.conversion import REPORT_NAME, ConversionReport, FileResult, IngestReport, SeriesOutcome
from myofed_schemas.deid import DeidentificationReport, FileOutcome, WithheldCode
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode
from myofed_schemas.files import fsync_folder, write_atomically
from myofed_schemas.rules import ValidationReport

Progress = Callable[[str, int, int], None]
"""Called with (step, done, total); step is `deidentify` (files) or `convert` (series)."""
SKIPPED_CODES = frozenset({WithheldCode.NOT_DICOM, WithheldCode.SOP_CLASS_REFUSED, WithheldCode.SCREEN_SAVE})
"""Not an MR image at all: left out by rule, nothing to look at."""


@dataclass(frozen=True)
class IngestPolicy:
    """What a site decides.

    Attributes:
        deidentification: What may stay in a header.
        hold_head: Hold images of the head, and of an unknown body part, for a person's review (a site's intake only).
        options: Who gives the pseudonyms, and whether a vault keeps them.
        overrides: What the site says of its series where headers cannot.
    """

    deidentification: Policy
    hold_head: bool = False
    options: Options = field(default_factory=Options)
    overrides: Overrides = NO_OVERRIDES


def ingest(
    sources: Path | Iterable[Path],
    out: Path,
    *,
    keys: SiteKeys,
    policy: IngestPolicy,
    now: dt.datetime,
    progress: Progress | None = None,
) -> IngestReport:
    """`out` is a validated data set with `ingest-report.json`, which gives every input file and series one outcome.

    All work happens in a folder beside `out`, which takes its name when everything is done: `out` is complete or absent.
    May be killed at any moment and called again; de-identification goes on where the killed call stood. Where `out` is already
    the result of the same inputs, keys and policy it is left as it is.

    Args:
        sources: A file, a folder or several; files are named in the report by running number and SHA-256 only.
        out: New or empty, or the result of the same call.
        keys: The site's key.
        policy: See IngestPolicy.
        now: Time of the reports, with its time zone.
        progress: See Progress.

    Raises:
        MyofedError: SOURCE_MISSING, SOURCE_EMPTY, NO_DICOM, OUT_INSIDE_SOURCE, OUT_NOT_EMPTY, or a code of `convert`.
    """
    roots = [sources] if isinstance(sources, Path) else list(sources)
    inputs = Inputs.below(roots, out=out)
    work = out.parent / f".{out.name}.ingest"
    shutil.rmtree(work / "dataset", ignore_errors=True)
    work.mkdir(mode=0o700, parents=True, exist_ok=True)
    mine = True
    try:
        report = _in_work_folder(inputs, work, keys=keys, policy=policy, now=now, progress=progress)
        _check_any_dicom(report)
        return _publish(work / "dataset", out, report)
    except MyofedError as error:
        mine = error.code != "OUT_BUSY"
        raise
    finally:
        if mine:
            shutil.rmtree(work, ignore_errors=True)


def _check_any_dicom(report: IngestReport) -> None:
    """A wrong folder is not a success of nothing.

    Raises:
        MyofedError: NO_DICOM, not one of the files is DICOM.
    """
    if report.files and all(file.code == WithheldCode.NOT_DICOM for file in report.files):
        raise MyofedError(
            "NO_DICOM",
            f"expected DICOM files, found none among {len(report.files)} files",
            hint="name the folder of an export from the scanner or the archive; nothing was added",
            exit_code=ExitCode.BAD_INPUT,
        )


def _refusal(code: str, message: str, hint: str) -> MyofedError:
    return MyofedError(code, message, hint=hint, exit_code=ExitCode.USAGE)


def _in_work_folder(
    inputs: Inputs,
    work: Path,
    *,
    keys: SiteKeys,
    policy: IngestPolicy,
    now: dt.datetime,
    progress: Progress | None,
) -> IngestReport:
    tell = progress or (lambda _step, _done, _total: None)
    call = partial(
        deidentify,
        inputs.roots,
        work / "deidentified",
        keys=keys,
        policy=policy.deidentification,
        now=now,
        options=policy.options,
        progress=lambda done, total: tell("deidentify", done, total),
    )
    try:
        call()  # goes on where a killed call stood
    except MyofedError as error:
        if error.code != "OUT_OF_ANOTHER_RUN":
            raise
        shutil.rmtree(work / "deidentified")
        call()
    clean = read_report(work / "deidentified")
    series_of = _withheld_series(inputs, clean, keys)
    conversion = convert(
        work / "deidentified",
        work / "dataset",
        now=now,
        options=ConvertOptions(
            incomplete=frozenset(uid for uid in series_of.values() if uid),
            hold_head=policy.hold_head,
            overrides=policy.overrides,
            processes=policy.options.processes,
        ),
        progress=lambda done, total: tell("convert", done, total),
    )
    report = _report(clean, conversion, validate(work / "dataset"), series_of)
    write_atomically(work / "dataset" / REPORT_NAME, (report.model_dump_json(indent=1) + "\n").encode())
    return report


def _withheld_series(inputs: Inputs, clean: DeidentificationReport, keys: SiteKeys) -> dict[int, str | None]:
    """New SeriesInstanceUID of each file that was withheld and may be an image, by its number in the walk."""
    withheld = {file.number for file in clean.files if file.code is not None and file.code not in SKIPPED_CODES}
    return {number: _new_series_uid(path, keys) for number, path in enumerate(inputs, start=1) if number in withheld}


def _new_series_uid(path: Path, keys: SiteKeys) -> str | None:
    """New SeriesInstanceUID of a file that was withheld, None where it cannot be read: its series would look whole."""
    try:
        dataset = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=["SeriesInstanceUID"])
    except (InvalidDicomError, OSError, EOFError, ValueError, NotImplementedError, RecursionError):
        return None
    return new_uid(keys, str(dataset.get("SeriesInstanceUID", ""))) or None


def _report(
    clean: DeidentificationReport,
    conversion: ConversionReport,
    validation: ValidationReport,
    series_of: dict[int, str | None],
) -> IngestReport:
    series = {outcome.series_instance_uid: outcome for outcome in conversion.series}
    return IngestReport(
        created=conversion.created,
        policy_digest=conversion.policy_digest,
        tools=conversion.tools,
        files=tuple(_file(file, series, series_of) for file in clean.files),
        series=conversion.series,
        errors=validation.count("error"),
        warnings=validation.count("warning"),
        conforms=validation.conforms or not conversion.count("converted"),
        unused_overrides=conversion.unused_overrides,
        unused_levels=conversion.unused_levels,
    )


def _file(file: FileOutcome, series: dict[str, SeriesOutcome], series_of: dict[int, str | None]) -> FileResult:
    if file.output is None:
        withheld = series.get(series_of.get(file.number) or "")
        return FileResult(
            number=file.number,
            sha256=file.input_sha256,
            outcome="skipped" if file.code in SKIPPED_CODES else "quarantined",
            code=file.code,
            series=withheld.number if withheld else None,
        )
    found = series[Path(file.output).parts[1]]
    return FileResult(
        number=file.number,
        sha256=file.input_sha256,
        outcome=found.outcome,
        code=found.code,
        series=found.number,
        paths=tuple(image.path for image in found.images),
    )


def _publish(dataset: Path, out: Path, report: IngestReport) -> IngestReport:
    """`out` is the data set; one that is there already stays when it is the same."""
    if out.exists() and any(out.iterdir()):
        earlier = _earlier(out)
        if earlier is not None and _same(earlier, report):
            return earlier
        raise _refusal("OUT_NOT_EMPTY", "expected a new or empty OUT, found other files", "choose another folder")
    if out.exists():
        out.rmdir()
    dataset.rename(out)
    fsync_folder(out.parent)
    return report


def _earlier(out: Path) -> IngestReport | None:
    try:
        return IngestReport.model_validate_json((out / REPORT_NAME).read_bytes())
    except (FileNotFoundError, ValidationError):
        return None


def _same(first: IngestReport, second: IngestReport) -> bool:
    return (first.files, first.series, first.policy_digest) == (second.files, second.series, second.policy_digest)
