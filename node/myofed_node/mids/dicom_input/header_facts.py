"""What one frame's header says: its acquisition, its plane, its mapping, and how much there should be."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pydicom import Dataset

from myofed_node.mids.dicom_input.elements import element_value, items_of, private_value
from myofed_node.mids.dicom_input.frames import (
    Acquisition,
    FileIndex,
    Frame,
    Plane,
    RealWorldValue,
    Stated,
    ValueMapping,
)
from myofed_node.mids.dicom_input.header_view import View
from myofed_node.mids.refusal import SeriesRefusedError

PHILIPS_PRIVATE = "PHILIPS MR IMAGING DD 001"
PHILIPS_SLICES = (0x2001, "PHILIPS IMAGING DD 001", 0x18)
PHILIPS_FRAME_SEQUENCE = ("PHILIPS MR IMAGING DD 005", 0x0F)
GE_COMPONENT = (0x0043, "GEMS_PARM_01", 0x2F)
GE_IMAGES_IN_SERIES = (0x0025, "GEMS_SERS_01", 0x07)

Point = tuple[float, float, float]


def acquisition_of(view: View) -> Acquisition:
    """Facts of the acquisition as this frame tells them.

    Raises:
        SeriesRefusedError: HEADER_INVALID.
    """
    return Acquisition(
        manufacturer=view.text("Manufacturer"),
        model=view.text("ManufacturerModelName"),
        scanning_sequence=view.words("ScanningSequence"),
        sequence_variant=view.words("SequenceVariant"),
        scan_options=view.words("ScanOptions"),
        acquisition_type=view.word("MRAcquisitionType"),
        echo_pulse_sequence=view.word("EchoPulseSequence"),
        echo_planar=view.word("EchoPlanarPulseSequence"),
        inversion_recovery=view.word("InversionRecovery"),
        spectral_selection=view.word("SpectrallySelectedExcitation"),
        spectral_suppression=view.word("SpectrallySelectedSuppression"),
        acquisition_contrast=view.word("AcquisitionContrast"),
        sequence_name=view.text("SequenceName") or view.text("PulseSequenceName"),
        multiple_spin_echo=view.word("MultipleSpinEcho"),
        repetition_time_ms=view.number("RepetitionTime"),
        flip_angle_degrees=view.number("FlipAngle"),
        inversion_time_ms=view.number("InversionTime") or view.number("InversionTimes"),
        echo_train_length=view.whole("EchoTrainLength"),
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


def _region(view: View) -> str:
    items = view.get("AnatomicRegionSequence")
    item = items[0] if isinstance(items, Sequence) and len(items) else None
    return str(element_value(item, "CodeValue") or "").upper() if isinstance(item, Dataset) else ""


def frame_of(view: View, file: FileIndex, index: int, *, position_lps: Point) -> Frame:
    """The frame's record.

    Raises:
        SeriesRefusedError: HEADER_INVALID, GEOMETRY_MISSING.
    """
    component = private_value(view.root, *GE_COMPONENT)
    return Frame(
        file=file,
        index=index,
        image_type=view.words("FrameType") or view.words("ImageType"),
        component=view.word("ComplexImageComponent"),
        raw_data_type=component if isinstance(component, int) else None,
        echo_time_ms=_echo_time(view),
        b_value=view.number("DiffusionBValue"),
        plane=_plane(view, position_lps),
        mapping=_mapping(view),
        stack_id=view.text("StackID"),
        stack_position=view.whole("InStackPositionNumber"),
    )


def _echo_time(view: View) -> float | None:
    """EffectiveEchoTime in Enhanced objects; in classic ones it may be an echo spacing (United Imaging), and EchoTime counts.

    0 or less, as computed images may have it, tells no echo time.
    """
    effective = view.number("EffectiveEchoTime") if view.groups else None
    found = view.number("EchoTime") if effective is None else effective
    return found if found is not None and found > 0 else None


def position_of(view: View) -> Point:
    """ImagePositionPatient.

    Raises:
        SeriesRefusedError: HEADER_INVALID, GEOMETRY_MISSING.
    """
    position = view.numbers("ImagePositionPatient")
    if len(position) != 3:
        raise _geometry_missing()
    return position


def _geometry_missing() -> SeriesRefusedError:
    return SeriesRefusedError(
        "GEOMETRY_MISSING", "ImagePositionPatient, ImageOrientationPatient or PixelSpacing=absent"
    )


def _plane(view: View, position_lps: Point) -> Plane:
    orientation, spacing = view.numbers("ImageOrientationPatient"), view.numbers("PixelSpacing")
    rows, columns = view.whole("Rows"), view.whole("Columns")
    if len(orientation) != 6 or len(spacing) != 2 or not rows or not columns:
        raise _geometry_missing()
    return Plane(
        position_lps=position_lps,
        orientation_lps=orientation,
        pixel_spacing_mm=spacing,
        shape=(rows, columns),
        slice_thickness_mm=view.number("SliceThickness"),
    )


def _mapping(view: View) -> ValueMapping:
    slope, intercept = view.number("RescaleSlope"), view.number("RescaleIntercept")
    return ValueMapping(
        slope=1.0 if slope is None else slope,
        intercept=0.0 if intercept is None else intercept,
        rescale_type=view.word("RescaleType"),
        philips_scale_slope=_philips_scale_slope(view),
        real_world=_real_world(view),
        bits_stored=view.whole("BitsStored") or 0,
        signed=view.number("PixelRepresentation") == 1,
    )


def _real_world(view: View) -> RealWorldValue | None:
    """The one linear mapping with a unit of UCUM; several are several meanings, and none is chosen."""
    found = {mapping for item in view.items("RealWorldValueMappingSequence") for mapping in _linear(item)}
    return found.pop() if len(found) == 1 else None


def _linear(item: Dataset) -> Iterator[RealWorldValue]:
    slope, intercept = (element_value(item, f"RealWorldValue{name}") for name in ("Slope", "Intercept"))
    for unit in items_of(item, "MeasurementUnitsCodeSequence"):
        code = str(element_value(unit, "CodeValue") or "")
        ucum = str(element_value(unit, "CodingSchemeDesignator") or "").upper() == "UCUM"
        if ucum and isinstance(slope, int | float) and isinstance(intercept, int | float):
            yield RealWorldValue(float(slope), float(intercept), code)


def _philips_scale_slope(view: View) -> float | None:
    """(2005,xx0E) of the frame: in Philips' own per-frame sequence where Enhanced, at top level where classic."""
    if view.frame is not None:
        nested = private_value(view.frame, 0x2005, *PHILIPS_FRAME_SEQUENCE)
        if isinstance(nested, Dataset):
            return _positive(private_value(nested, 0x2005, PHILIPS_PRIVATE, 0x0E))
    return _positive(private_value(view.root, 0x2005, PHILIPS_PRIVATE, 0x0E))


def _positive(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and value > 0 else None


def stated_of(view: View, *, described: int) -> Stated:
    """How much there should be, by the first frame of a file.

    Args:
        view: Of the file's first frame.
        described: Number of frames that its functional groups describe; 1 in a classic object.
    """
    total = view.whole("InConcatenationTotalNumber")
    return Stated(
        frames=view.whole("NumberOfFrames"),
        frames_described=described,
        images_in_acquisition=view.whole("ImagesInAcquisition"),
        images_in_series=_count(private_value(view.root, *GE_IMAGES_IN_SERIES)),
        slices=_count(private_value(view.root, *PHILIPS_SLICES)),
        concatenation=view.text("ConcatenationUID"),
        concatenation_parts=view.whole("InConcatenationNumber") if total is None else total,
    )


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and value > 0 else None
