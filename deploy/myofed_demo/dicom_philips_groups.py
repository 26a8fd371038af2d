"""Functional groups of an Enhanced MR Image as Philips fills them (PS3.3 C.7.6.16 and C.8.13)."""

from __future__ import annotations

from dataclasses import dataclass

from pydicom.dataset import Dataset
from pydicom.tag import Tag

from myofed_demo.dicom_header import decimal
from myofed_demo.exam import Exam
from myofed_demo.scanner import ScannerPreset

SCALE_SLOPE = 0.0043
"""Stored value per unit of the scanner's floating point signal; Philips keeps it in (2005,xx0E)."""


@dataclass(frozen=True)
class FrameKind:
    """What a frame shows.

    Attributes:
        frame_type: Value 4 of FrameType: WATER, FAT, IN_PHASE or OPP_PHASE.
        classic_token: Value 3 and 4 of the classic ImageType: W, F, IP or OP.
        echo_time_ms: EffectiveEchoTime.
    """

    frame_type: str
    classic_token: str
    echo_time_ms: float

    @property
    def frame_type_values(self) -> list[str]:
        """FrameType; Dixon products are derived from the echoes."""
        return ["DERIVED", "PRIMARY", "DIXON", self.frame_type]


@dataclass(frozen=True)
class FramePlace:
    """Which frame of the object it is, and where in the patient.

    Attributes:
        number: From 1.
        in_stack: InStackPositionNumber, from 1.
        kind_index: Index of the kind in the object's second dimension, from 1.
        position_mm: ImagePositionPatient.
        orientation: ImageOrientationPatient.
    """

    number: int
    in_stack: int
    kind_index: int
    position_mm: tuple[float, ...]
    orientation: tuple[str, ...]


def add_object_attributes(dataset: Dataset, exam: Exam, preset: ScannerPreset, *, frames: int) -> None:
    """The data set has the object's own attributes: pixel format, dimensions, acquisition (PS3.3 C.8.13.1 and C.7.6.17)."""
    dataset.ImageType = ["DERIVED", "PRIMARY", "DIXON", "MIXED"]
    dataset.InstanceNumber, dataset.AcquisitionNumber, dataset.NumberOfFrames = 1, 1, frames
    dataset.Rows, dataset.Columns = preset.shape[1], preset.shape[0]
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 12, 11, 0
    dataset.PixelPresentation, dataset.VolumetricProperties = "MONOCHROME", "VOLUME"
    dataset.VolumeBasedCalculationTechnique, dataset.ComplexImageComponent = "NONE", "MAGNITUDE"
    dataset.AcquisitionContrast, dataset.ContentQualification = "T1", "RESEARCH"
    dataset.BurnedInAnnotation, dataset.LossyImageCompression, dataset.PresentationLUTShape = "NO", "00", "IDENTITY"
    dataset.AcquisitionDateTime = exam.patient.study_date + exam.patient.study_time
    dataset.AcquisitionDuration = 68.4
    dataset.MagneticFieldStrength = decimal(preset.field_tesla)
    dataset.ResonantNucleus, dataset.KSpaceFiltering, dataset.MRAcquisitionType = "1H", "RIESZ", "2D"
    dataset.ApplicableSafetyStandardAgency = "IEC"
    dataset.PulseSequenceName, dataset.EchoPulseSequence = "FFE", "GRADIENT"
    dataset.MultipleSpinEcho, dataset.MultiPlanarExcitation, dataset.PhaseContrast = "NO", "NO", "NO"
    dataset.TimeOfFlightContrast, dataset.ArterialSpinLabelingContrast, dataset.Spoiling = "NO", "NONE", "RF"
    dataset.SteadyStatePulseSequence, dataset.EchoPlanarPulseSequence = "NONE", "NO"
    dataset.SaturationRecovery, dataset.SpectrallySelectedSuppression = "NO", "NONE"
    dataset.OversamplingPhase, dataset.GeometryOfKSpaceTraversal = "NONE", "RECTILINEAR"
    dataset.SegmentedKSpaceTraversal, dataset.RectilinearPhaseEncodeReordering = "SINGLE", "LINEAR"
    dataset.NumberOfKSpaceTrajectories = 1
    dataset.AcquisitionContextSequence = []
    _add_dimensions(dataset, exam)
    block = dataset.private_block(0x2001, "Philips Imaging DD 001", create=True)
    block.add_new(0xC8, "LO", f"thigh {exam.patient.name}")
    private = dataset.private_block(0x2005, "Philips MR Imaging DD 001", create=True)
    private.add_new(0x1E, "SH", exam.patient.name.split("^")[0][:16])


def _add_dimensions(dataset: Dataset, exam: Exam) -> None:
    uid = exam.uid("dimension organization")
    organization = Dataset()
    organization.DimensionOrganizationUID = uid
    dataset.DimensionOrganizationSequence = [organization]
    pointers = (("InStackPositionNumber", "FrameContentSequence"), ("FrameType", "MRImageFrameTypeSequence"))
    items = []
    for keyword, group in pointers:
        item = Dataset()
        item.DimensionOrganizationUID = uid
        item.DimensionIndexPointer, item.FunctionalGroupPointer = Tag(keyword), Tag(group)
        items.append(item)
    dataset.DimensionIndexSequence = items


def _one(**values: object) -> list[Dataset]:
    """A sequence of one item with these attributes."""
    item = Dataset()
    for keyword, value in values.items():
        setattr(item, keyword, value)
    return [item]


def shared_groups(preset: ScannerPreset) -> Dataset:
    """What all frames share: timing, geometry of the scan, coils, anatomy."""
    shared = Dataset()
    shared.MRTimingAndRelatedParametersSequence = _one(
        RepetitionTime=decimal(preset.repetition_time_ms),
        FlipAngle=decimal(preset.flip_angle_degrees),
        EchoTrainLength=len(preset.echo_times_ms),
        RFEchoTrainLength=0,
        GradientEchoTrainLength=len(preset.echo_times_ms),
    )
    shared.MRFOVGeometrySequence = _one(
        InPlanePhaseEncodingDirection="COLUMN",
        MRAcquisitionFrequencyEncodingSteps=preset.shape[0],
        MRAcquisitionPhaseEncodingStepsInPlane=preset.shape[1],
        PercentSampling="100",
        PercentPhaseFieldOfView="100",
    )
    shared.MRImagingModifierSequence = _one(
        MagnetizationTransfer="NONE",
        BloodSignalNulling="NO",
        Tagging="NONE",
        TransmitterFrequency=preset.imaging_frequency_mhz,
        PixelBandwidth="890",
    )
    shared.MRModifierSequence = _one(
        InversionRecovery="NO", FlowCompensation="NONE", Spoiling="RF", T2Preparation="NO",
        SpectrallySelectedExcitation="NONE", SpatialPresaturation="NONE", PartialFourier="NO", ParallelAcquisition="NO",
    )  # fmt: skip
    shared.MRAveragesSequence = _one(NumberOfAverages="1")
    shared.MRReceiveCoilSequence = _one(
        ReceiveCoilName="MULTI COIL",
        ReceiveCoilManufacturerName="",
        ReceiveCoilType="MULTICOIL",
        QuadratureReceiveCoil="NO",
    )
    shared.MRTransmitCoilSequence = _one(TransmitCoilName="B", TransmitCoilManufacturerName="", TransmitCoilType="BODY")
    region = _one(CodeValue="68367000", CodingSchemeDesignator="SCT", CodeMeaning="Thigh")
    shared.FrameAnatomySequence = _one(AnatomicRegionSequence=region, FrameLaterality="B")
    return shared


def frame_groups(
    exam: Exam, preset: ScannerPreset, kind: FrameKind, place: FramePlace, *, rescale_slope: float
) -> Dataset:
    """What one frame has of its own: kind, echo time, position, rescale, and Philips' classic copy of its header."""
    frame = Dataset()
    frame.FrameContentSequence = _one(
        StackID="1",
        InStackPositionNumber=place.in_stack,
        TemporalPositionIndex=1,
        DimensionIndexValues=[place.in_stack, place.kind_index],
        FrameAcquisitionNumber=1,
        FrameAcquisitionDateTime=exam.patient.study_date + exam.patient.study_time,
        FrameReferenceDateTime=exam.patient.study_date + exam.patient.study_time,
        FrameAcquisitionDuration=68400.0,
    )
    frame.MRImageFrameTypeSequence = _one(
        FrameType=kind.frame_type_values,
        PixelPresentation="MONOCHROME",
        VolumetricProperties="VOLUME",
        VolumeBasedCalculationTechnique="NONE",
        ComplexImageComponent="MAGNITUDE",
        AcquisitionContrast="T1",
    )
    frame.MREchoSequence = _one(EffectiveEchoTime=kind.echo_time_ms)
    frame.PlanePositionSequence = _one(ImagePositionPatient=[decimal(v) for v in place.position_mm])
    frame.PlaneOrientationSequence = _one(ImageOrientationPatient=list(place.orientation))
    frame.PixelMeasuresSequence = _one(
        PixelSpacing=[decimal(preset.spacing_mm[1]), decimal(preset.spacing_mm[0])],
        SliceThickness=decimal(preset.slice_thickness_mm),
        SpacingBetweenSlices=decimal(preset.spacing_mm[2]),
    )
    frame.PixelValueTransformationSequence = _one(
        RescaleIntercept="0", RescaleSlope=decimal(rescale_slope), RescaleType="US"
    )
    frame.FrameVOILUTSequence = _one(WindowCenter="700", WindowWidth="1400")
    block = frame.private_block(0x2005, "Philips MR Imaging DD 005", create=True)
    block.add_new(0x0F, "SQ", [_classic_copy(exam, preset, kind, place)])
    return frame


def _classic_copy(exam: Exam, preset: ScannerPreset, kind: FrameKind, place: FramePlace) -> Dataset:
    """The private classic header of a frame; its position is half a voxel off, as in real files."""
    half = (preset.spacing_mm[0] / 2, preset.spacing_mm[1] / 2, 0.0)
    copy = Dataset()
    copy.ImageType = ["DERIVED", "PRIMARY", kind.classic_token, kind.classic_token, "FFE"]
    copy.SOPInstanceUID = exam.uid(f"classic copy {kind.frame_type} {place.number}")
    copy.ImageComments = exam.patient.comment
    copy.EchoTime = decimal(kind.echo_time_ms)
    copy.InstanceNumber = place.number
    copy.ImagePositionPatient = [decimal(p - h) for p, h in zip(place.position_mm, half, strict=True)]
    private = copy.private_block(0x2005, "Philips MR Imaging DD 001", create=True)
    private.add_new(0x0D, "FL", 0.0)
    private.add_new(0x0E, "FL", SCALE_SLOPE)
    return copy
