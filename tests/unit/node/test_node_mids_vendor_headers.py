"""What each vendor's headers prove: made-up series in the words of public headers, with the outcome they must have."""

from __future__ import annotations

import pytest
from mids_factories import Kind, classic, enhanced
from pydicom import Dataset
from vendor_header_factories import CANON, CLASSIC, GE, ONE, PHILIPS, TRAIN, XA, ClassicRow, classic_kind, outcome


@pytest.mark.parametrize("row", CLASSIC)
def test_classic_series_of_each_vendor(row: ClassicRow) -> None:
    """One vendor's words, one outcome."""
    assert outcome(*classic(classic_kind(row))) == row[-1]


def spin_echo(dataset: Dataset, **extra: object) -> Dataset:
    dataset.EchoPulseSequence = "SPIN"
    for keyword, value in extra.items():
        setattr(dataset, keyword, value)
    return dataset


def component(dataset: Dataset, *names: str) -> Dataset:
    """The components one after the other to the frames, in equal shares."""
    groups = dataset.PerFrameFunctionalGroupsSequence
    for number, group in enumerate(groups):
        group.MRImageFrameTypeSequence[0].ComplexImageComponent = names[number * len(names) // len(groups)]
    return dataset


def contrast(dataset: Dataset, name: str) -> Dataset:
    for group in dataset.PerFrameFunctionalGroupsSequence:
        group.MRImageFrameTypeSequence[0].AcquisitionContrast = name
    return dataset


def unit(dataset: Dataset, code: str, scheme: str = "UCUM") -> Dataset:
    """A linear RealWorldValueMapping with this unit for every frame."""
    for group in dataset.PerFrameFunctionalGroupsSequence:
        units, mapping = Dataset(), Dataset()
        units.CodeValue, units.CodingSchemeDesignator, units.CodeMeaning = code, scheme, code
        mapping.RealWorldValueSlope, mapping.RealWorldValueIntercept = 0.1, -200.0
        mapping.MeasurementUnitsCodeSequence = [units]
        group.RealWorldValueMappingSequence = [mapping]
    return dataset


M_NONE = ("ORIGINAL", "PRIMARY", "M", "NONE")
DIXON = [("DERIVED", "PRIMARY", "DIXON", word) for word in ("WATER", "FAT", "IN_PHASE", "OUT_PHASE")]
DIXON_SHORT = [("DERIVED", "PRIMARY", word, word) for word in ("W", "F", "IP", "OP")]
MAP = {word: ("DERIVED", "PRIMARY", f"{word} MAP", "NONE") for word in ("T1", "T2", "B0", "B1", "R2_STAR")}
MANUFACTURER = {vendor: {"Manufacturer": vendor} for vendor in (XA, PHILIPS, GE, CANON)}


def one_echo(vendor: str, image_type: tuple[str, ...]) -> Dataset:
    return enhanced(Kind(image_type=image_type, echo_times_ms=ONE, extra=MANUFACTURER[vendor]))


def two_echoes(vendor: str, image_type: tuple[str, ...] = M_NONE) -> Dataset:
    return enhanced(Kind(image_type=image_type, extra=MANUFACTURER[vendor]))


def train(vendor: str) -> Dataset:
    return spin_echo(enhanced(Kind(image_type=M_NONE, echo_times_ms=TRAIN, extra=MANUFACTURER[vendor])))


def products(vendor: str, types: list[tuple[str, ...]]) -> Dataset:
    return enhanced(Kind(echo_times_ms=ONE, extra=MANUFACTURER[vendor]), frame_types=types)


@pytest.mark.parametrize(
    ("dataset", "expected"),
    [
        (two_echoes(XA), "MEGRE"),
        (component(two_echoes(XA, ("ORIGINAL", "PRIMARY", "P", "NONE")), "PHASE"), "part-phase MEGRE"),
        (train(XA), "MESE"),
        (spin_echo(train(XA), MultipleSpinEcho="NO"), "MESE"),
        (spin_echo(train(XA), MultipleSpinEcho="YES"), "TURBO_SPIN_ECHO"),
        (products(XA, DIXON), "FAT, INPH, OUTPH, WAT"),
        (unit(one_echo(XA, MAP["T2"]), "ms"), "T2"),
        (unit(one_echo(XA, MAP["T1"]), "s"), "T1"),
        (unit(one_echo(XA, MAP["R2_STAR"]), "/s"), "R2star"),
        (unit(one_echo(XA, MAP["R2_STAR"]), "Hz"), "R2star"),
        (unit(one_echo(XA, MAP["T2"]), "ms", "99LOCAL"), "MAP_UNIT_UNKNOWN"),
        (unit(one_echo(XA, MAP["T2"]), "1"), "MAP_UNIT_UNKNOWN"),
        (contrast(one_echo(XA, M_NONE), "T1"), "T1w"),
        (contrast(one_echo(XA, M_NONE), "STIR"), "T2w-FS"),
        (contrast(one_echo(XA, M_NONE), "PROTON_DENSITY"), "CONTRAST_NOT_IN_PROFILE"),
        (contrast(one_echo(XA, M_NONE), "UNKNOWN"), "CONTRAST_UNPROVEN"),
        (two_echoes(PHILIPS, ("ORIGINAL", "PRIMARY", "M_FFE", "M")), "MEGRE"),
        (products(PHILIPS, DIXON_SHORT), "FAT, INPH, OUTPH, WAT"),
        (products(PHILIPS, DIXON), "FAT, INPH, OUTPH, WAT"),
        (unit(component(one_echo(PHILIPS, MAP["B0"]), "PHASE"), "Hz"), "B0"),
        (unit(component(one_echo(PHILIPS, (*DIXON[0][:3], "FAT_FRACTION")), "REAL"), "%"), "FF"),
        (unit(one_echo(PHILIPS, MAP["B1"]), "%"), "B1"),
        (one_echo(PHILIPS, MAP["B0"]), "MAP_UNIT_UNKNOWN"),
        (train(PHILIPS), "MESE"),
        (two_echoes(GE, ("ORIGINAL", "PRIMARY", "VOLUME", "NONE")), "MEGRE"),
        (products(GE, DIXON), "FAT, INPH, OUTPH, WAT"),
        (two_echoes(CANON, ("ORIGINAL", "PRIMARY", "GDC", "NONE")), "MEGRE"),
    ],
)
def test_enhanced_object_of_each_vendor(dataset: Dataset, expected: str) -> None:
    """One vendor's words, one outcome."""
    assert outcome(dataset) == expected


def test_all_files_of_one_exam_in_one_series_become_one_image_each_kind() -> None:
    """Siemens may put magnitude and phase of all echoes into one series."""
    files = classic() + classic(Kind(image_type=("ORIGINAL", "PRIMARY", "P", "ND")))
    assert outcome(*files) == "MEGRE, part-phase MEGRE"
