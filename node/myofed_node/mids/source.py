"""The only input of the converter: a folder that our de-identification wrote, unchanged since, as its report proves."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydantic import ValidationError
from pydicom import Dataset
from pydicom.pixels.utils import pixel_array
from pydicom.uid import UID

from myofed_node.mids.elements import damage_refused
from myofed_schemas.deid import PAGE_NAME, REPORT_NAME, DeidentificationReport
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode
from myofed_schemas.side_record import SIDE_RECORD_NAME, SideRecord


@dataclass(frozen=True)
class SourceFile:
    """One released file: where it is, what it must hold, and the numbers that its series' side record tells of it."""

    path: Path
    sha256: str
    numbers: dict[str, tuple[float, ...]] = field(default_factory=dict, compare=False)


@dataclass(frozen=True)
class Source:
    """A de-identified folder whose files and report agree by name.

    Attributes:
        series: Files of each new SeriesInstanceUID, sorted by name.
    """

    report: DeidentificationReport
    series: dict[str, tuple[SourceFile, ...]]


def open_source(folder: Path) -> Source:
    """The folder's report is read and names exactly the files that are there; digests are checked when files are read.

    Side records are read here; the report's page for people is not.

    Raises:
        MyofedError: DEID_REPORT_MISSING, DEID_REPORT_INVALID, DEID_FILE_MISSING, DEID_FILE_EXTRA; of a side record also
            DEID_FILE_CHANGED, DEID_SIDE_RECORD_INVALID.
    """
    report = _read_report(folder / REPORT_NAME)
    outputs = report.outputs()
    named = {*outputs, *report.side_records}
    there = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()}
    there -= {REPORT_NAME, PAGE_NAME}
    if there - named:
        raise _not_ours("DEID_FILE_EXTRA", f"found {len(there - named)} files more")
    if named - there:
        raise _not_ours("DEID_FILE_MISSING", f"found {len(named - there)} files fewer")
    records = {Path(name).parent: _side_record(folder, name, sha256) for name, sha256 in report.side_records.items()}
    series: dict[str, list[SourceFile]] = {}
    for name, sha256 in sorted(outputs.items()):
        path = Path(name)
        record = records.get(path.parent)
        numbers = record.instances.get(path.stem, {}) if record else {}
        series.setdefault(path.parts[1], []).append(SourceFile(folder / path, sha256, numbers))
    return Source(report, {uid: tuple(files) for uid, files in series.items()})


def _side_record(folder: Path, name: str, sha256: str) -> SideRecord:
    content = _content(SourceFile(folder / name, sha256))
    try:
        record = SideRecord.model_validate_json(content)
    except ValidationError:
        raise _not_ours("DEID_SIDE_RECORD_INVALID", "found a side record of another form") from None
    if Path(name).parts[1:] != (record.series_instance_uid, SIDE_RECORD_NAME):
        raise _not_ours("DEID_SIDE_RECORD_INVALID", "found the side record of another series")
    return record


def _read_report(path: Path) -> DeidentificationReport:
    try:
        return DeidentificationReport.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        raise _not_ours("DEID_REPORT_MISSING", "found no report") from None
    except ValidationError:
        raise _not_ours("DEID_REPORT_INVALID", "found a report of another form") from None


def _not_ours(code: str, found: str) -> MyofedError:
    return MyofedError(
        code,
        f"expected a folder exactly as `deidentify` wrote it, with its {REPORT_NAME}, {found}",
        hint="run `myofed-node deidentify` again and convert its output; (0012,0062)=YES alone proves nothing",
        exit_code=ExitCode.BAD_INPUT,
    )


def headers(files: tuple[SourceFile, ...]) -> list[Dataset]:
    """Headers without pixel data, in the order of `files`, each file's digest checked.

    Raises:
        MyofedError: DEID_FILE_CHANGED.
        SeriesRefusedError: HEADER_INVALID.
    """
    return [_dataset(_content(file), pixels=False) for file in files]


def stored_pixels(files: tuple[SourceFile, ...]) -> Iterator[tuple[NDArray[np.generic], NDArray[np.generic]]]:
    """For each file its stored pixels twice, (frames, rows, columns): decoded by pydicom, and read from the bytes.

    The second is for the proof: where Pixel Data is not compressed it does not pass pydicom's decoder.

    Raises:
        MyofedError: DEID_FILE_CHANGED.
        SeriesRefusedError: PIXELS_UNREADABLE.
    """
    for file in files:
        dataset = _dataset(_content(file), pixels=True)
        with damage_refused("PIXELS_UNREADABLE", "PixelData=cannot be decoded"):
            shape = (int(dataset.get("NumberOfFrames") or 1), int(dataset.Rows), int(dataset.Columns))
            decoded = pixel_array(dataset, raw=True).reshape(shape)
            raw = _from_bytes(dataset, shape, decoded)
        yield decoded, raw


def _from_bytes(dataset: Dataset, shape: tuple[int, int, int], decoded: NDArray[np.generic]) -> NDArray[np.generic]:
    syntax: UID = dataset.file_meta.TransferSyntaxUID
    if syntax.is_encapsulated:
        return decoded
    kind = ("i" if dataset.PixelRepresentation == 1 else "u") + str(dataset.BitsAllocated // 8)
    stored = np.frombuffer(dataset.PixelData, dtype=("<" if syntax.is_little_endian else ">") + kind)
    return stored[: int(np.prod(shape))].reshape(shape)


def _content(file: SourceFile) -> bytes:
    content = file.path.read_bytes()
    if hashlib.sha256(content).hexdigest() != file.sha256:
        raise _not_ours("DEID_FILE_CHANGED", "found a file with another digest")
    return content


def _dataset(content: bytes, *, pixels: bool) -> Dataset:
    with damage_refused("HEADER_INVALID", "file=not readable as DICOM"):
        return pydicom.dcmread(BytesIO(content), stop_before_pixels=not pixels)
