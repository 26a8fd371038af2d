"""Label maps that a reader of the hospital drew, brought to the canonical values beside the images they belong to."""

from __future__ import annotations

import csv
import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from io import StringIO
from pathlib import Path

from myofed_anonymization.keys import SiteKeys
from myofed_anonymization.pseudonym_sources import KeyedPseudonyms, PseudonymSource
from myofed_anonymization.uids import new_uid
from myofed_anonymization.withheld import WithheldError
from myofed_node.label_exchange.delivery import NAMES, SCHEMES, TABLE, Reading, read_delivery
from myofed_node.label_exchange.refusal import LabelRefusedError
from myofed_node.label_exchange.single_import import source_series
from myofed_node.label_map import Origin, write_label_map
from myofed_node.mids.dataset import Dataset
from myofed_node.mids.inphase import in_phase_images
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode
from myofed_schemas.label_import import LabelImportReport, LabelRow
from myofed_schemas.mids import ImageName

DELIVERY = "labels.csv"
COLUMNS = ("file", "table", "patient_id", "issuer", "series_instance_uid")
"""The last three are the hospital's ORIGINAL identifiers: used to find the image, never written or logged."""
PLAIN = Reading(TABLE)


@dataclass(frozen=True)
class _Images:
    """What the data set holds: subjects, and images by the new SeriesInstanceUID of their source."""

    subjects: frozenset[str]
    by_source: Mapping[str, tuple[ImageName, ...]]


@dataclass(frozen=True)
class HowDrawn:
    """What holds for all rows of a delivery.

    Attributes:
        reading: What was agreed to drop, and whether sides are told apart by geometry; the rows name tables and schemes.
        origin: How the maps were made.
    """

    reading: Reading = PLAIN
    origin: Origin = "manual"


DRAWN_BY_HAND = HowDrawn()


def import_labels(
    folder: Path,
    dataset: Path,
    *,
    keys: SiteKeys,
    now: dt.datetime,
    pseudonyms: PseudonymSource | None = None,
    how: HowDrawn = DRAWN_BY_HAND,
) -> LabelImportReport:
    """Every label map of the delivery lies under derivatives/labels with canonical values, or its row says why not.

    A row that is refused does not stop the others. A map that was imported before gives the same files again.

    Args:
        folder: `labels.csv` (columns file, table, patient_id, issuer, series_instance_uid), the label maps (NIfTI, or
            DICOM SEG) and their tables. Column table: a file of the folder (TSV: value, muscle, side; or a viewer's
            table of names), or the name of a tool's scheme.
        dataset: ORMIR-MIDS data set that our ingest made with the same keys.
        keys: The site's key, by which original identifiers lead to subject label and series.
        now: Time of the report, with its time zone.
        pseudonyms: Who gave the subject labels; the site's key when None.
        how: What holds for all rows.

    Returns:
        One outcome a row, by number; no name or identifier of the delivery.

    Raises:
        MyofedError: LABELS_CSV_MISSING, LABELS_CSV_INVALID; SIDECAR_INVALID of the data set: nothing was imported.
    """
    rows = _read_delivery(folder / DELIVERY)
    delivery = _Delivery(folder, dataset, _index(dataset), keys, pseudonyms or KeyedPseudonyms(keys), how)
    return LabelImportReport(
        created=now.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        rows=tuple(_import_row(number, row, delivery=delivery) for number, row in enumerate(rows, start=1)),
    )


def _read_delivery(path: Path) -> list[dict[str, str]]:
    try:
        reader = csv.DictReader(StringIO(path.read_text(encoding="utf-8-sig")), restkey="", restval="")
        rows = list(reader)
    except FileNotFoundError:
        raise _invalid("LABELS_CSV_MISSING", "found none") from None
    except (UnicodeDecodeError, csv.Error):
        raise _invalid("LABELS_CSV_INVALID", "found no UTF-8 table") from None
    if tuple(reader.fieldnames or ()) != COLUMNS or any("" in row for row in rows):
        raise _invalid("LABELS_CSV_INVALID", "found other columns")
    return [{column: value.strip() for column, value in row.items()} for row in rows]


def _invalid(code: str, found: str) -> MyofedError:
    return MyofedError(
        code,
        f"expected {DELIVERY} with the columns {', '.join(COLUMNS)}, {found}",
        hint="docs/label-maps.md shows a delivery",
        exit_code=ExitCode.BAD_INPUT,
    )


def _index(dataset: Path) -> _Images:
    opened, by_source = Dataset(dataset), dict[str, list[ImageName]]()
    for image in opened.images():
        by_source.setdefault(image.sidecar.provenance.source_series_instance_uid, []).append(image.name)
    subjects = frozenset(subject.label for subject in opened.subjects)
    return _Images(subjects, {uid: tuple(names) for uid, names in by_source.items()})


@dataclass(frozen=True)
class _Delivery:
    """Where maps and images lie, and what leads from original identifiers to ours."""

    folder: Path
    dataset: Path
    images: _Images
    keys: SiteKeys
    pseudonyms: PseudonymSource
    how: HowDrawn


def _subject(delivery: _Delivery, row: Mapping[str, str]) -> str:
    try:
        return delivery.pseudonyms.label(issuer=row["issuer"], patient_id=row["patient_id"])
    except WithheldError:
        raise LabelRefusedError("SUBJECT_UNKNOWN") from None


def _import_row(number: int, row: Mapping[str, str], *, delivery: _Delivery) -> LabelRow:
    folder, dataset = delivery.folder, delivery.dataset
    try:
        subject = _subject(delivery, row)
        series = new_uid(delivery.keys, row["series_instance_uid"])
        name = _image_of(subject, series, dataset=dataset, images=delivery.images)
        drawn = read_delivery(
            _inside(folder, row["file"]),
            dataset / name.image,
            _reading(delivery, row["table"]),
            series_uids=source_series(dataset / name.sidecar),
            new_uid_of=partial(new_uid, delivery.keys),
        )
        path, sha256 = write_label_map(dataset, name, drawn, origin=delivery.how.origin)
    except LabelRefusedError as refusal:
        return LabelRow(
            row=number, outcome="refused", code=refusal.code, message=refusal.message, hint=refusal.hint or ""
        )
    return LabelRow(
        row=number, outcome="imported", subject=subject, path=str(path), sha256=sha256, labels=len(drawn.values_present)
    )


def _reading(delivery: _Delivery, table: str) -> Reading:
    """How the row's map is read: a file of the delivery goes before a scheme of the same name."""
    reading = delivery.how.reading
    if table in SCHEMES and table not in {TABLE, NAMES} and not (delivery.folder / table).exists():
        return replace(reading, scheme=table, table=None)
    path = _inside(delivery.folder, table)
    return replace(reading, scheme=TABLE if _names_muscles(path) else NAMES, table=path)


def _names_muscles(path: Path) -> bool:
    """Whether a table is a reader's own, by its heading."""
    with path.open("rb") as stream:
        heading = stream.readline(1 << 12).decode("utf-8", errors="replace")
    return "muscle" in heading.strip().split("\t")


def _image_of(subject: str, series_uid: str, *, dataset: Path, images: _Images) -> ImageName:
    """The image the map was drawn on; where a series became several, its in-phase image, else its first magnitude."""
    if subject not in images.subjects:
        raise LabelRefusedError("SUBJECT_UNKNOWN")
    names = [name for name in images.by_source.get(series_uid, ()) if name.part is None]
    if not names:
        raise LabelRefusedError("SERIES_UNKNOWN")
    if any(name.subject != subject for name in names):
        raise LabelRefusedError("SERIES_OF_ANOTHER_SUBJECT")
    in_phase = [image.path for image in in_phase_images(dataset, subject, names[0].session)]
    return next((name for name in names if dataset / name.image in in_phase), names[0])


def _inside(folder: Path, name: str) -> Path:
    """The file of this name in the delivery, which is a plain name and no link out of it."""
    path = folder / name
    if not name or Path(name).name != name or path.is_symlink() or not path.is_file():
        raise LabelRefusedError("LABEL_FILE_MISSING")
    return path
