"""Headers in the words of each vendor, as public data sets have them, with the outcome each must have."""

from __future__ import annotations

from mids_factories import Kind
from pydicom import Dataset

from myofed_node.mids.dicom_input.headers import read_series
from myofed_node.mids.judging.classify import classify
from myofed_node.mids.refusal import SeriesRefusedError
from myofed_schemas.mids import Part

ONE, TWO, TRAIN = (4.6,), (2.3, 4.6), tuple(8.0 * n for n in range(1, 18))
SIEMENS, XA, PHILIPS = "SIEMENS", "Siemens Healthineers", "Philips Medical Systems"
GE, CANON, UIH = "GE MEDICAL SYSTEMS", "CANON_MEC", "UIH"
T1_TSE = {"ScanningSequence": "SE", "RepetitionTime": "600"}
STIR = {"ScanningSequence": ["SE", "IR"], "RepetitionTime": "4000", "InversionTime": "220"}
DESS = {"SequenceName": "*de3d1", "SequenceVariant": ["SS", "SP"], "MRAcquisitionType": "3D"}
PD_T2 = {"ScanningSequence": "SE", "EchoTrainLength": "10"}

ClassicRow = tuple[str, tuple[str, ...], tuple[float, ...], dict[str, object], str]
"""Manufacturer, ImageType, echo times in ms, further elements, and what must become of it."""
CLASSIC: list[ClassicRow] = [
    (SIEMENS, ("ORIGINAL", "PRIMARY", "M", "ND"), TWO, {}, "MEGRE"),
    (SIEMENS, ("ORIGINAL", "PRIMARY", "P", "ND"), TWO, {}, "part-phase MEGRE"),
    (SIEMENS, ("ORIGINAL", "PRIMARY", "R", "ND"), TWO, {}, "part-real MEGRE"),
    (SIEMENS, ("ORIGINAL", "PRIMARY", "I", "ND"), TWO, {}, "part-imag MEGRE"),
    (SIEMENS, ("ORIGINAL", "PRIMARY", "M", "ND"), TRAIN, {"ScanningSequence": "SE"}, "MESE"),
    (SIEMENS, ("ORIGINAL", "PRIMARY", "M", "NORM", "DIS2D"), ONE, T1_TSE, "T1w"),
    (SIEMENS, ("ORIGINAL", "PRIMARY", "M", "ND"), ONE, T1_TSE | {"ScanOptions": "FS"}, "T1w-FS"),
    (SIEMENS, ("ORIGINAL", "PRIMARY", "M", "ND"), ONE, T1_TSE | {"ScanOptions": "WE"}, "T1w-FS"),
    (SIEMENS, ("ORIGINAL", "PRIMARY", "M", "ND"), (40.0,), STIR, "T2w-FS"),
    (SIEMENS, ("ORIGINAL", "PRIMARY", "M", "ND"), ONE, DESS, "DESS"),
    (SIEMENS, ("ORIGINAL", "PRIMARY", "M", "ND"), TWO, DESS, "DESS_ECHOES_TOGETHER"),
    (SIEMENS, ("ORIGINAL", "PRIMARY", "M", "ND"), (11.0, 92.0), PD_T2, "DUAL_ECHO_SPIN_ECHO"),
    (SIEMENS, ("ORIGINAL", "PRIMARY", "M", "ND"), TRAIN, PD_T2 | {"EchoTrainLength": "34"}, "TURBO_SPIN_ECHO"),
    (SIEMENS, ("DERIVED", "PRIMARY", "DIXON", "WATER"), ONE, {}, "WAT"),
    (SIEMENS, ("DERIVED", "PRIMARY", "M", "ND", "FAT"), ONE, {}, "FAT"),
    (SIEMENS, ("ORIGINAL", "PRIMARY", "M", "IN_PHASE"), ONE, {}, "INPH"),
    (SIEMENS, ("ORIGINAL", "PRIMARY", "M", "OPP_PHASE"), ONE, {}, "OUTPH"),
    (SIEMENS, ("DERIVED", "PRIMARY", "FAT_FRACTION"), ONE, {}, "FAT_FRACTION_UNIT_UNKNOWN"),
    (SIEMENS, ("DERIVED", "PRIMARY", "T2 MAP", "ND"), ONE, {}, "MAP_UNIT_UNKNOWN"),
    (SIEMENS, ("DERIVED", "PRIMARY", "T2 MAP", "ND"), ONE, {"RescaleType": "ms"}, "T2"),
    (SIEMENS, ("DERIVED", "PRIMARY", "R2_STAR MAP", "ND"), ONE, {"RescaleType": "1/s"}, "R2star"),
    (SIEMENS, ("DERIVED", "PRIMARY", "R2_STAR MAP", "ND"), ONE, {"RescaleType": "s"}, "MAP_UNIT_UNKNOWN"),
    (SIEMENS, ("DERIVED", "PRIMARY", "FLIP ANGLE MAP", "ND"), ONE, {"RescaleType": "deg"}, "MAP_UNIT_UNKNOWN"),
    (SIEMENS, ("ORIGINAL", "PRIMARY", "M", "ND", "MOSAIC"), TWO, {}, "TILED_IMAGE"),
    (SIEMENS, ("DERIVED", "PRIMARY", "DIFFUSION", "FA"), ONE, {}, "DIFFUSION"),
    (PHILIPS, ("ORIGINAL", "PRIMARY", "M_FFE", "M", "FFE"), TWO, {}, "MEGRE"),
    (PHILIPS, ("ORIGINAL", "PRIMARY", "PHASE MAP", "P", "FFE"), TWO, {}, "part-phase MEGRE"),
    (PHILIPS, ("ORIGINAL", "PRIMARY", "R_FFE", "R", "FFE"), TWO, {}, "part-real MEGRE"),
    (PHILIPS, ("ORIGINAL", "PRIMARY", "I_FFE", "I", "FFE"), TWO, {}, "part-imag MEGRE"),
    (PHILIPS, ("ORIGINAL", "PRIMARY", "M_SE", "M", "SE"), TRAIN, {"ScanningSequence": "SE"}, "MESE"),
    (PHILIPS, ("DERIVED", "PRIMARY", "W", "W", "DERIVED"), ONE, {}, "WAT"),
    (PHILIPS, ("DERIVED", "PRIMARY", "F", "F", "DERIVED"), ONE, {}, "FAT"),
    (PHILIPS, ("DERIVED", "PRIMARY", "IP", "IP", "DERIVED"), ONE, {}, "INPH"),
    (PHILIPS, ("DERIVED", "PRIMARY", "OP", "OP", "DERIVED"), ONE, {}, "OUTPH"),
    (PHILIPS, ("DERIVED", "PRIMARY", "FF", "FF", "DERIVED"), ONE, {"RescaleType": "%"}, "FF"),
    (PHILIPS, ("ORIGINAL", "PRIMARY", "B0 MAP", "B0", "UNSPECIFIED"), ONE, {"RescaleType": "Hz"}, "B0"),
    (PHILIPS, ("ORIGINAL", "PRIMARY", "B0 MAP", "B0", "UNSPECIFIED"), ONE, {"RescaleType": "ms"}, "MAP_UNIT_UNKNOWN"),
    (PHILIPS, ("ORIGINAL", "PRIMARY", "B1 MAP", "B1", "UNSPECIFIED"), ONE, {"RescaleType": "percent"}, "B1"),
    (PHILIPS, ("ORIGINAL", "PRIMARY", "T2 MAP", "T2", "UNSPECIFIED"), ONE, {"RescaleType": "ms"}, "T2"),
    (PHILIPS, ("ORIGINAL", "PRIMARY", "T2_STAR MAP", "T2_STAR"), ONE, {"RescaleType": "ms"}, "T2star"),
    (PHILIPS, ("ORIGINAL", "PRIMARY", "T1 MAP", "T1", "UNSPECIFIED"), ONE, {"RescaleType": "ms"}, "T1"),
    (GE, ("ORIGINAL", "PRIMARY", "OTHER"), TWO, {}, "assumed MEGRE"),
    (GE, ("ORIGINAL", "PRIMARY", "OTHER"), TRAIN, {"ScanningSequence": "SE"}, "assumed MESE"),
    (GE, ("ORIGINAL", "PRIMARY", "OTHER"), (3.2, 3.2), {}, "REPEATED_POSITIONS"),
    (GE, ("DERIVED", "PRIMARY", "DIXON", "FAT"), ONE, {}, "FAT"),
    (GE, ("DERIVED", "SECONDARY", "PROCESSED"), ONE, {}, "DERIVED_UNKNOWN"),
    (UIH, ("ORIGINAL", "PRIMARY", "M", "UCA", "IF"), TWO, {}, "MEGRE"),
    (UIH, ("ORIGINAL", "PRIMARY", "M", "UCA"), ONE, {"EffectiveEchoTime": 0.3} | T1_TSE, "T1w"),
    (UIH, ("ORIGINAL", "PRIMARY", "M", "VFRAME"), TWO, {}, "TILED_IMAGE"),
    (CANON, ("ORIGINAL", "PRIMARY", "GDC"), TWO, {}, "COMPONENT_UNKNOWN"),
    (CANON, ("ORIGINAL", "PRIMARY", "GDC"), TWO, {"ComplexImageComponent": "MAGNITUDE"}, "MEGRE"),
]


def outcome(*files: Dataset) -> str:
    """Names of the images without entities, or the code."""
    try:
        images = classify(read_series(files))
    except SeriesRefusedError as refusal:
        return refusal.code
    told = []
    for image in images:
        part = "" if image.part is Part.MAG else f"part-{image.part} "
        told.append(f"{part}{'assumed ' if image.part_assumed else ''}{image.suffix}")
    return ", ".join(told)


def classic_kind(row: ClassicRow, **kind: object) -> Kind:
    """The made-up series of one row."""
    manufacturer, image_type, echoes, extra, _ = row
    return Kind(image_type=image_type, echo_times_ms=echoes, extra={"Manufacturer": manufacturer, **extra}, **kind)  # type: ignore[arg-type]
