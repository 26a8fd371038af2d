"""DICOM made of converted images: MR Image Storage where 16 bits hold every voxel exactly, else Parametric Map Storage.

Nothing is invented: type 2 elements that the sidecar does not tell are empty, dates too. Modules by PS3.3 A.4 and A.75.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

import numpy as np
from pydicom import DataElement, Dataset
from pydicom.config import RAISE
from pydicom.datadict import dictionary_VR
from pydicom.dataset import FileMetaDataset
from pydicom.tag import Tag
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, ParametricMapStorage
from pydicom.valuerep import format_number_as_ds

from myofed_node.mids.back_to_dicom.dicom_source import EXPORT_FORMAT, DicomSource, read_source
from myofed_node.mids.back_to_dicom.dicom_values import StoredFrame, stored_frames
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode
from myofed_schemas.mids import Suffix, Unit

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from myofed_node.mids.image import Image

SEQUENCE_WORDS: Final = MappingProxyType({"GRADIENT": "GR", "SPIN": "SE"})
"""EchoPulseSequence of Enhanced objects (PS3.3 C.8.13.4) as the words of ScanningSequence (C.8.3.1)."""
SEQUENCE_OF_SUFFIX: Final = MappingProxyType({Suffix.MEGRE: "GR", Suffix.MESE: "SE"})
RESEARCH_MODE: Final = "RM"
"""The enumerated value of ScanningSequence that names no sequence; it stands where nothing tells one."""
INVERSION: Final = "IR"
"""Of ScanningSequence; without it InversionTime must not be there."""
UNPAIRED: Final = frozenset(
    [
        "ABDOMEN",
        "BRAIN",
        "CHEST",
        "CSPINE",
        "HEAD",
        "HEART",
        "JAW",
        "LSPINE",
        "NECK",
        "PELVIS",
        "SKULL",
        "SPINE",
        "SSPINE",
        "TONGUE",
        "TSPINE",
        "WHOLEBODY",
    ]
)
"""Body parts of which there is one (PS3.16 Annex L): Laterality must be absent, of all others at least empty."""
NOT_TOLD: Final = "UNKNOWN"
UCUM: Final[Mapping[Unit, tuple[str, str]]] = MappingProxyType(
    {
        "arbitrary": ("1", "no units"),
        "rad": ("rad", "radian"),
        "percent": ("%", "Percent"),
        "ms": ("ms", "millisecond"),
        "1/s": ("/s", "per second"),
        "Hz": ("Hz", "Hertz"),
    }
)
"""Code and meaning of each unit of the profile in UCUM."""
DUMMY_DATE, DUMMY_TIME = "19000101", "000000"
"""ContentDate and ContentTime of multi-frame objects must not be empty (PS3.3 C.7.6.16); these say nothing."""


def dicom_objects(image: Image) -> Iterator[Dataset]:
    """The DICOM series of a converted image, with file meta information, one object after the other.

    MR Image Storage: one object a slice and echo, echo by echo, slices in order of the third axis. Parametric Map Storage: one
    object an echo. The same image and sidecar give the same objects with the same UIDs.

    Raises:
        MyofedError: As `read_source`; EXPORT_HEADER, a value of the sidecar that DICOM does not allow.
    """
    return objects_of(read_source(image))


def objects_of(source: DicomSource) -> Iterator[Dataset]:
    """As `dicom_objects`, of an image that was read."""
    frames = source.frames()
    stored = stored_frames(frames)
    if stored is not None:
        for number, frame in enumerate(stored, start=1):
            yield _mr_image(source, frame, number=number)
        return
    slices = source.values.shape[2]
    for echo in range(source.values.shape[3]):
        yield _parametric_map(source, frames[echo * slices : (echo + 1) * slices], echo=echo)


def _mr_image(source: DicomSource, frame: StoredFrame, *, number: int) -> Dataset:
    echo, k = divmod(number - 1, source.values.shape[2])
    dataset = _common(source, MRImageStorage, number=number)
    _add_acquisition(dataset, source, echo=echo)
    _add_plane(dataset, source, k=k)
    _add_pixels(dataset, frame)
    if source.sidecar.units != "arbitrary":
        dataset.RealWorldValueMappingSequence = [_mapping(source, frame)]
    return dataset


def _common(source: DicomSource, sop_class: str, *, number: int) -> Dataset:
    """Patient, study, series, frame of reference, equipment, derivation and SOP common."""
    name, sidecar = source.image.name, source.sidecar
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.SOPClassUID, dataset.SOPInstanceUID = sop_class, source.instance_uid(number)
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.PatientName = dataset.PatientID = name.subject
    dataset.PatientBirthDate = dataset.PatientSex = ""
    dataset.PatientIdentityRemoved, dataset.LongitudinalTemporalInformationModified = "YES", "REMOVED"
    dataset.DeidentificationMethod = f"myofed, policy {sidecar.provenance.policy_digest[:32]}"
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = source.study_uid, source.series_uid
    dataset.StudyDate = dataset.StudyTime = dataset.AccessionNumber = dataset.StudyID = ""
    dataset.ReferringPhysicianName = ""
    dataset.Modality, dataset.SeriesNumber = "MR", name.run
    dataset.SeriesDescription = name.stem.removeprefix(f"sub-{name.subject}_ses-{name.session}_")
    dataset.PatientPosition = ""
    if (sidecar.body_part_examined or "") not in UNPAIRED:
        dataset.Laterality = ""
    dataset.FrameOfReferenceUID, dataset.PositionReferenceIndicator = source.frame_of_reference_uid, ""
    dataset.InstanceNumber = number
    dataset.DerivationDescription = (
        f"{EXPORT_FORMAT}: ORMIR-MIDS {sidecar.profile}, values {sidecar.provenance.value_scaling}, {sidecar.units}; "
        f"image SHA-256 {sidecar.provenance.image_digest}, source SHA-256 {sidecar.provenance.source_digest}"
    )
    _add(dataset, "Manufacturer", sidecar.manufacturer or "")
    _add(dataset, "BodyPartExamined", sidecar.body_part_examined)
    return dataset


def _add_acquisition(dataset: Dataset, source: DicomSource, *, echo: int) -> None:
    """MR Image module (PS3.3 C.8.3.1)."""
    sidecar = source.sidecar
    _add(dataset, "ManufacturerModelName", sidecar.model)
    _add(dataset, "ImageType", _image_type(source))
    _add(dataset, "ScanningSequence", _scanning_sequence(source))
    _add(dataset, "SequenceVariant", _words(sidecar.sequence_variant) or [NOT_TOLD])
    _add(dataset, "ScanOptions", _words(sidecar.scan_options) or "")
    _add(dataset, "MRAcquisitionType", sidecar.acquisition_type or "")
    _add_number(dataset, "RepetitionTime", sidecar.repetition_time_ms)
    _add_number(dataset, "EchoTime", source.echo_times_ms[echo])
    dataset.EchoTrainLength = None
    if sidecar.inversion_time_ms is not None:
        _add_number(dataset, "InversionTime", sidecar.inversion_time_ms)
    optional = {
        "FlipAngle": sidecar.flip_angle_degrees,
        "PixelBandwidth": sidecar.pixel_bandwidth_hz,
        "ImagingFrequency": sidecar.imaging_frequency_mhz,
        "MagneticFieldStrength": sidecar.magnetic_field_strength_tesla,
    }
    for keyword, value in optional.items():
        if value is not None:
            _add_number(dataset, keyword, value)
    if source.values.shape[3] > 1:
        dataset.EchoNumbers = echo + 1
    if sidecar.phase_encoding_direction is not None:
        dataset.InPlanePhaseEncodingDirection = {"i": "ROW", "j": "COL"}[sidecar.phase_encoding_direction]


def _image_type(source: DicomSource) -> list[str]:
    """As the sidecar says; values that are not the stored ones make it DERIVED (PS3.3 C.7.6.1.1.2)."""
    words = _words(source.sidecar.image_type)
    if len(words) < 3:
        return ["DERIVED", "PRIMARY", "OTHER"]
    return words if source.sidecar.provenance.value_scaling == "stored" else ["DERIVED", *words[1:]]


def _scanning_sequence(source: DicomSource) -> list[str]:
    told = [SEQUENCE_WORDS.get(word, word) for word in _words(source.sidecar.scanning_sequence)]
    words = told or [SEQUENCE_OF_SUFFIX.get(source.image.suffix, RESEARCH_MODE)]
    inverted = source.sidecar.inversion_time_ms is not None and INVERSION not in words
    return [*words, INVERSION] if inverted else words


def _words(text: str | None) -> list[str]:
    return text.split("/") if text else []


def _add_plane(dataset: Dataset, source: DicomSource, *, k: int) -> None:
    """Image Plane module (PS3.3 C.7.6.2)."""
    between_columns, between_rows, between_slices = source.spacing_mm
    dataset.PixelSpacing = [format_number_as_ds(between_rows), format_number_as_ds(between_columns)]
    dataset.ImageOrientationPatient = [format_number_as_ds(value) for value in source.orientation_lps]
    dataset.ImagePositionPatient = [format_number_as_ds(value) for value in source.position_lps(k)]
    dataset.SpacingBetweenSlices = format_number_as_ds(between_slices)
    _add_number(dataset, "SliceThickness", source.sidecar.slice_thickness_mm)


def _add_pixels(dataset: Dataset, frame: StoredFrame) -> None:
    """Image Pixel module (PS3.3 C.7.6.3), and the factor that gives the voxels."""
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.Rows, dataset.Columns = frame.pixels.shape
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 16, 15
    dataset.PixelRepresentation = int(frame.pixels.dtype.kind == "i")
    dataset.PixelData = frame.pixels.astype(frame.pixels.dtype.newbyteorder("<")).tobytes()
    if frame.slope is not None:
        dataset.RescaleSlope, dataset.RescaleIntercept, dataset.RescaleType = frame.slope, "0", "US"


def _mapping(source: DicomSource, frame: StoredFrame | None) -> Dataset:
    """Real World Value Mapping item (PS3.3 C.7.6.16.2.11): the unit, and the factor as stored pixels have it."""
    item = Dataset()
    item.LUTExplanation, item.LUTLabel = f"{source.image.suffix}, {source.sidecar.units}", "VALUES"
    item.RealWorldValueIntercept, item.RealWorldValueSlope = 0.0, 1.0
    if frame is None:
        item.DoubleFloatRealWorldValueFirstValueMapped = float(source.values.min())
        item.DoubleFloatRealWorldValueLastValueMapped = float(source.values.max())
    else:
        item.RealWorldValueSlope = float(frame.slope or "1")
        vr = "SS" if frame.pixels.dtype.kind == "i" else "US"
        item.add_new("RealWorldValueFirstValueMapped", vr, int(frame.pixels.min()))
        item.add_new("RealWorldValueLastValueMapped", vr, int(frame.pixels.max()))
    item.MeasurementUnitsCodeSequence = [_code(*UCUM[source.sidecar.units], scheme="UCUM")]
    return item


def _code(value: str, meaning: str, *, scheme: str) -> Dataset:
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = value, scheme, meaning
    return code


def _parametric_map(source: DicomSource, frames: list[NDArray[np.generic]], *, echo: int) -> Dataset:
    """One echo as 32-bit floating point values (PS3.3 A.75); EchoTime and its kin stand at top level, as in MR images."""
    dataset = _common(source, ParametricMapStorage, number=echo + 1)
    _add_acquisition(dataset, source, echo=echo)
    dataset.ImageType = ["DERIVED", "PRIMARY", "VOLUME", "QUANTITY"]
    dataset.Manufacturer, dataset.ManufacturerModelName = "myofed", "export-dicom"
    dataset.DeviceSerialNumber, dataset.SoftwareVersions = NOT_TOLD, EXPORT_FORMAT
    dataset.ContentDate, dataset.ContentTime = DUMMY_DATE, DUMMY_TIME
    dataset.ContentLabel, dataset.ContentDescription, dataset.ContentCreatorName = "VALUES", "", ""
    dataset.ContentQualification, dataset.PixelPresentation = "RESEARCH", "MONOCHROME"
    dataset.BurnedInAnnotation, dataset.RecognizableVisualFeatures = "NO", "YES"
    dataset.LossyImageCompression, dataset.PresentationLUTShape = "00", "IDENTITY"
    dataset.AcquisitionContextSequence = []
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation, dataset.BitsAllocated = 1, "MONOCHROME2", 32
    dataset.Rows, dataset.Columns = frames[0].shape
    dataset.NumberOfFrames = len(frames)
    dataset.FloatPixelData = np.stack(frames).astype("<f4").tobytes()
    _add_dimensions(dataset, source, echo=echo)
    dataset.SharedFunctionalGroupsSequence = [_shared_groups(source)]
    dataset.PerFrameFunctionalGroupsSequence = [_frame_groups(source, k) for k in range(len(frames))]
    return dataset


def _add_dimensions(dataset: Dataset, source: DicomSource, *, echo: int) -> None:
    """Frames are told apart by their position in the stack (PS3.3 C.7.6.17)."""
    organization, index = Dataset(), Dataset()
    organization.DimensionOrganizationUID = source.instance_uid(-1 - echo)
    index.DimensionOrganizationUID = organization.DimensionOrganizationUID
    index.DimensionIndexPointer = 0x0020_9057
    index.FunctionalGroupPointer = 0x0020_9111
    dataset.DimensionOrganizationSequence, dataset.DimensionIndexSequence = [organization], [index]


def _shared_groups(source: DicomSource) -> Dataset:
    groups, frame_type = Dataset(), Dataset()
    plane = Dataset()
    _add_plane(plane, source, k=0)
    measures, orientation, identity = Dataset(), Dataset(), Dataset()
    measures.PixelSpacing, measures.SpacingBetweenSlices = plane.PixelSpacing, plane.SpacingBetweenSlices
    measures.SliceThickness = plane.SliceThickness or plane.SpacingBetweenSlices
    orientation.ImageOrientationPatient = plane.ImageOrientationPatient
    identity.RescaleIntercept, identity.RescaleSlope, identity.RescaleType = "0", "1", "US"
    frame_type.FrameType = ["DERIVED", "PRIMARY", "VOLUME", "QUANTITY"]
    groups.PixelMeasuresSequence, groups.PlaneOrientationSequence = [measures], [orientation]
    groups.PixelValueTransformationSequence = [identity]
    groups.RealWorldValueMappingSequence = [_mapping(source, None)]
    groups.ParametricMapFrameTypeSequence = [frame_type]
    return groups


def _frame_groups(source: DicomSource, k: int) -> Dataset:
    groups, content, plane = Dataset(), Dataset(), Dataset()
    content.StackID, content.InStackPositionNumber, content.DimensionIndexValues = "1", k + 1, [k + 1]
    plane.ImagePositionPatient = [format_number_as_ds(value) for value in source.position_lps(k)]
    groups.FrameContentSequence, groups.PlanePositionSequence = [content], [plane]
    return groups


def _add_number(dataset: Dataset, keyword: str, value: float | None) -> None:
    """A decimal string, empty where there is no value (type 2)."""
    _add(dataset, keyword, "" if value is None else format_number_as_ds(value))


def _add(dataset: Dataset, keyword: str, value: str | list[str] | None) -> None:
    """The element, where there is a value; what DICOM does not allow is refused."""
    if value is None:
        return
    tag = Tag(keyword)
    try:
        dataset.add(DataElement(tag, dictionary_VR(tag), value, validation_mode=RAISE))
    except ValueError:
        raise MyofedError(
            "EXPORT_HEADER",
            f"expected a sidecar whose {keyword} DICOM allows, found another",
            hint="was the sidecar changed by hand? convert the series again",
            exit_code=ExitCode.BAD_INPUT,
        ) from None
