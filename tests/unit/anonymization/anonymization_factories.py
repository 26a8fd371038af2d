"""Tiny synthetic DICOM files with made-up identities, for the de-identification tests."""

from __future__ import annotations

import datetime as dt
import hashlib
import struct
from io import BytesIO
from pathlib import Path

import numpy as np
from pydicom import config, dcmread, dcmwrite
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian

from myofed_anonymization import Policy, SiteKeys, default_policy, deidentify, read_report
from myofed_anonymization.element_reader import Bounds, Content, read_elements
from myofed_anonymization.one_file import Bench, Treated, treat
from myofed_anonymization.output_folder import Staging
from myofed_anonymization.treatment import Rules
from myofed_schemas.deid import DeidentificationReport, FileOutcome

KEYS = SiteKeys(bytes(range(32)))
NOW = dt.datetime(2026, 11, 22, 12, 0, 0, tzinfo=dt.UTC)
UID = "1.3.12.2.1107.5.2.99.4711."
MR, ENHANCED, SEG = (f"1.2.840.10008.5.1.4.1.1.{number}" for number in ("4", "4.1", "66.4"))
PATIENT = {"PatientName": "Fantasia^Ottilie", "PatientID": "MRN-884422", "PatientBirthDate": "19610214"}
RLE_PIXELS = encapsulate([struct.pack("<16I", 2, 64, 66, *[0] * 13) + b"\xf1\x00\xf1\x07"])
"""16 pixels of value 7 as run lengths: two planes of bytes."""
BOUNDS = Bounds.from_policy(default_policy())
PIXELS = np.arange(16, dtype="<u2")


@config.disable_value_validation()
def mr(**attributes: object) -> Dataset:
    """A classic MR image of 4 x 4 pixels, with the attributes given on top (None removes one)."""
    dataset = Dataset()
    values: dict[str, object] = {
        "SpecificCharacterSet": "ISO_IR 100",
        "ImageType": ["ORIGINAL", "PRIMARY", "M", "ND"],
        "SOPClassUID": MR,
        "SOPInstanceUID": UID + "1",
        "StudyInstanceUID": UID + "2",
        "SeriesInstanceUID": UID + "3",
        "FrameOfReferenceUID": UID + "4",
        "StudyDate": "20210715",
        "StudyTime": "135915.648000",
        "Modality": "MR",
        "Manufacturer": "SIEMENS",
        "ManufacturerModelName": "Prisma_fit",
        "SoftwareVersions": "syngo MR E11",
        "InstitutionName": "Klinikum Wolkenstein",
        "ReferringPhysicianName": "Zuweiser^Hubert",
        "StudyDescription": "Thigh Fantasia",
        "SeriesDescription": "gre_field_magph",
        **PATIENT,
        "PatientSex": "F",
        "PatientAge": "060Y",
        "PatientWeight": "71.5",
        "AccessionNumber": "ACC-20217",
        "BodyPartExamined": "THIGH",
        "EchoTime": "5.19",
        "RepetitionTime": "400",
        "MagneticFieldStrength": "3",
        "DeviceSerialNumber": "167067",
        "SeriesNumber": "2",
        "InstanceNumber": "7",
        "ImagePositionPatient": [-104, -104, -63],
        "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
        "PixelSpacing": [3.25, 3.25],
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "Rows": 4,
        "Columns": 4,
        "BitsAllocated": 16,
        "BitsStored": 12,
        "HighBit": 11,
        "PixelRepresentation": 0,
        "PixelData": PIXELS.tobytes(),
        **attributes,
    }
    for keyword, value in values.items():
        if value is not None:
            setattr(dataset, keyword, value)
    dataset["PixelData"].VR = "OW"
    return dataset


def enhanced(**attributes: object) -> Dataset:
    """An Enhanced MR image of two frames, with functional groups."""
    frames = [
        item(
            FrameContentSequence=[item(FrameAcquisitionDateTime="20210715135915.5", DimensionIndexValues=[1, number])],
            PlanePositionSequence=[item(ImagePositionPatient=[0, 0, number])],
            MREchoSequence=[item(EffectiveEchoTime=2.5)],
        )
        for number in (1, 2)
    ]
    values: dict[str, object] = {
        "SOPClassUID": ENHANCED,
        "NumberOfFrames": "2",
        "PixelData": PIXELS.tobytes() * 2,
        "PixelSpacing": None,
        "EchoTime": None,
        "ImagePositionPatient": None,
        "SharedFunctionalGroupsSequence": Sequence(
            [item(PixelMeasuresSequence=[item(PixelSpacing=[1, 1], SliceThickness="5")])]
        ),
        "PerFrameFunctionalGroupsSequence": Sequence(frames),
        **attributes,
    }
    return mr(**values)


def segmentation(**attributes: object) -> Dataset:
    """A binary label map of the image that `mr()` is, one segment, one frame of 4 x 4 pixels."""
    reference = item(ReferencedSOPClassUID=MR, ReferencedSOPInstanceUID=UID + "1")
    values: dict[str, object] = {
        "SOPClassUID": SEG,
        "SOPInstanceUID": UID + "50",
        "SeriesInstanceUID": UID + "51",
        "Modality": "SEG",
        "ImageType": ["DERIVED", "PRIMARY"],
        "ContentLabel": "MUSCLES",
        "ContentDescription": "drawn by Fantasia",
        "ContentCreatorName": "Leser^Lena",
        "SegmentationType": "BINARY",
        "BitsAllocated": 1,
        "BitsStored": 1,
        "HighBit": 0,
        "NumberOfFrames": "1",
        "PixelData": b"\xf0\x0f",
        "SegmentSequence": [item(SegmentNumber=1, SegmentLabel="vastus lateralis left", SegmentAlgorithmType="MANUAL")],
        "ReferencedSeriesSequence": [item(SeriesInstanceUID=UID + "3", ReferencedInstanceSequence=[reference])],
        **dict.fromkeys(
            ["EchoTime", "RepetitionTime", "ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"]
        ),
        **attributes,
    }
    return mr(**values)


def with_csa(dataset: Dataset, **numbers: str) -> Dataset:
    """The image with a Siemens CSA image header (SV10) that holds these numbers and a name."""
    tags = {**numbers, "PatientName": "Fantasia^Ottilie"}
    content = b"SV10\x04\x03\x02\x01" + struct.pack("<II", len(tags), 77)
    for name, value in tags.items():
        text = value.encode() + b"\0"
        padded = text + bytes(-len(text) % 4)
        content += name.encode().ljust(64, b"\0") + struct.pack("<I4sIII", 1, b"FD\0\0", 4, 6, 77)
        content += struct.pack("<IIII", len(text), len(text), 77, len(text)) + padded
        content += struct.pack("<IIII", 0, 0, 77, 0) * 5
    block = dataset.private_block(0x0029, "SIEMENS CSA HEADER", create=True)
    block.add_new(0x10, "OB", content + bytes(len(content) % 2))
    return dataset


@config.disable_value_validation()
def item(**attributes: object) -> Dataset:
    """A sequence item with these attributes; a list of data sets becomes a sequence."""
    dataset = Dataset()
    for keyword, value in attributes.items():
        is_sequence = isinstance(value, list) and all(isinstance(one, Dataset) for one in value)
        setattr(dataset, keyword, Sequence(value) if is_sequence else value)
    return dataset


@config.disable_value_validation()
def file_bytes(dataset: Dataset, *, transfer_syntax: str = ExplicitVRLittleEndian, **meta_elements: str) -> bytes:
    """The data set as a DICOM file, its meta information with these elements on top."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = dataset.get("SOPClassUID", MR)
    meta.MediaStorageSOPInstanceUID = dataset.get("SOPInstanceUID", UID + "1")
    meta.TransferSyntaxUID = transfer_syntax
    for keyword, value in meta_elements.items():
        setattr(meta, keyword, value)
    dataset.file_meta = meta
    dataset.preamble = bytes(128)
    stream = BytesIO()
    dcmwrite(stream, dataset, enforce_file_format=True)
    return stream.getvalue()


def content_of(dataset: Dataset, *, transfer_syntax: str = ExplicitVRLittleEndian, **meta_elements: str) -> Content:
    """The data set as the verification reads it."""
    return read_elements(file_bytes(dataset, transfer_syntax=transfer_syntax, **meta_elements), bounds=BOUNDS)


def run(
    folder: Path, *files: bytes | Dataset, keys: SiteKeys = KEYS, policy: Policy | None = None
) -> DeidentificationReport:
    """De-identifies these files from `folder/in` to `folder/out`."""
    source = folder / "in"
    source.mkdir(exist_ok=True)
    for number, content in enumerate(files):
        (source / f"Fantasia_{number}.dcm").write_bytes(
            file_bytes(content) if isinstance(content, Dataset) else content
        )
    summary = deidentify(source, folder / "out", keys=keys, policy=policy or default_policy(), now=NOW)
    report = read_report(folder / "out")
    assert summary.model_dump() == report.model_dump(exclude={"files"})
    return report


def treated(folder: Path, content: bytes | Dataset, *, policy: Policy | None = None, **options: object) -> Treated:
    """What becomes of one file in this process; its output lies in `folder/out`."""
    content = file_bytes(content) if isinstance(content, Dataset) else content
    for name in ("out", "staging"):
        (folder / name).mkdir(exist_ok=True)
    bench = Bench(Rules.of(KEYS, policy or default_policy()), Staging(folder / "out", folder / "staging"), **options)  # type: ignore[arg-type]
    return treat(content, sha256=hashlib.sha256(content).hexdigest(), number=1, bench=bench)


def only(folder: Path, content: bytes | Dataset, *, policy: Policy | None = None) -> FileDataset:
    """The one output of one input file that must be released."""
    outcome = treated(folder, content, policy=policy).outcome
    assert outcome.code is None, outcome.code
    return dcmread(output(folder, outcome))


def output(folder: Path, outcome: FileOutcome) -> Path:
    """Where the output of a released file lies."""
    assert outcome.output is not None
    return folder / "out" / outcome.output


def policy_with(**settings: object) -> Policy:
    """The default policy with these settings changed."""
    return Policy.model_validate({**default_policy().model_dump(), **settings})
