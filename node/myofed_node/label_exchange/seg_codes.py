"""Segments of a DICOM SEG and structures: coded types first, names where a code is unknown."""

from __future__ import annotations

from dataclasses import dataclass

from pydicom import Dataset
from pydicom.sr.coding import Code

from myofed_node.label_exchange.names import Target, plain, resolve
from myofed_schemas.anatomy import MUSCLES_VERSION, Side
from myofed_schemas.label_schemes import LabelSide
from myofed_schemas.muscle_sets import (
    Structure,
    exact_codes,
    structure_name,
    structure_of_code,
    structure_of_label_value,
)

PRIVATE_SCHEME = "99MYOFED"
"""Coding scheme of what no public one names alone; the code is the canonical value of the left one."""
ANATOMICAL_STRUCTURE = Code("91723000", "SCT", "Anatomical Structure")
"""Segmented property category (CID 7150)."""
LATERALITY = {Side.LEFT: Code("7771000", "SCT", "Left"), Side.RIGHT: Code("24028007", "SCT", "Right")}
"""PS3.16 CID 244."""
_SIDE_OF_CODE = {code.value: LabelSide(side.word) for side, code in LATERALITY.items()}
_SIDE_OF_OFFSET = {1: LabelSide.LEFT, 2: LabelSide.RIGHT}
"""ISO 11073: left is one more than the muscle's code, right two more."""


@dataclass(frozen=True)
class CodedSegment:
    """What the SEG says of one segment."""

    number: int
    label: str
    target: Target | None


def type_code(structure: Structure) -> Code:
    """The structure's code: UBERON, FMA, MDC or SNOMED CT where one names it alone, else a private one."""
    meaning = structure_name(structure)
    for scheme, value in exact_codes(structure).items():
        return Code(value, scheme, meaning)
    return Code(str(structure.label_value(Side.LEFT)), PRIVATE_SCHEME, meaning, MUSCLES_VERSION)


def coded_segment(item: Dataset) -> CodedSegment:
    """The segment of one item of SegmentSequence; its target is None where neither code nor name is known."""
    label = str(item.get("SegmentLabel", ""))
    target = _target_of_codes(item)
    side = plain(label)[1]
    if target is None:
        named = resolve(label)
        side_code = _modifier_side(item)
        target = named if named is None or side_code is None else Target(named.structure, side_code)
    elif target.side is LabelSide.BOTH and side is not None:
        target = Target(target.structure, side)
    return CodedSegment(int(item.SegmentNumber), label, target)


def _target_of_codes(item: Dataset) -> Target | None:
    for code in item.get("SegmentedPropertyTypeCodeSequence", ()):
        scheme, value = str(code.get("CodingSchemeDesignator", "")), str(code.get("CodeValue", ""))
        for structure, side in _candidates(scheme, value):
            return Target(structure.id, side or _modifier_side(item) or LabelSide.BOTH)
    return None


def _candidates(scheme: str, value: str) -> list[tuple[Structure, LabelSide | None]]:
    """At most one structure, and the side where the code itself says it."""
    if scheme == PRIVATE_SCHEME:
        try:
            return [(structure_of_label_value(int(value))[0], None)]
        except (ValueError, KeyError):
            return []
    bare = value if scheme != "UBERON" or ":" in value else f"UBERON:{value}"
    bare = f"FMA:{bare}" if scheme == "FMA" and ":" not in bare else bare
    options: list[tuple[str, LabelSide | None]] = [(bare, None)]
    if scheme == "MDC" and value.removeprefix("7:").isdigit():
        number = int(value.removeprefix("7:"))
        options = [(f"7:{number}", None)]
        options += [(f"7:{number - offset}", side) for offset, side in _SIDE_OF_OFFSET.items()]
    for code, side in options:
        try:
            return [(structure_of_code(scheme, code), side)]
        except KeyError:
            continue
    return []


def _modifier_side(item: Dataset) -> LabelSide | None:
    for code in item.get("SegmentedPropertyTypeCodeSequence", ()):
        for modifier in code.get("SegmentedPropertyTypeModifierCodeSequence", ()):
            if side := _SIDE_OF_CODE.get(str(modifier.get("CodeValue", ""))):
                return side
    return None
