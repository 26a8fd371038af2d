"""What the words of ImageType say: Dixon product, map, component, or a kind of image that is no acquisition."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from myofed_node.mids.dicom_input.frames import Acquisition, Frame, Vendor
from myofed_node.mids.refusal import SeriesRefusedError
from myofed_schemas.mids import Part, Suffix

DIXON_WORDS = {
    Suffix.WAT: frozenset({"W", "WATER"}),
    Suffix.FAT: frozenset({"F", "FAT"}),
    Suffix.INPH: frozenset({"IP", "IN", "IN_PHASE", "INPHASE"}),
    Suffix.OUTPH: frozenset({"OP", "OPP", "OPP_PHASE", "OUT_PHASE", "OUT_OF_PHASE", "OPPOSED_PHASE", "OUTPHASE"}),
    Suffix.FF: frozenset({"FF", "FAT_FRACTION", "PDFF", "FAT_FRACTION_MAP"}),
}
"""Long words in Enhanced objects of Philips (`DIXON\\FAT`, `DIXON\\FAT_FRACTION`, dcm2niix issue 1022) and, with OPP_PHASE, of Siemens; short
ones in Philips' classic exports (of which no sample is public). Other spellings mean the same and cannot mean anything else."""
MAP_WORDS = {
    Suffix.T1: frozenset({"T1_MAP", "T1MAP"}),
    Suffix.T2: frozenset({"T2_MAP", "T2MAP"}),
    Suffix.T2STAR: frozenset({"T2_STAR_MAP", "T2STAR_MAP", "T2STARMAP", "T2*_MAP"}),
    Suffix.R2STAR: frozenset({"R2_STAR_MAP", "R2STAR_MAP", "R2STARMAP", "R2*_MAP"}),
    Suffix.B0: frozenset({"B0_MAP", "B0MAP", "FIELD_MAP", "FIELDMAP", "FIELDMAPHZ"}),
    Suffix.B1: frozenset({"B1_MAP", "B1MAP", "FLIP_ANGLE_MAP"}),
}
"""A space counts as `_`. Seen in public headers: Siemens `DERIVED\\PRIMARY\\R2_STAR MAP\\ND`, `T2 MAP`; Philips
`ORIGINAL\\PRIMARY\\B0 MAP\\B0\\UNSPECIFIED` (dcm2niix issue 455). A word without MAP (T1, T2_STAR) names a contrast."""
PART_WORDS = {
    Part.MAG: frozenset({"M", "MAGNITUDE"}),
    Part.PHASE: frozenset({"P", "PHASE", "PHASE_MAP"}),
    Part.REAL: frozenset({"R", "REAL"}),
    Part.IMAG: frozenset({"I", "IMAGINARY"}),
}
"""Siemens, United Imaging `ORIGINAL\\PRIMARY\\M\\...` (public sets); Philips `ORIGINAL\\PRIMARY\\M_FFE\\M\\FFE` and `PHASE MAP\\P\\FFE`
(dcm2niix issue 345). Canon's classic exports say none (`ORIGINAL\\PRIMARY\\GDC`), its Enhanced ones ComplexImageComponent."""
GE_RAW_DATA_TYPE = {0: Part.MAG, 1: Part.PHASE, 2: Part.REAL, 3: Part.IMAG}
"""(0043,xx2F) of GEMS_PARM_01, GE DICOM conformance statements."""
SKIPPED_WORDS = {
    "LOCALIZER": frozenset({"LOCALIZER"}),
    "DERIVED_IMAGE": frozenset(
        {"MPR", "CURVED_MPR", "CSA_MPR", "MIP", "MINIP", "MNIP", "PROJECTION_IMAGE", "SUBTRACTION", "SUB"}
    ),
    "DIFFUSION": frozenset({"DIFFUSION", "ADC", "TRACEW", "TENSOR"}),
}
PIXEL_ORIGINS = frozenset({"ORIGINAL", "DERIVED"})
"""Value 1 (PS3.3 C.7.6.1.1.2). Where neither stands there, de-identification found a word that it could not keep and emptied all."""
TILED_WORDS = frozenset({"MOSAIC", "VFRAME"})
"""Slices side by side in one picture: Siemens' MOSAIC, United Imaging's VFRAME; ImagePositionPatient is not theirs."""
OTHER_QUANTITIES = frozenset({"WATER_FRACTION", "WF", "FA"})
"""FA is fractional anisotropy or a flip angle: one word for two things."""


def product_of(frame: Frame) -> Suffix | None:
    """The Dixon product or map this frame is, None where it is none.

    Raises:
        SeriesRefusedError: DIXON_PRODUCT_AMBIGUOUS, words of two products.
    """
    words = _words(frame.image_type)
    found = [suffix for suffix, names in (DIXON_WORDS | MAP_WORDS).items() if words & names]
    if len(found) > 1:
        raise SeriesRefusedError("DIXON_PRODUCT_AMBIGUOUS", f"ImageType=names {len(found)} products or maps")
    return found[0] if found else None


@lru_cache(maxsize=1024)
def _words(image_type: tuple[str, ...]) -> frozenset[str]:
    """Values 3 and up of Frame Type or ImageType, with `_` for spaces."""
    return frozenset(word.replace(" ", "_") for word in image_type[2:])


def part_of(frame: Frame, acquisition: Acquisition) -> tuple[Part | None, bool]:
    """The component of this frame, and whether it is assumed from the vendor's default rather than said.

    GE's (0043,xx2F) goes before ComplexImageComponent and the words of ImageType, which must not contradict each other; where
    GE says nothing the image is a magnitude by default (the caller must then see that no voxel is negative). Dixon products
    are magnitudes where nothing else is said. What a map is made of is no component of it.

    Raises:
        SeriesRefusedError: COMPONENT_AMBIGUOUS, the header names two components.
    """
    product = product_of(frame)
    if product is not None and product.unit != "arbitrary":
        return Part.MAG, False
    said = _parts_said(frame)
    if len(said) > 1:
        raise SeriesRefusedError("COMPONENT_AMBIGUOUS", f"ImageType, ComplexImageComponent=name {len(said)} components")
    if said:
        return said.pop(), False
    if product is not None:
        return Part.MAG, False
    return (Part.MAG, True) if acquisition.vendor is Vendor.GE else (None, False)


def _parts_said(frame: Frame) -> set[Part]:
    if frame.raw_data_type in GE_RAW_DATA_TYPE:
        return {GE_RAW_DATA_TYPE[frame.raw_data_type]}
    words = _words(frame.image_type) | ({frame.component} - {"", "MIXED"})
    return {part for part, names in PART_WORDS.items() if words & names}


def refuse_other_kinds(frames: Sequence[Frame], *, named: bool) -> None:
    """Every frame is an acquired image, a Dixon product or a map of the profile.

    Args:
        frames: All of the series.
        named: A site says what the series is, so that a derived image without words may be it.

    Raises:
        SeriesRefusedError: LOCALIZER, DERIVED_IMAGE, DIFFUSION (skipped); TILED_IMAGE, MAP_NOT_IN_PROFILE, DERIVED_UNKNOWN,
            IMAGE_TYPE_MISSING (quarantined).
    """
    kinds = {frame.image_type: frame for frame in frames}
    for image_type in sorted(kinds):
        _refuse_words(_words(image_type))
    if any(frame.b_value for frame in frames):
        raise SeriesRefusedError("DIFFUSION", "DiffusionBValue=above 0", outcome="skipped")
    if not named and any(not PIXEL_ORIGINS & set(image_type[:2]) for image_type in kinds):
        raise SeriesRefusedError("IMAGE_TYPE_MISSING", "ImageType=neither ORIGINAL nor DERIVED")
    derived = [frame for frame in kinds.values() if "DERIVED" in frame.image_type[:2]]
    if not named and any(product_of(frame) is None for frame in derived):
        raise SeriesRefusedError("DERIVED_UNKNOWN", "ImageType=DERIVED and no Dixon product or map")


def _refuse_words(words: frozenset[str]) -> None:
    for code, names in SKIPPED_WORDS.items():
        if words & names:
            raise SeriesRefusedError(code, f"ImageType={min(words & names)}", outcome="skipped")
    if words & TILED_WORDS:
        raise SeriesRefusedError("TILED_IMAGE", f"ImageType={min(words & TILED_WORDS)}")
    known = {*PART_WORDS[Part.PHASE], *(word for names in (DIXON_WORDS | MAP_WORDS).values() for word in names)}
    if words & OTHER_QUANTITIES or any(_is_map(word) for word in words - known):
        raise SeriesRefusedError("MAP_NOT_IN_PROFILE", "ImageType=names a map")


def _is_map(word: str) -> bool:
    return word == "MAP" or word.endswith("_MAP") or word.startswith("MAP_")
