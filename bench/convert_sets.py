"""De-identified folders of any size for the bench of the conversion: multi-echo spin echoes made from one file's bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

import numpy as np
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.filewriter import dcmwrite
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage

from myofed_anonymization.output_folder import report_bytes
from myofed_schemas.clock import utc_text
from myofed_schemas.deid import REPORT_NAME, DeidentificationSummary, FileOutcome

ECHO_TIMES_MS = tuple(8.0 * echo for echo in range(1, 11))
"""A CPMG train, which all three converters take for one."""
STEP_MM = 5
NOISE_PATTERNS = 8


@dataclass(frozen=True)
class Shape:
    """Of a folder: each session one study of one patient, each series `files` images of `size` x `size`, ten echoes."""

    sessions: int
    series: int
    files: int
    size: int

    @property
    def count(self) -> int:
        """Files in all."""
        return self.sessions * self.series * self.files


def write_folder(folder: Path, shape: Shape) -> None:
    """The folder is as `deidentify` leaves it, with its report."""
    outcomes = []
    for name, content, pixels in _files(shape):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        outcome = FileOutcome(
            number=len(outcomes) + 1,
            input_sha256="0" * 64,
            outcome="deidentified",
            output=name,
            output_sha256=hashlib.sha256(content).hexdigest(),
            pixel_sha256=hashlib.sha256(pixels).hexdigest(),
            checks=1,
        )
        outcomes.append(outcome.model_dump_json(exclude_defaults=True))
    (folder / REPORT_NAME).write_bytes(b"".join(report_bytes(_summary(shape), outcomes)))


def _summary(shape: Shape) -> DeidentificationSummary:
    return DeidentificationSummary(
        created=utc_text(datetime.now(UTC)),
        policy="bench",
        policy_digest="0" * 64,
        profile_edition="bench",
        profile_rows=1,
        tools={},
        key_check="0" * 16,
        claim="made by a bench; nobody's image",
        received=shape.count,
        deidentified=shape.count,
        withheld=0,
        withheld_by_code={},
    )


def _uid(*parts: int) -> str:
    """Always 44 characters, so that one takes another's place in the bytes."""
    number = int(hashlib.sha256(repr(parts).encode()).hexdigest()[:31], 16) % 10**38
    return f"2.25.{10**38 + number}"


def _files(shape: Shape) -> Iterator[tuple[str, bytes, bytes]]:
    """Path, content and Pixel Data of every file."""
    templates = [_template(shape, echo) for echo in ECHO_TIMES_MS]
    pixels = [_pixels(shape.size, pattern) for pattern in range(NOISE_PATTERNS)]
    for session in range(shape.sessions):
        for series in range(shape.series):
            for file in range(shape.files):
                template = templates[file % len(ECHO_TIMES_MS)]
                uids = [_uid(1, session), _uid(2, session, series), _uid(3, session, series, file)]
                values = pixels[(file + series) % NOISE_PATTERNS]
                content = template.replace(b"SUBJECT0000", f"SUBJECT{session:04d}".encode())
                content = content.replace(b"00000.00", f"{file // len(ECHO_TIMES_MS) * STEP_MM:08.2f}".encode())
                content = content.replace(b"SERIES00", f"{series + 1:08d}".encode())
                for number, uid in enumerate(uids):
                    content = content.replace(_uid(0, number).encode(), uid.encode())
                yield "/".join(uids) + ".dcm", content + values, values


def _pixels(size: int, pattern: int) -> bytes:
    """A round object with noise around it, as an image of a limb compresses."""
    rng = np.random.default_rng(pattern)
    y, x = np.mgrid[-1 : 1 : size * 1j, -1 : 1 : size * 1j]
    signal = 600.0 * (x**2 + y**2 < 0.5) * (1 + 0.3 * np.sin(5 * x + pattern))
    noisy = np.hypot(signal + rng.normal(0, 12, x.shape), rng.normal(0, 12, x.shape))
    return noisy.clip(0, 4095).astype("<u2").tobytes()


def _template(shape: Shape, echo_time_ms: float) -> bytes:
    """All of a file but its pixels."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID = MRImageStorage
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = _uid(0, 0), _uid(0, 1)
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID = _uid(0, 2)
    dataset.PatientID, dataset.Modality, dataset.Manufacturer = "SUBJECT0000", "MR", "SIEMENS"
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "M", "ND"]
    dataset.ScanningSequence, dataset.SequenceVariant, dataset.MRAcquisitionType = "SE", "SK", "2D"
    dataset.EchoTime, dataset.RepetitionTime, dataset.FlipAngle = f"{echo_time_ms:04.1f}", "3000", "90"
    dataset.MagneticFieldStrength, dataset.ImagingFrequency, dataset.PixelBandwidth = "3", "123.2", "500"
    dataset.InPlanePhaseEncodingDirection, dataset.BodyPartExamined = "COL", "THIGH"
    dataset.PixelSpacing, dataset.SliceThickness = ["1.5", "1.5"], str(STEP_MM)
    dataset.ImagePositionPatient, dataset.ImageOrientationPatient = ["0", "0", "1"], ["1", "0", "0", "0", "1", "0"]
    dataset.Rows = dataset.Columns = shape.size
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 12, 11, 0
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.PixelData = b"\0" * (2 * shape.size * shape.size)
    dataset["ImagePositionPatient"].value = [0, 0, 0]
    dataset.add_new("SeriesNumber", "SH", "SERIES00")
    dataset.add_new("ImagePositionPatient", "SH", "0\\0\\00000.00")
    stream = BytesIO()
    dcmwrite(stream, dataset, enforce_file_format=True)
    content = stream.getvalue()[: -len(dataset.PixelData)]
    for tag, vr in ((b"\x20\x00\x11\x00", b"IS"), (b"\x20\x00\x32\x00", b"DS")):
        content = content.replace(tag + b"SH", tag + vr)
    return content
