"""Synthetic images: classic MR, Enhanced MR and segmentations of few pixels, each with pixels of its own."""

from __future__ import annotations

from collections.abc import Sequence as Several
from dataclasses import dataclass

import numpy as np
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from planted.draft import Draft
from planted.made_up import MadeUp, Value
from planted.plants import Category, Kind

MR, ENHANCED, SEG = (
    "1.2.840.10008.5.1.4.1.1.4",
    "1.2.840.10008.5.1.4.1.1.4.1",
    "1.2.840.10008.5.1.4.1.1.66.4",
)
SIZE = 32


@dataclass(frozen=True, slots=True)
class Study:
    """One visit of one person: what all its files share."""

    name: Value
    patient_id: str
    birth: str
    date: str
    uid: str
    accession: str
    frame_of_reference: str
    charset: str
    year: int

    @classmethod
    def of(cls, made: MadeUp, *, charset: str = "", year: int = 0, same: Study | None = None, date: str = "") -> Study:
        """A study of a new person, or another one of the person of `same`."""
        year = year or (same.year if same else made.rng.randrange(1996, 2022))
        return cls(
            name=same.name if same else made.name(charset),
            patient_id=same.patient_id if same else made.digits(),
            birth=same.birth if same else f"{made.date(made.rng.randrange(1931, 1980)):%Y%m%d}",
            date=date or f"{made.date(year):%Y%m%d}",
            uid=made.uid(),
            accession=made.digits(),
            frame_of_reference=made.uid(),
            charset=same.charset if same else charset,
            year=year,
        )


def start(made: MadeUp, study: Study, *, name: str, iod: str, series: str = "", charset: str | None = None) -> Draft:
    """A draft with the patient, study, series and equipment of a file; its identifying values count as planted."""
    dataset = Dataset()
    draft = Draft(
        made, dataset, name, study.patient_id, study.year, charset=study.charset if charset is None else charset
    )
    dataset.SpecificCharacterSet = study.charset.split("\\") if study.charset else "ISO_IR 6"
    if not study.charset:
        del dataset.SpecificCharacterSet
    dataset.SOPClassUID, dataset.SOPInstanceUID = iod, made.uid()
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = study.uid, series or made.uid()
    for keyword, value in {
        "PatientName": study.name,
        "PatientID": Value(study.patient_id, Kind.TEXT, (study.patient_id,)),
        "PatientBirthDate": Value(study.birth, Kind.DATE, (study.birth,)),
        "StudyDate": Value(study.date, Kind.DATE, (study.date,)),
        "AccessionNumber": Value(study.accession, Kind.TEXT, (study.accession,)),
    }.items():
        draft.plant(keyword, Category.STANDARD, value=value)
    for keyword in (
        "ReferringPhysicianName",
        "StudyID",
        "InstitutionName",
        "StationName",
        "DeviceSerialNumber",
        "StudyTime",
    ):
        draft.plant(keyword, Category.STANDARD)
    dataset.PatientSex, dataset.PatientWeight = "F", "71.5"
    dataset.Manufacturer, dataset.ManufacturerModelName, dataset.SoftwareVersions = (
        "SIEMENS",
        "Prisma_fit",
        "syngo MR E11",
    )
    dataset.Modality = "MR"
    dataset.SeriesNumber, dataset.InstanceNumber = 3, made.rng.randrange(1, 9999)
    return draft


def _pixel_module(dataset: Dataset, pixels: np.ndarray, *, bits: int = 12) -> None:
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.Rows, dataset.Columns = pixels.shape[-2:]
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, bits, bits - 1, 0
    dataset.PixelData = pixels.astype("<u2").tobytes()
    dataset["PixelData"].VR = "OW"


def limb(made: MadeUp, shape: Several[int]) -> np.ndarray:
    """A bright ellipse in noise, uint16 below 1,500, unlike any other image of the corpus."""
    rng = np.random.default_rng(made.rng.randrange(2**63))
    rows, columns = shape[-2:]
    y, x = np.mgrid[-1 : 1 : rows * 1j, -1 : 1 : columns * 1j]
    inside = (x**2 / rng.uniform(0.3, 0.6) + y**2 / rng.uniform(0.3, 0.6)) < 1
    bright = inside * (rng.uniform(500, 1100) + rng.integers(0, 60, shape))
    return np.asarray(rng.integers(0, 60, shape) + bright, dtype="u2")


def classic(
    made: MadeUp, study: Study, *, name: str, series: str = "", size: int = SIZE, charset: str | None = None
) -> Draft:
    """A classic MR image with geometry and echo values (PS3.3 A.4)."""
    draft = start(made, study, name=name, iod=MR, series=series, charset=charset)
    dataset, rng = draft.dataset, made.rng
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "M", "ND"]
    dataset.FrameOfReferenceUID, dataset.PositionReferenceIndicator = study.frame_of_reference, ""
    dataset.ScanningSequence, dataset.SequenceVariant, dataset.ScanOptions = "GR", ["SP", "OSP"], "PFP"
    dataset.MRAcquisitionType, dataset.SequenceName = "2D", "*fl2d1"
    dataset.EchoTime, dataset.RepetitionTime = f"{rng.uniform(1, 90):.3f}", f"{rng.uniform(100, 4000):.2f}"
    dataset.EchoTrainLength, dataset.EchoNumbers, dataset.FlipAngle = 1, 1, str(rng.randrange(3, 90))
    dataset.MagneticFieldStrength, dataset.ImagingFrequency, dataset.PixelBandwidth = (
        "3",
        f"{rng.uniform(123, 128):.6f}",
        "977",
    )
    dataset.NumberOfAverages, dataset.AcquisitionMatrix = "1", [0, 64, 64, 0]
    dataset.SliceThickness, dataset.SpacingBetweenSlices, dataset.SliceLocation = (
        "5",
        "6",
        f"{rng.uniform(-90, 90):.4f}",
    )
    dataset.ImagePositionPatient = [f"{rng.uniform(-200, 200):.6f}" for _ in range(3)]
    dataset.ImageOrientationPatient = [1, 0, 0, 0, "0.99862953", "-0.0523359"]
    dataset.PixelSpacing = ["1.5625", "1.5625"]
    dataset.RescaleSlope, dataset.RescaleIntercept, dataset.RescaleType = "1.25", "-3.5", "US"
    dataset.BodyPartExamined, dataset.Laterality = "THIGH", "L"
    dataset.ProtocolName, dataset.SeriesDescription, dataset.StudyDescription = (
        "t1_tse_tra",
        "t1_tse_tra thigh",
        "MR thigh",
    )
    _pixel_module(dataset, limb(made, (size, size)))
    return draft


def enhanced(made: MadeUp, study: Study, *, name: str, frames: int = 2) -> Draft:
    """An Enhanced MR image with shared and per-frame functional groups (PS3.3 A.36)."""
    draft = start(made, study, name=name, iod=ENHANCED)
    dataset, rng = draft.dataset, made.rng
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "MAGNITUDE", "NONE"]
    dataset.FrameOfReferenceUID, dataset.PositionReferenceIndicator = study.frame_of_reference, ""
    dataset.MagneticFieldStrength, dataset.ResonantNucleus = 3.0, "1H"
    dataset.PixelPresentation, dataset.VolumetricProperties, dataset.VolumeBasedCalculationTechnique = (
        "MONOCHROME",
        "VOLUME",
        "NONE",
    )
    dataset.ComplexImageComponent, dataset.AcquisitionContrast, dataset.ContentQualification = (
        "MAGNITUDE",
        "T1",
        "PRODUCT",
    )
    dataset.BurnedInAnnotation, dataset.LossyImageCompression, dataset.PresentationLUTShape = "NO", "00", "IDENTITY"
    draft.plant("AcquisitionDateTime", Category.STANDARD)
    draft.plant("ContentDate", Category.STANDARD)
    draft.plant("ContentTime", Category.STANDARD)
    dataset.AcquisitionDuration, dataset.NumberOfFrames = 61.5, frames
    dataset.AcquisitionContextSequence = Sequence([])
    organisation = made.uid()
    draft.item("DimensionOrganizationSequence")[0].DimensionOrganizationUID = organisation
    index, _ = draft.item("DimensionIndexSequence")
    index.DimensionOrganizationUID, index.DimensionIndexPointer = organisation, 0x00209057
    index.FunctionalGroupPointer, index.DimensionDescriptionLabel = 0x00209111, "InStackPositionNumber"
    shared, at = draft.item("SharedFunctionalGroupsSequence")
    measures, _ = draft.item("PixelMeasuresSequence", into=shared, at=at)
    measures.PixelSpacing, measures.SliceThickness = ["1.5", "1.5"], "5"
    draft.item("PlaneOrientationSequence", into=shared, at=at)[0].ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    timing, _ = draft.item("MRTimingAndRelatedParametersSequence", into=shared, at=at)
    timing.RepetitionTime, timing.FlipAngle, timing.EchoTrainLength = f"{rng.uniform(5, 900):.2f}", "15", 1
    for number in range(frames):
        _frame(draft, number)
    _pixel_module(dataset, limb(made, (frames, SIZE, SIZE)))
    return draft


def _frame(draft: Draft, number: int) -> None:
    frame, at = draft.item("PerFrameFunctionalGroupsSequence")
    content, content_at = draft.item("FrameContentSequence", into=frame, at=at)
    content.StackID, content.InStackPositionNumber, content.DimensionIndexValues = "1", number + 1, number + 1
    content.FrameAcquisitionDuration = 12.5
    draft.plant("FrameAcquisitionDateTime", Category.FUNCTIONAL_GROUP, into=content, at=content_at)
    draft.plant("FrameReferenceDateTime", Category.FUNCTIONAL_GROUP, into=content, at=content_at)
    draft.item("PlanePositionSequence", into=frame, at=at)[0].ImagePositionPatient = [0, 0, str(number * 6.5)]
    draft.item("MREchoSequence", into=frame, at=at)[0].EffectiveEchoTime = 2.5 + number
    types, _ = draft.item("MRImageFrameTypeSequence", into=frame, at=at)
    types.FrameType = ["ORIGINAL", "PRIMARY", "MAGNITUDE", "NONE"]
    types.PixelPresentation, types.VolumetricProperties, types.VolumeBasedCalculationTechnique = (
        "MONOCHROME",
        "VOLUME",
        "NONE",
    )
    types.ComplexImageComponent, types.AcquisitionContrast = "MAGNITUDE", "T1"
    diffusion, _ = draft.item("MRDiffusionSequence", into=frame, at=at)
    diffusion.DiffusionBValue, diffusion.DiffusionDirectionality = 600.0, "ISOTROPIC"
    transformation, _ = draft.item("PixelValueTransformationSequence", into=frame, at=at)
    transformation.RescaleIntercept, transformation.RescaleSlope, transformation.RescaleType = (
        "0",
        f"{1 + number}.125",
        "US",
    )
    world, _ = draft.item("RealWorldValueMappingSequence", into=frame, at=at)
    world.RealWorldValueFirstValueMapped, world.RealWorldValueLastValueMapped = 0, 4095
    world.RealWorldValueIntercept, world.RealWorldValueSlope, world.LUTLabel, world.LUTExplanation = (
        0.5,
        0.125,
        "US",
        "none",
    )
    unit, _ = draft.item("MeasurementUnitsCodeSequence", into=world)
    unit.CodeValue, unit.CodingSchemeDesignator, unit.CodeMeaning = "ms", "UCUM", "millisecond"


def segmentation(made: MadeUp, study: Study, *, name: str, sources: Several[Draft], binary: bool) -> Draft:
    """A segmentation of these images, one frame each: bits or fractions, referring to them (PS3.3 A.51)."""
    draft = start(made, study, name=name, iod=SEG)
    dataset, frames = draft.dataset, len(sources)
    dataset.Modality, dataset.ImageType = "SEG", ["DERIVED", "PRIMARY"]
    dataset.FrameOfReferenceUID, dataset.PositionReferenceIndicator = study.frame_of_reference, ""
    dataset.ContentLabel, dataset.ContentDescription, dataset.LossyImageCompression = "SEGMENTATION", "muscle", "00"
    for keyword in ("ContentCreatorName", "ContentDate", "ContentTime"):
        draft.plant(keyword, Category.STANDARD)
    referenced, _ = draft.item("ReferencedSeriesSequence")
    referenced.SeriesInstanceUID = sources[0].dataset.SeriesInstanceUID
    for source in sources:
        _refer(draft.item("ReferencedInstanceSequence", into=referenced)[0], source)
    organisation = made.uid()
    draft.item("DimensionOrganizationSequence")[0].DimensionOrganizationUID = organisation
    index, _ = draft.item("DimensionIndexSequence")
    index.DimensionOrganizationUID, index.DimensionIndexPointer = organisation, 0x0062000B
    index.FunctionalGroupPointer = 0x0062000A
    _segment(draft)
    shared, at = draft.item("SharedFunctionalGroupsSequence")
    measures, _ = draft.item("PixelMeasuresSequence", into=shared, at=at)
    measures.PixelSpacing, measures.SliceThickness = ["1.5625", "1.5625"], "5"
    draft.item("PlaneOrientationSequence", into=shared, at=at)[0].ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    for source in sources:
        _segment_frame(draft, source)
    dataset.NumberOfFrames = frames
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.Rows = dataset.Columns = SIZE
    dataset.PixelRepresentation = 0
    rng = np.random.default_rng(made.rng.randrange(2**63))
    if binary:
        dataset.SegmentationType = "BINARY"
        dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 1, 1, 0
        bits = rng.integers(0, 2, frames * SIZE * SIZE, dtype="u1")
        dataset.PixelData = np.packbits(bits, bitorder="little").tobytes()
    else:
        dataset.SegmentationType, dataset.SegmentationFractionalType = "FRACTIONAL", "PROBABILITY"
        dataset.MaximumFractionalValue = 255
        dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 8, 8, 7
        dataset.PixelData = rng.integers(0, 256, frames * SIZE * SIZE, dtype="u1").tobytes()
    dataset["PixelData"].VR = "OB"
    return draft


def _refer(item: Dataset, source: Draft) -> None:
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = (
        source.dataset.SOPClassUID,
        source.dataset.SOPInstanceUID,
    )


def _segment(draft: Draft) -> None:
    segment, at = draft.item("SegmentSequence")
    segment.SegmentNumber, segment.SegmentLabel, segment.SegmentAlgorithmType = 1, "muscle", "AUTOMATIC"
    segment.SegmentAlgorithmName = "muscle"
    for keyword, code in (
        ("SegmentedPropertyCategoryCodeSequence", "85756007"),
        ("SegmentedPropertyTypeCodeSequence", "71616004"),
    ):
        entry, _ = draft.item(keyword, into=segment, at=at)
        entry.CodeValue, entry.CodingSchemeDesignator, entry.CodeMeaning = code, "SCT", "muscle"
    draft.plant("SegmentDescription", Category.TEXT_UNKNOWN, into=segment, at=at)
    draft.plant("TrackingUID", Category.UID_NESTED, into=segment, at=at)
    draft.plant("TrackingID", Category.TEXT_UNKNOWN, into=segment, at=at)


def _segment_frame(draft: Draft, source: Draft) -> None:
    frame, at = draft.item("PerFrameFunctionalGroupsSequence")
    content, _ = draft.item("FrameContentSequence", into=frame, at=at)
    content.DimensionIndexValues = 1
    draft.item("PlanePositionSequence", into=frame, at=at)[0].ImagePositionPatient = list(
        source.dataset.ImagePositionPatient
    )
    draft.item("SegmentIdentificationSequence", into=frame, at=at)[0].ReferencedSegmentNumber = 1
    derivation, derivation_at = draft.item("DerivationImageSequence", into=frame, at=at)
    code, _ = draft.item("DerivationCodeSequence", into=derivation, at=derivation_at)
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = "113076", "DCM", "Segmentation"
    reference, reference_at = draft.item("SourceImageSequence", into=derivation, at=derivation_at)
    _refer(reference, source)
    purpose, _ = draft.item("PurposeOfReferenceCodeSequence", into=reference, at=reference_at)
    purpose.CodeValue, purpose.CodingSchemeDesignator, purpose.CodeMeaning = (
        "121322",
        "DCM",
        "Source image for image processing operation",
    )
