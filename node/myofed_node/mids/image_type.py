"""What the words of ImageType say: Dixon product, component, or a kind of image that is no acquisition."""

from __future__ import annotations

from myofed_node.mids.frames import Acquisition, Frame, Vendor
from myofed_node.mids.refusal import SeriesRefusedError
from myofed_schemas.mids import Part, Suffix

DIXON_WORDS = {
    Suffix.WAT: frozenset({"W", "WATER"}),
    Suffix.FAT: frozenset({"F", "FAT"}),
    Suffix.INPH: frozenset({"IP", "IN", "IN_PHASE", "INPHASE"}),
    Suffix.OUTPH: frozenset({"OP", "OPP", "OPP_PHASE", "OUT_PHASE", "OPPOSED_PHASE", "OUTPHASE"}),
    Suffix.FF: frozenset({"FF", "FAT_FRACTION", "PDFF"}),
}
"""Siemens classic and XA write the long words, Philips the short ones; no public sample of every vendor exists."""

PART_WORDS = {
    Part.MAG: frozenset({"M", "MAGNITUDE"}),
    Part.PHASE: frozenset({"P", "PHASE", "PHASE MAP"}),
    Part.REAL: frozenset({"R", "REAL"}),
    Part.IMAG: frozenset({"I", "IMAGINARY"}),
}
GE_RAW_DATA_TYPE = {0: Part.MAG, 1: Part.PHASE, 2: Part.REAL, 3: Part.IMAG}
"""(0043,xx2F) of GEMS_PARM_01, GE DICOM conformance statements."""

SKIPPED_WORDS = {
    "LOCALIZER": frozenset({"LOCALIZER"}),
    "DERIVED_IMAGE": frozenset({"MPR", "CURVED MPR", "MIP", "MINIP", "MNIP", "PROJECTION IMAGE", "SUBTRACTION", "SUB"}),
    "DIFFUSION": frozenset({"DIFFUSION", "ADC", "TRACEW", "FA", "TENSOR"}),
}
FRACTION_WORDS = frozenset({"WATER_FRACTION", "WF"})


def dixon_product(frame: Frame) -> Suffix | None:
    """The Dixon product this frame is, None where it is none.

    Raises:
        SeriesRefusedError: DIXON_PRODUCT_AMBIGUOUS, words of two products.
    """
    words = set(frame.image_type[2:])
    found = [suffix for suffix, names in DIXON_WORDS.items() if words & names]
    if len(found) > 1:
        raise SeriesRefusedError("DIXON_PRODUCT_AMBIGUOUS", f"ImageType=names {len(found)} Dixon products")
    return found[0] if found else None


def part_of(frame: Frame, acquisition: Acquisition) -> tuple[Part | None, bool]:
    """The component of this frame, and whether it is assumed from the vendor's default rather than said.

    GE's (0043,xx2F) goes before the standard element, this before the words of ImageType; where GE says nothing the image
    is a magnitude by default (the caller must then see that no voxel is negative). Dixon products are magnitudes.

    Raises:
        SeriesRefusedError: COMPONENT_AMBIGUOUS, the header names two components.
    """
    said = _parts_said(frame)
    if len(said) > 1:
        raise SeriesRefusedError("COMPONENT_AMBIGUOUS", f"ImageType=names {len(said)} components")
    if said:
        return said.pop(), False
    if dixon_product(frame) is not None:
        return Part.MAG, False
    return (Part.MAG, True) if acquisition.vendor is Vendor.GE else (None, False)


def _parts_said(frame: Frame) -> set[Part]:
    if frame.raw_data_type in GE_RAW_DATA_TYPE:
        return {GE_RAW_DATA_TYPE[frame.raw_data_type]}
    words = {frame.component} if frame.component not in {"", "MIXED"} else set(frame.image_type[2:])
    return {part for part, names in PART_WORDS.items() if words & names}


def refuse_other_kinds(frames: tuple[Frame, ...]) -> None:
    """Every frame is an acquired image or a Dixon product.

    Raises:
        SeriesRefusedError: LOCALIZER, DERIVED_IMAGE, DIFFUSION (skipped); MAP_NOT_IN_PROFILE, DERIVED_UNKNOWN
            (quarantined).
    """
    for image_type in sorted({frame.image_type for frame in frames}):
        words = set(image_type)
        for code, names in SKIPPED_WORDS.items():
            if words & names:
                raise SeriesRefusedError(code, f"ImageType={min(words & names)}", outcome="skipped")
        maps = {word for word in words if "MAP" in word.split() or word.endswith("_MAP")} - PART_WORDS[Part.PHASE]
        if maps or words & FRACTION_WORDS:
            raise SeriesRefusedError("MAP_NOT_IN_PROFILE", "ImageType=names a map")
    if any(frame.b_value for frame in frames):
        raise SeriesRefusedError("DIFFUSION", "DiffusionBValue=above 0", outcome="skipped")
    acquired = [f for f in frames if dixon_product(f) is None]
    if any(frame.image_type[:1] == ("DERIVED",) for frame in acquired):
        raise SeriesRefusedError("DERIVED_UNKNOWN", "ImageType=DERIVED and no Dixon product")
