"""Takes a staged data set into the site's: new series get free names, a stored series is never changed.

Each image's names are taken in the store before a file moves, so that a kill in between is finished by the next call.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

from myofed_node.mids.dataset_files import write_dataset_files
from myofed_node.run_numbers import RunNumbers, name_of
from myofed_node.store import FileRow, SeriesRow, SeriesState, SiteStore
from myofed_schemas.conversion import ConvertedImage, FileResult, IngestReport, SeriesOutcome
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode
from myofed_schemas.files import fsync_folder
from myofed_schemas.sidecar import Sidecar

HELD = frozenset({"HEAD_HELD_FOR_REVIEW", "BODY_PART_UNKNOWN"})
"""Codes that wait for a person of the site; not defects of the series."""
DIFFERS = "SERIES_DIFFERS"
"""A series that is stored came again with other files; what is stored stays."""
STATES = {"skipped": SeriesState.SKIPPED, "quarantined": SeriesState.QUARANTINED}


class DatasetMerge:
    """One ingest's way into the site's data set."""

    def __init__(self, dataset: Path, store: SiteStore, *, ingest_id: int) -> None:
        self._dataset = dataset
        self._store = store
        self._ingest_id = ingest_id
        self._images: dict[str, SeriesOutcome] = {}

    def take_in(self, report: IngestReport, *, staged: Path, refused: Mapping[str, str]) -> IngestReport:
        """Every converted series lies in the data set, every other is on record with its code.

        Args:
            report: Of the staged data set.
            staged: Its folder; images leave it.
            refused: New SeriesInstanceUID -> code, of converted series that validation found wrong.

        Returns:
            The report with the names in the site's data set.

        Raises:
            MyofedError: STAGED_FILE_LOST where a file is neither staged nor stored.
        """
        runs = RunNumbers(self._dataset, self._store, images=_images(report))
        self._images.clear()
        shared = _of_joined(report, refused)
        outcomes = tuple(self._once(series, staged, shared, runs) for series in report.series)
        if any(series.outcome == "converted" for series in outcomes):
            write_dataset_files(self._dataset, tools=report.tools)
        by_number = {series.number: series for series in outcomes}
        files = tuple(_result(file, by_number) for file in report.files)
        return report.model_copy(update={"series": outcomes, "files": files})

    def _once(self, series: SeriesOutcome, staged: Path, refused: Mapping[str, str], runs: RunNumbers) -> SeriesOutcome:
        """The outcome; of series that were joined into one image the first brings it in, and the others have its outcome."""
        first = self._images.get(series.images[0].path) if series.images else None
        if first is None:
            outcome = self._outcome(series, staged, refused, runs)
            self._images |= {image.path: outcome for image in series.images}
            return outcome
        state = SeriesState.STORED if first.outcome == "converted" else SeriesState.QUARANTINED
        self._note(series, state, first.code or "OK")
        return series.model_copy(update={"outcome": first.outcome, "code": first.code, "images": first.images})

    def _outcome(
        self, series: SeriesOutcome, staged: Path, refused: Mapping[str, str], runs: RunNumbers
    ) -> SeriesOutcome:
        known = self._store.series(series.series_instance_uid)
        if series.outcome != "converted":
            self._note(series, STATES[series.outcome], series.code or "")
            return series
        if code := refused.get(series.series_instance_uid):
            self._note(series, SeriesState.QUARANTINED, code)
            return _quarantined(series, code)
        if known and known.state is SeriesState.STORED and known.ingest_id != self._ingest_id:
            return self._known_already(series, staged)
        return self._store_series(series, staged, runs)

    def _store_series(self, series: SeriesOutcome, staged: Path, runs: RunNumbers) -> SeriesOutcome:
        uid = series.series_instance_uid
        planned = self._store.files(uid)
        if not planned:
            planned = tuple(row for image in series.images for row in _plan(uid, image, staged, runs))
            self._store.plan_series(self._row(series, SeriesState.VALIDATED, "OK"), planned)
        for row in planned:
            self._move(row, staged)
        self._note(series, SeriesState.STORED, "OK")
        names = {row.staged: row.path for row in planned}
        images = tuple(
            image.model_copy(update={"path": names[image.path], "sidecar": names[image.sidecar]})
            for image in series.images
        )
        return series.model_copy(update={"images": images})

    def _move(self, row: FileRow, staged: Path) -> None:
        """The file lies under its name in the data set, whether this call or a killed one brought it there."""
        source, target = staged / row.staged, self._dataset / row.path
        if source.exists() and _sha256(source) == row.sha256:
            target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.replace(source, target)  # noqa: PTH105  same spelling as everywhere: sync, rename
            for folder in target.parents[: len(Path(row.path).parts)]:
                fsync_folder(folder)
        elif not target.exists() or _sha256(target) != row.sha256:
            raise MyofedError(
                "STAGED_FILE_LOST",
                "expected a converted image in the work folder or in the data set, found it in neither",
                hint="was the site folder changed by hand? remove the work folder in intake and ingest again",
                exit_code=ExitCode.SITE_FOLDER,
            )

    def _known_already(self, series: SeriesOutcome, staged: Path) -> SeriesOutcome:
        """Stored by an earlier ingest: the same content is told as it lies there, other content is refused."""
        stored = [row for row in self._store.files(series.series_instance_uid) if row.path.endswith(".json")]
        sources = {_source_digest(self._dataset / row.path) for row in stored}
        if sources != {_source_digest(staged / image.sidecar) for image in series.images}:
            return _quarantined(series, DIFFERS)
        images = sorted(series.images, key=lambda image: name_of(image.path))
        names = sorted(name_of(row.path) for row in stored)
        told = (
            image.model_copy(update={"path": str(name.image), "sidecar": str(name.sidecar)})
            for image, name in zip(images, names, strict=True)
        )
        return series.model_copy(update={"images": tuple(told)})

    def _note(self, series: SeriesOutcome, state: SeriesState, code: str) -> None:
        held = SeriesState.HELD if code in HELD else state
        self._store.record_outcome(self._row(series, held, code))

    def _row(self, series: SeriesOutcome, state: SeriesState, code: str) -> SeriesRow:
        uid = series.series_instance_uid
        return SeriesRow(uid, self._ingest_id, state, code, series.subject or "", series.session or "")


def _images(report: IngestReport) -> list[tuple[str, str]]:
    return [(series.series_instance_uid, image.path) for series in report.series for image in series.images]


def _of_joined(report: IngestReport, refused: Mapping[str, str]) -> dict[str, str]:
    """What was refused, with all series that share an image with it."""
    codes = {
        image.path: refused[series.series_instance_uid]
        for series in report.series
        for image in series.images
        if series.series_instance_uid in refused
    }
    return dict(refused) | {
        series.series_instance_uid: codes[image.path]
        for series in report.series
        for image in series.images
        if image.path in codes
    }


def _plan(uid: str, image: ConvertedImage, staged: Path, runs: RunNumbers) -> tuple[FileRow, FileRow]:
    """Sidecar first: an image without its sidecar never lies in the data set."""
    name = runs.name(image.path)
    sidecar = FileRow(str(name.sidecar), uid, image.sidecar, _sha256(staged / image.sidecar))
    return sidecar, FileRow(str(name.image), uid, image.path, _sha256(staged / image.path))


def _quarantined(series: SeriesOutcome, code: str) -> SeriesOutcome:
    return series.model_copy(update={"outcome": "quarantined", "code": code, "images": ()})


def _result(file: FileResult, series: Mapping[int, SeriesOutcome]) -> FileResult:
    """The file's outcome as its series' came out here."""
    of_series = series.get(file.series or 0)
    if file.outcome != "converted" or of_series is None:
        return file
    paths = tuple(image.path for image in of_series.images)
    return file.model_copy(update={"outcome": of_series.outcome, "code": of_series.code, "paths": paths})


def _source_digest(sidecar: Path) -> str:
    return Sidecar.model_validate_json(sidecar.read_bytes()).provenance.source_digest


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
