"""Reading DICOM headers, classic and Enhanced multi-frame, into frames and facts (PS3.3 A.4, A.36, C.7.6.16)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields

from pydicom import Dataset
from pydicom.multival import MultiValue

from myofed_node.mids.elements import element_value, items_of, private_value
from myofed_node.mids.frames import Acquisition, FileIndex, Frame, Plane, Series, ValueMapping
from myofed_node.mids.refusal import SeriesRefusedError

MACRO_OF = {
    "RepetitionTime": "MRTimingAndRelatedParametersSequence",
    "FlipAngle": "MRTimingAndRelatedParametersSequence",
    "EchoTrainLength": "MRTimingAndRelatedParametersSequence",
    "EffectiveEchoTime": "MREchoSequence",
    "InversionRecovery": "MRModifierSequence",
    "InversionTimes": "MRModifierSequence",
    "SpectrallySelectedExcitation": "MRModifierSequence",
    "ParallelReductionFactorInPlane": "MRModifierSequence",
    "ParallelAcquisitionTechnique": "MRModifierSequence",
    "PixelBandwidth": "MRImagingModifierSequence",
    "TransmitterFrequency": "MRImagingModifierSequence",
    "InPlanePhaseEncodingDirection": "MRFOVGeometrySequence",
    "FrameType": "MRImageFrameTypeSequence",
    "ComplexImageComponent": "MRImageFrameTypeSequence",
    "AcquisitionContrast": "MRImageFrameTypeSequence",
    "ImagePositionPatient": "PlanePositionSequence",
    "ImageOrientationPatient": "PlaneOrientationSequence",
    "PixelSpacing": "PixelMeasuresSequence",
    "SliceThickness": "PixelMeasuresSequence",
    "SpacingBetweenSlices": "PixelMeasuresSequence",
    "RescaleSlope": "PixelValueTransformationSequence",
    "RescaleIntercept": "PixelValueTransformationSequence",
    "RescaleType": "PixelValueTransformationSequence",
    "DiffusionBValue": "MRDiffusionSequence",
    "AnatomicRegionSequence": "FrameAnatomySequence",
}
"""Functional group that holds the element in Enhanced MR (PS3.3 A.36.2); no private copy is ever read in its place."""
IDENTITY = ("PatientID", "StudyInstanceUID", "SeriesInstanceUID")
PHILIPS_PRIVATE = "PHILIPS MR IMAGING DD 001"
PHILIPS_FRAME_SEQUENCE = ("PHILIPS MR IMAGING DD 005", 0x0F)
GE_PRIVATE = "GEMS_PARM_01"


@dataclass(frozen=True)
class _View:
    """One frame's way to an element: per-frame group, shared group, top level."""

    levels: tuple[Dataset, ...]
    root: Dataset

    def get(self, keyword: str) -> object:
        macro = MACRO_OF.get(keyword, "")
        for level in self.levels if macro else ():
            for item in items_of(level, macro)[:1]:
                if keyword in item:
                    return element_value(item, keyword)
        return element_value(self.root, keyword)

    def words(self, keyword: str) -> tuple[str, ...]:
        value = self.get(keyword)
        values = value if isinstance(value, MultiValue | list | tuple) else [value]
        return tuple(str(v).strip().upper() for v in values if v not in (None, ""))

    def word(self, keyword: str) -> str:
        return next(iter(self.words(keyword)), "")

    def numbers(self, keyword: str) -> tuple[float, ...]:
        value = self.get(keyword)
        values = value if isinstance(value, MultiValue | list | tuple) else [value]
        try:
            return tuple(float(str(v)) for v in values if v not in (None, ""))
        except (TypeError, ValueError):
            raise SeriesRefusedError("HEADER_INVALID", f"{keyword}=not a number") from None

    def number(self, keyword: str) -> float | None:
        return next(iter(self.numbers(keyword)), None)


def read_series(datasets: Sequence[Dataset]) -> Series:
    """The series that these files form; order of the files does not matter for what follows.

    Args:
        datasets: Headers of all files of one SeriesInstanceUID, pixel data not needed; the position in the list is
            the frame's `file`.

    Raises:
        SeriesRefusedError: HEADER_INVALID, GEOMETRY_MISSING, SEVERAL_SUBJECTS.
    """
    identities = {tuple(str(element_value(d, keyword) or "") for keyword in IDENTITY) for d in datasets}
    if len(identities) > 1:
        raise SeriesRefusedError("SEVERAL_SUBJECTS", "PatientID or StudyInstanceUID=differs within the series")
    subject, study_uid, uid = identities.pop()
    facts = [_acquisition(next(_views(dataset))) for dataset in datasets]
    return Series(
        uid=uid,
        study_uid=study_uid,
        subject=subject,
        number=int(_View((), datasets[0]).number("SeriesNumber") or 0),
        acquisition=facts[0],
        varying=tuple(
            field.name for field in fields(Acquisition) if len({getattr(fact, field.name) for fact in facts}) > 1
        ),
        frames=tuple(
            _frame(view, FileIndex(file), index)
            for file, dataset in enumerate(datasets)
            for index, view in enumerate(_views(dataset))
        ),
    )


def _views(dataset: Dataset) -> Iterator[_View]:
    shared = items_of(dataset, "SharedFunctionalGroupsSequence")[:1]
    per_frame = items_of(dataset, "PerFrameFunctionalGroupsSequence")
    if not per_frame:
        yield _View(shared, dataset)
    for groups in per_frame:
        yield _View((groups, *shared), dataset)


def _acquisition(view: _View) -> Acquisition:
    train = view.number("EchoTrainLength")
    return Acquisition(
        manufacturer=str(view.get("Manufacturer") or "").strip(),
        model=str(view.get("ManufacturerModelName") or "").strip(),
        scanning_sequence=view.words("ScanningSequence"),
        sequence_variant=view.words("SequenceVariant"),
        scan_options=view.words("ScanOptions"),
        acquisition_type=view.word("MRAcquisitionType"),
        echo_pulse_sequence=view.word("EchoPulseSequence"),
        echo_planar=view.word("EchoPlanarPulseSequence"),
        inversion_recovery=view.word("InversionRecovery"),
        spectral_selection=view.word("SpectrallySelectedExcitation"),
        acquisition_contrast=view.word("AcquisitionContrast"),
        repetition_time_ms=view.number("RepetitionTime"),
        flip_angle_degrees=view.number("FlipAngle"),
        inversion_time_ms=view.number("InversionTime") or view.number("InversionTimes"),
        echo_train_length=None if train is None else int(train),
        parallel_reduction_factor_in_plane=view.number("ParallelReductionFactorInPlane"),
        parallel_acquisition_technique=view.word("ParallelAcquisitionTechnique"),
        pixel_bandwidth_hz=view.number("PixelBandwidth"),
        imaging_frequency_mhz=view.number("ImagingFrequency") or view.number("TransmitterFrequency"),
        magnetic_field_strength_tesla=view.number("MagneticFieldStrength"),
        in_plane_phase_encoding_direction=view.word("InPlanePhaseEncodingDirection"),
        spacing_between_slices_mm=view.number("SpacingBetweenSlices"),
        body_part_examined=view.word("BodyPartExamined"),
        anatomic_region_code=_region(view),
    )


def _region(view: _View) -> str:
    items = view.get("AnatomicRegionSequence")
    item = items[0] if isinstance(items, Sequence) and len(items) else None
    return str(element_value(item, "CodeValue") or "").upper() if isinstance(item, Dataset) else ""


def _frame(view: _View, file: FileIndex, index: int) -> Frame:
    echo = view.number("EffectiveEchoTime")
    raw_type = private_value(view.root, 0x0043, GE_PRIVATE, 0x2F)
    return Frame(
        file=file,
        index=index,
        image_type=view.words("FrameType") or view.words("ImageType"),
        component=view.word("ComplexImageComponent"),
        raw_data_type=raw_type if isinstance(raw_type, int) else None,
        echo_time_ms=echo if echo is not None else view.number("EchoTime"),
        b_value=view.number("DiffusionBValue"),
        plane=_plane(view),
        mapping=_mapping(view),
    )


def _plane(view: _View) -> Plane:
    position, orientation = view.numbers("ImagePositionPatient"), view.numbers("ImageOrientationPatient")
    spacing, rows, columns = view.numbers("PixelSpacing"), view.number("Rows"), view.number("Columns")
    if (len(position), len(orientation), len(spacing)) != (3, 6, 2) or not rows or not columns:
        raise SeriesRefusedError(
            "GEOMETRY_MISSING", "ImagePositionPatient, ImageOrientationPatient or PixelSpacing=absent"
        )
    return Plane(
        position_lps=(position[0], position[1], position[2]),
        orientation_lps=(*orientation[:3], *orientation[3:]),  # type: ignore[arg-type]  # six, checked above
        pixel_spacing_mm=(spacing[0], spacing[1]),
        shape=(int(rows), int(columns)),
        slice_thickness_mm=view.number("SliceThickness"),
    )


def _mapping(view: _View) -> ValueMapping:
    slope, intercept = view.number("RescaleSlope"), view.number("RescaleIntercept")
    return ValueMapping(
        slope=1.0 if slope is None else slope,
        intercept=0.0 if intercept is None else intercept,
        rescale_type=view.word("RescaleType"),
        philips_scale_slope=_philips_scale_slope(view),
        unit=_unit(view),
        bits_stored=int(view.number("BitsStored") or 0),
        signed=view.number("PixelRepresentation") == 1,
    )


def _unit(view: _View) -> str:
    for level in (*view.levels, view.root):
        for item in items_of(level, "RealWorldValueMappingSequence"):
            for unit in items_of(item, "MeasurementUnitsCodeSequence"):
                return str(element_value(unit, "CodeValue") or "")
    return ""


def _philips_scale_slope(view: _View) -> float | None:
    """(2005,xx0E) of the frame: in Philips' own per-frame sequence where Enhanced, at top level where classic."""
    for level in view.levels[:1]:
        nested = private_value(level, 0x2005, *PHILIPS_FRAME_SEQUENCE)
        if isinstance(nested, Dataset):
            return _positive(private_value(nested, 0x2005, PHILIPS_PRIVATE, 0x0E))
    return _positive(private_value(view.root, 0x2005, PHILIPS_PRIVATE, 0x0E))


def _positive(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and value > 0 else None
