"""Tiny DICOM series (oblique, anisotropic, asymmetric) and de-identified folders, for the tests of ORMIR-MIDS."""

from __future__ import annotations

import datetime as dt
import hashlib
import struct
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from pydicom import Dataset, dcmread
from pydicom.dataset import FileMetaDataset
from pydicom.errors import InvalidDicomError
from pydicom.filewriter import dcmwrite
from pydicom.uid import ExplicitVRLittleEndian

from myofed_anonymization.output_folder import report_bytes
from myofed_schemas.deid import REPORT_NAME, DeidentificationReport, DeidentificationSummary, FileOutcome

NOW = dt.datetime(2026, 11, 22, 12, 0, tzinfo=dt.UTC)
MR = "1.2.840.10008.5.1.4.1.1.4"
ENHANCED_MR = "1.2.840.10008.5.1.4.1.1.4.1"
ROWS, COLUMNS = 4, 5
SPACING_BETWEEN_ROWS, SPACING_BETWEEN_COLUMNS, SLICE_STEP = 1.5, 2.0, 6.0
ANGLE = np.deg2rad(20)
ROW_DIRECTION = np.asarray([np.cos(ANGLE), np.sin(ANGLE), 0.0])
COLUMN_DIRECTION = np.asarray([-np.sin(ANGLE) * np.cos(0.3), np.cos(ANGLE) * np.cos(0.3), np.sin(0.3)])
NORMAL = np.cross(ROW_DIRECTION, COLUMN_DIRECTION)
ORIGIN = np.asarray([-40.0, 25.0, 100.0])


def position_lps(k: int) -> np.ndarray:
    """Centre of the first voxel of slice k."""
    return ORIGIN + NORMAL * SLICE_STEP * k


def affine_ras() -> np.ndarray:
    """The truth: voxel (column, row, slice) -> RAS mm of the series made here."""
    affine = np.eye(4)
    affine[:3, 0] = ROW_DIRECTION * SPACING_BETWEEN_COLUMNS
    affine[:3, 1] = COLUMN_DIRECTION * SPACING_BETWEEN_ROWS
    affine[:3, 2] = NORMAL * SLICE_STEP
    affine[:3, 3] = ORIGIN
    return np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine


def stored(k: int, echo: int) -> np.ndarray:
    """Stored pixels of one frame, every value different from those of all other frames."""
    return (np.arange(ROWS * COLUMNS, dtype=np.uint16) + 1 + 100 * k + 10 * 100 * echo).reshape(ROWS, COLUMNS)


@dataclass(frozen=True)
class Kind:
    """What a series is, as its headers tell; `extra` sets or (None) removes elements by keyword."""

    image_type: tuple[str, ...] = ("ORIGINAL", "PRIMARY", "M", "ND")
    echo_times_ms: tuple[float, ...] = (2.3, 4.6)
    slices: int = 3
    extra: dict[str, object] = field(default_factory=dict)
    series: int = 1
    study: int = 1
    patient: str = "SUBJECTA"


PLAIN = Kind()


def _uid(*parts: object) -> str:
    digest = hashlib.sha256("/".join(map(str, parts)).encode()).hexdigest()
    return f"2.25.{int(digest[:30], 16)}"


def _header(kind: Kind, sop_class: str) -> Dataset:
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = sop_class
    dataset.SOPClassUID = sop_class
    dataset.PatientID = kind.patient
    dataset.StudyInstanceUID = _uid("study", kind.patient, kind.study)
    dataset.SeriesInstanceUID = _uid("series", kind.patient, kind.study, kind.series)
    dataset.SeriesNumber = kind.series
    dataset.Modality, dataset.Manufacturer, dataset.ManufacturerModelName = "MR", "SIEMENS", "Prisma"
    dataset.Rows, dataset.Columns = ROWS, COLUMNS
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 12, 11, 0
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.MagneticFieldStrength, dataset.ImagingFrequency = 3, "123.25"
    dataset.MRAcquisitionType, dataset.BodyPartExamined = "2D", "THIGH"
    return dataset


def _identify(dataset: Dataset, *parts: object) -> Dataset:
    dataset.SOPInstanceUID = _uid(dataset.SeriesInstanceUID, *parts)
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    return dataset


def _apply(dataset: Dataset, extra: dict[str, object]) -> None:
    for keyword, value in extra.items():
        if value is None:
            if keyword in dataset:
                delattr(dataset, keyword)
        else:
            setattr(dataset, keyword, value)


def classic(kind: Kind = PLAIN) -> list[Dataset]:
    """One file a slice and echo, as Siemens writes a gradient echo, slices in an order that is not theirs in space."""
    made = []
    for k in reversed(range(kind.slices)):
        for echo, time in enumerate(kind.echo_times_ms):
            dataset = _identify(_header(kind, MR), k, echo)
            dataset.ImageType = list(kind.image_type)
            dataset.ScanningSequence, dataset.SequenceVariant, dataset.ScanOptions = "GR", "SP", ""
            dataset.EchoTime, dataset.RepetitionTime, dataset.FlipAngle = str(time), "100", "15"
            dataset.PixelBandwidth, dataset.InPlanePhaseEncodingDirection = "260", "COL"
            dataset.PixelSpacing = [str(SPACING_BETWEEN_ROWS), str(SPACING_BETWEEN_COLUMNS)]
            dataset.SliceThickness = "5"
            dataset.ImagePositionPatient = [f"{x:.6f}" for x in position_lps(k)]
            dataset.ImageOrientationPatient = [f"{x:.8f}" for x in (*ROW_DIRECTION, *COLUMN_DIRECTION)]
            dataset.PixelData = stored(k, echo).tobytes()
            _apply(dataset, kind.extra)
            made.append(dataset)
    return made


def _item(**values: object) -> Dataset:
    dataset = Dataset()
    for keyword, value in values.items():
        setattr(dataset, keyword, value)
    return dataset


def enhanced(kind: Kind = PLAIN, *, frame_types: Sequence[tuple[str, ...]] | None = None) -> Dataset:
    """One Enhanced MR object: frames (type, slice, echo) with functional groups; slopes differ from frame to frame."""
    dataset = _identify(_header(kind, ENHANCED_MR), "enhanced")
    dataset.EchoPulseSequence = "GRADIENT"
    dataset.SharedFunctionalGroupsSequence = [
        _item(
            MRTimingAndRelatedParametersSequence=[_item(RepetitionTime="100", FlipAngle="15", EchoTrainLength="1")],
            MRFOVGeometrySequence=[_item(InPlanePhaseEncodingDirection="ROW")],
            PixelMeasuresSequence=[
                _item(PixelSpacing=[str(SPACING_BETWEEN_ROWS), str(SPACING_BETWEEN_COLUMNS)], SliceThickness="5")
            ],
            PlaneOrientationSequence=[
                _item(ImageOrientationPatient=[f"{x:.8f}" for x in (*ROW_DIRECTION, *COLUMN_DIRECTION)])
            ],
        )
    ]
    groups, pixels = [], []
    for number, frame_type in enumerate(frame_types or [kind.image_type]):
        for k in reversed(range(kind.slices)):
            for echo, time in enumerate(kind.echo_times_ms):
                groups.append(_frame_groups(frame_type, k, time, slope=1 + k))
                pixels.append(stored(k, echo + number))
    dataset.NumberOfFrames = len(groups)
    dataset.PerFrameFunctionalGroupsSequence = groups
    dataset.PixelData = np.stack(pixels).tobytes()
    _apply(dataset, kind.extra)
    return dataset


def _frame_groups(frame_type: tuple[str, ...], k: int, echo_time_ms: float, *, slope: float) -> Dataset:
    return _item(
        MRImageFrameTypeSequence=[_item(FrameType=list(frame_type), ComplexImageComponent="MAGNITUDE")],
        MREchoSequence=[_item(EffectiveEchoTime=echo_time_ms)],
        PlanePositionSequence=[_item(ImagePositionPatient=[f"{x:.6f}" for x in position_lps(k)])],
        PixelValueTransformationSequence=[_item(RescaleSlope=str(slope), RescaleIntercept="0", RescaleType="US")],
    )


def write_deidentified(folder: Path, datasets: Iterable[Dataset]) -> Path:
    """A folder as `deidentify` leaves it: files under new UIDs and a report with their digests."""
    for dataset in datasets:
        path = folder / f"{dataset.StudyInstanceUID}/{dataset.SeriesInstanceUID}/{dataset.SOPInstanceUID}.dcm"
        path.parent.mkdir(parents=True, exist_ok=True)
        dcmwrite(path, dataset, enforce_file_format=True)
    folder.mkdir(parents=True, exist_ok=True)
    return write_report(folder)


def write_changed(folder: Path, change: Callable[[bytes], bytes]) -> None:
    """The folder's first file holds the changed bytes, and the report knows it so."""
    victim = min(folder.rglob("*.dcm"))
    victim.write_bytes(change(victim.read_bytes()))
    write_report(folder)


def write_report(folder: Path) -> Path:
    """The folder's report names all its files with their digests."""
    files = tuple(
        FileOutcome(
            number=number,
            input_sha256="1" * 64,
            outcome="deidentified",
            output=str(path.relative_to(folder)),
            output_sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
            pixel_sha256=_pixel_digest(path),
            checks=1,
        )
        for number, path in enumerate(sorted(folder.rglob("*.dcm")), start=1)
    )
    write_report_file(folder, _report(files))
    return folder


def write_report_file(folder: Path, report: DeidentificationReport) -> None:
    """The report lies in the folder as `deidentify` writes it: the summary, then one line a file."""
    summary = DeidentificationSummary.model_validate(report.model_dump(exclude={"files"}))
    lines = (file.model_dump_json(exclude_defaults=True) for file in report.files)
    (folder / REPORT_NAME).write_bytes(b"".join(report_bytes(summary, lines)))


def _pixel_digest(path: Path) -> str:
    """Of the Pixel Data value; of nothing where the file has none or is damaged."""
    try:
        value = dcmread(path).get("PixelData") or b""
    except (InvalidDicomError, EOFError, ValueError, KeyError, TypeError, struct.error, NotImplementedError):
        value = b""
    return hashlib.sha256(value).hexdigest()


def _report(files: tuple[FileOutcome, ...]) -> DeidentificationReport:
    return DeidentificationReport(
        created="2026-11-22T12:00:00Z",
        policy="test",
        policy_digest="3" * 64,
        profile_edition="2026c",
        profile_rows=1,
        tools={"pydicom": "3"},
        key_check="4" * 16,
        claim="made by a test",
        received=len(files),
        deidentified=len(files),
        withheld=0,
        withheld_by_code={},
        files=files,
    )
