"""De-identified DICOM in, ORMIR-MIDS out: every series with exactly one reasoned outcome."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from pydicom import Dataset

from myofed_anonymization.part10 import quiet_pydicom
from myofed_node.mids.classify import PlannedImage, classify
from myofed_node.mids.dataset_files import write_dataset_files
from myofed_node.mids.frames import Series
from myofed_node.mids.headers import read_series
from myofed_node.mids.layout import NamedImage, name_images, session_label, subject_label
from myofed_node.mids.refusal import SeriesRefusedError
from myofed_node.mids.review import refuse_head
from myofed_node.mids.series_writer import RunFacts, write_series
from myofed_node.mids.source import Source, SourceFile, headers, open_source
from myofed_schemas.conversion import ConversionReport, SeriesOutcome

SEGMENTATION = "1.2.840.10008.5.1.4.1.1.66.4"
"""Segmentation Storage (PS3.4 B.5)."""
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class ConvertOptions:
    """What a caller may decide.

    Attributes:
        incomplete: New SeriesInstanceUIDs of which de-identification withheld files; quarantined, because a series that
            lost its last slices looks whole.
        hold_head: Quarantine images of the head, and those whose body part is not said, for a person's review (faces).
    """

    incomplete: frozenset[str] = frozenset()
    hold_head: bool = False


@dataclass(frozen=True)
class _Read:
    """One series before writing: planned, or refused."""

    uid: str
    files: tuple[SourceFile, ...]
    series: Series | None
    images: tuple[PlannedImage, ...] = ()
    refusal: SeriesRefusedError | None = None


def convert(
    source: Path,
    out: Path,
    *,
    now: dt.datetime,
    options: ConvertOptions | None = None,
    progress: Progress | None = None,
) -> ConversionReport:
    """`out` is an ORMIR-MIDS data set with an image for every series that could be proven one of the profile.

    Accepts only a folder that our de-identification wrote: report and digests must agree. May be killed at any moment
    and called again; a second call adds nothing twice and overwrites no other series.

    Args:
        source: De-identified DICOM with its report.
        out: New, empty or an earlier data set of ours.
        now: Time of the report, with its time zone.
        options: See ConvertOptions.
        progress: Called with (series done, series in all).

    Raises:
        MyofedError: DEID_REPORT_MISSING, DEID_REPORT_INVALID, DEID_FILE_MISSING, DEID_FILE_EXTRA, DEID_FILE_CHANGED,
            SESSION_NOT_OURS.
    """
    with quiet_pydicom():
        return _convert(open_source(source), out, now=now, options=options or ConvertOptions(), progress=progress)


def _convert(
    opened: Source, out: Path, *, now: dt.datetime, options: ConvertOptions, progress: Progress | None
) -> ConversionReport:
    read = [_read(uid, files, options) for uid, files in sorted(opened.series.items())]
    read.sort(key=lambda item: (item.series.number if item.series else 0, item.uid))
    out.mkdir(mode=0o700, parents=True, exist_ok=True)
    names = _names(read, dataset=out)
    run = RunFacts(out, opened.report.policy_digest, tool_versions(opened))
    outcomes = []
    for number, item in enumerate(read, start=1):
        outcomes.append(_outcome(number, item, names.get(item.uid, ()), run))
        if progress:
            progress(number, len(read))
    write_dataset_files(out, tools=run.tools)
    return ConversionReport(
        created=now.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        policy_digest=run.policy_digest,
        tools=run.tools,
        series=tuple(outcomes),
    )


def tool_versions(source: Source) -> dict[str, str]:
    """Versions of what made the images: ours and the libraries', with those of the de-identification."""
    ours = {name: version(name) for name in ("myofed", "nibabel", "numpy", "pydicom")}
    return ours | {f"deidentification-{name}": found for name, found in source.report.tools.items()}


def _read(uid: str, files: tuple[SourceFile, ...], options: ConvertOptions) -> _Read:
    series = None
    try:
        datasets = headers(files)
        _skip_label_maps(datasets)
        series = read_series(datasets)
        _refuse_other_folder(uid, series)
        subject_label(series)
        if options.hold_head:
            refuse_head(series)
        images = classify(series)
        _refuse_incomplete(uid, options)
    except SeriesRefusedError as refusal:
        return _Read(uid, files, series, refusal=refusal)
    return _Read(uid, files, series, images)


def _names(read: list[_Read], *, dataset: Path) -> dict[str, tuple[NamedImage, ...]]:
    sessions: dict[tuple[str, str], list[tuple[Series, tuple[PlannedImage, ...]]]] = {}
    for item in read:
        if item.series and item.images:
            sessions.setdefault((item.series.subject, item.series.study_uid), []).append((item.series, item.images))
    return {uid: names for group in sessions.values() for uid, names in name_images(group, dataset=dataset).items()}


def _refuse_other_folder(uid: str, series: Series) -> None:
    """De-identification names folders by the new UIDs; a file that says another was not written by it."""
    if series.uid != uid:
        raise SeriesRefusedError("HEADER_INVALID", "SeriesInstanceUID=not that of the folder")


def _skip_label_maps(datasets: list[Dataset]) -> None:
    """A segmentation object is no image; readers' maps come in by `labels import`."""
    if any(dataset.get("SOPClassUID") == SEGMENTATION for dataset in datasets):
        raise SeriesRefusedError("SEGMENTATION_OBJECT", "SOPClassUID=Segmentation Storage", outcome="skipped")


def _refuse_incomplete(uid: str, options: ConvertOptions) -> None:
    if uid in options.incomplete:
        raise SeriesRefusedError("SERIES_INCOMPLETE", "files=withheld by de-identification")


def _outcome(number: int, item: _Read, names: tuple[NamedImage, ...], run: RunFacts) -> SeriesOutcome:
    if item.series is None or item.refusal is not None:
        return _refused(number, item, item.refusal)
    try:
        images = write_series(item.series, item.files, names, run=run)
    except SeriesRefusedError as refusal:
        return _refused(number, item, refusal)
    return SeriesOutcome(
        number=number,
        series_instance_uid=item.uid,
        subject=names[0].name.subject,
        session=names[0].name.session,
        files=len(item.files),
        outcome="converted",
        code=None,
        evidence=tuple(f"{named.name.suffix}: {fact}" for named in names for fact in named.image.evidence),
        images=images,
    )


def _refused(number: int, item: _Read, refusal: SeriesRefusedError | None) -> SeriesOutcome:
    assert refusal is not None, "a series that was not planned was refused"
    known = item.series is not None and refusal.code != "SUBJECT_LABEL_INVALID"
    return SeriesOutcome(
        number=number,
        series_instance_uid=item.uid,
        subject=item.series.subject if item.series and known else None,
        session=session_label(item.series.study_uid) if item.series and known else None,
        files=len(item.files),
        outcome=refusal.outcome,
        code=refusal.code,
        evidence=refusal.evidence,
    )
