"""Enhanced MR Image Storage: one object with its functional groups, the parts that all vendors write (PS3.3 A.36)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pydicom.dataset import Dataset
from pydicom.tag import BaseTag, Tag

from myofed_demo.dicom_classic import Stored, add_pixel_format
from myofed_demo.dicom_header import decimal
from myofed_demo.dicom_technique import Technique
from myofed_demo.exam import Exam

PHILIPS_IMAGE, PHILIPS_FRAME = "Philips MR Imaging DD 001", "Philips MR Imaging DD 005"
"""The only vendor that counts frames by elements of its own (PS3.3 C.7.6.17)."""
COLUMN_WORDS = {"COL": "COLUMN", "ROW": "ROW"}
"""InPlanePhaseEncodingDirection of classic headers -> of enhanced ones (PS3.3 C.8.3.1.1 and C.8.13.5.3)."""


@dataclass(frozen=True)
class ObjectDescription:
    """What an object says of all its frames.

    Attributes:
        image_type: ImageType.
        component: ComplexImageComponent, MIXED where frames differ.
        contrast: AcquisitionContrast.
        sequence_name: PulseSequenceName.
        filtering: KSpaceFiltering.
        stored: Format of the pixels.
        frames: NumberOfFrames.
        dimensions: Keyword of each dimension with that of its functional group; a private one as a hexadecimal number.
    """

    image_type: tuple[str, ...]
    component: str
    contrast: str
    sequence_name: str
    filtering: str
    stored: Stored
    frames: int
    dimensions: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class FrameDescription:
    """What a frame has of its own.

    Attributes:
        frame_type: FrameType.
        component: ComplexImageComponent.
        contrast: AcquisitionContrast.
        echo_time_ms: EffectiveEchoTime.
        stack: StackID.
        in_stack: InStackPositionNumber, from 1.
        index_values: DimensionIndexValues.
        position_mm: ImagePositionPatient.
        orientation: ImageOrientationPatient.
        rescale: RescaleSlope, RescaleIntercept and RescaleType as they are written.
    """

    frame_type: tuple[str, ...]
    component: str
    contrast: str
    echo_time_ms: float
    stack: str
    in_stack: int
    index_values: tuple[int, ...]
    position_mm: tuple[float, ...]
    orientation: tuple[str, ...]
    rescale: tuple[str, str, str]


def one(**values: object) -> list[Dataset]:
    """A sequence of one item with these attributes."""
    item = Dataset()
    for keyword, value in values.items():
        setattr(item, keyword, value)
    return [item]


def add_object_attributes(dataset: Dataset, exam: Exam, technique: Technique, described: ObjectDescription) -> None:
    """The data set has the object's own attributes: pixel format, dimensions, acquisition (PS3.3 C.8.13.1 and C.7.6.17)."""
    dataset.ImageType = list(described.image_type)
    dataset.InstanceNumber, dataset.AcquisitionNumber, dataset.NumberOfFrames = 1, 1, described.frames
    dataset.Rows, dataset.Columns = technique.rows, technique.columns
    add_pixel_format(dataset, described.stored)
    dataset.PixelPresentation, dataset.VolumetricProperties = "MONOCHROME", "VOLUME"
    dataset.VolumeBasedCalculationTechnique, dataset.ComplexImageComponent = "NONE", described.component
    dataset.AcquisitionContrast, dataset.ContentQualification = described.contrast, "RESEARCH"
    dataset.BurnedInAnnotation, dataset.LossyImageCompression, dataset.PresentationLUTShape = "NO", "00", "IDENTITY"
    dataset.AcquisitionDateTime = exam.patient.study_date + exam.patient.study_time
    dataset.AcquisitionDuration = 68.4
    dataset.MagneticFieldStrength = decimal(technique.field_tesla)
    dataset.ResonantNucleus, dataset.KSpaceFiltering = "1H", described.filtering
    dataset.MRAcquisitionType = technique.acquisition_type
    dataset.ApplicableSafetyStandardAgency = "IEC"
    dataset.PulseSequenceName = described.sequence_name
    dataset.EchoPulseSequence = "SPIN" if technique.is_spin_echo else "GRADIENT"
    dataset.MultipleSpinEcho, dataset.MultiPlanarExcitation, dataset.PhaseContrast = "NO", "NO", "NO"
    dataset.TimeOfFlightContrast, dataset.ArterialSpinLabelingContrast = "NO", "NONE"
    dataset.Spoiling = "NONE" if technique.is_spin_echo else "RF"
    dataset.SteadyStatePulseSequence, dataset.EchoPlanarPulseSequence = "NONE", "NO"
    dataset.SaturationRecovery, dataset.SpectrallySelectedSuppression = "NO", "NONE"
    dataset.OversamplingPhase, dataset.GeometryOfKSpaceTraversal = "NONE", "RECTILINEAR"
    dataset.SegmentedKSpaceTraversal, dataset.RectilinearPhaseEncodeReordering = "SINGLE", "LINEAR"
    dataset.NumberOfKSpaceTrajectories = 1
    dataset.AcquisitionContextSequence = []
    _add_dimensions(dataset, exam, described.dimensions)


def _add_dimensions(dataset: Dataset, exam: Exam, dimensions: Iterable[tuple[str, str]]) -> None:
    uid = exam.uid("dimension organization")
    dataset.DimensionOrganizationSequence = one(DimensionOrganizationUID=uid)
    dataset.DimensionIndexSequence = [_dimension(uid, Tag(keyword), Tag(group)) for keyword, group in dimensions]


def _dimension(uid: str, pointer: BaseTag, group: BaseTag) -> Dataset:
    item = one(DimensionOrganizationUID=uid, DimensionIndexPointer=pointer, FunctionalGroupPointer=group)[0]
    if pointer.is_private:
        item.DimensionIndexPrivateCreator = PHILIPS_IMAGE
    if group.is_private:
        item.FunctionalGroupPrivateCreator = PHILIPS_FRAME
    return item


def shared_groups(technique: Technique) -> Dataset:
    """What all frames share: timing, geometry of the scan, coils, anatomy."""
    shared = Dataset()
    spin, train = technique.is_spin_echo, technique.echo_train_length
    shared.MRTimingAndRelatedParametersSequence = one(
        RepetitionTime=decimal(technique.repetition_time_ms),
        FlipAngle=decimal(technique.flip_angle_degrees),
        EchoTrainLength=train,
        RFEchoTrainLength=train if spin else 0,
        GradientEchoTrainLength=0 if spin else train,
    )
    shared.MRFOVGeometrySequence = one(
        MRAcquisitionFrequencyEncodingSteps=technique.columns,
        MRAcquisitionPhaseEncodingStepsInPlane=technique.rows,
        PercentSampling="100",
        PercentPhaseFieldOfView="100",
    )
    if technique.phase_encoding is not None:
        words = COLUMN_WORDS[technique.phase_encoding]
        shared.MRFOVGeometrySequence[0].InPlanePhaseEncodingDirection = words
    shared.MRImagingModifierSequence = one(
        MagnetizationTransfer="NONE",
        BloodSignalNulling="NO",
        Tagging="NONE",
        TransmitterFrequency=technique.imaging_frequency_mhz,
        PixelBandwidth="890",
    )
    shared.MRModifierSequence = one(
        InversionRecovery="NO", FlowCompensation="NONE", Spoiling="NONE" if spin else "RF", T2Preparation="NO",
        SpectrallySelectedExcitation="NONE", SpatialPresaturation="NONE", PartialFourier="NO", ParallelAcquisition="NO",
    )  # fmt: skip
    if technique.inversion_time_ms is not None:
        modifier = shared.MRModifierSequence[0]
        modifier.InversionRecovery, modifier.InversionTimes = "YES", [technique.inversion_time_ms]
    shared.MRAveragesSequence = one(NumberOfAverages="1")
    shared.MRReceiveCoilSequence = one(
        ReceiveCoilName="MULTI COIL",
        ReceiveCoilManufacturerName="",
        ReceiveCoilType="MULTICOIL",
        QuadratureReceiveCoil="NO",
    )
    shared.MRTransmitCoilSequence = one(TransmitCoilName="B", TransmitCoilManufacturerName="", TransmitCoilType="BODY")
    region = one(CodeValue="68367000", CodingSchemeDesignator="SCT", CodeMeaning="Thigh")
    shared.FrameAnatomySequence = one(AnatomicRegionSequence=region, FrameLaterality="B")
    return shared


def frame_groups(exam: Exam, technique: Technique, frame: FrameDescription) -> Dataset:
    """What one frame has of its own: kind, echo time, position, rescale."""
    groups = Dataset()
    moment = exam.patient.study_date + exam.patient.study_time
    groups.FrameContentSequence = one(
        StackID=frame.stack,
        InStackPositionNumber=frame.in_stack,
        TemporalPositionIndex=1,
        DimensionIndexValues=list(frame.index_values),
        FrameAcquisitionNumber=1,
        FrameAcquisitionDateTime=moment,
        FrameReferenceDateTime=moment,
        FrameAcquisitionDuration=68400.0,
    )
    groups.MRImageFrameTypeSequence = one(
        FrameType=list(frame.frame_type),
        PixelPresentation="MONOCHROME",
        VolumetricProperties="VOLUME",
        VolumeBasedCalculationTechnique="NONE",
        ComplexImageComponent=frame.component,
        AcquisitionContrast=frame.contrast,
    )
    groups.MREchoSequence = one(EffectiveEchoTime=frame.echo_time_ms)
    groups.PlanePositionSequence = one(ImagePositionPatient=[decimal(v) for v in frame.position_mm])
    groups.PlaneOrientationSequence = one(ImageOrientationPatient=list(frame.orientation))
    groups.PixelMeasuresSequence = one(
        PixelSpacing=[decimal(technique.spacing_mm[1]), decimal(technique.spacing_mm[0])],
        SliceThickness=decimal(technique.slice_thickness_mm),
        SpacingBetweenSlices=decimal(technique.spacing_mm[2]),
    )
    slope, intercept, kind = frame.rescale
    groups.PixelValueTransformationSequence = one(RescaleIntercept=intercept, RescaleSlope=slope, RescaleType=kind)
    groups.FrameVOILUTSequence = one(WindowCenter="700", WindowWidth="1400")
    return groups
