"""Codes of the schemes that images of muscles use, each by the form its scheme has: what is no such code may be a name."""

from __future__ import annotations

import re

from myofed_anonymization.clean_elements import Clean, CleanElement, clean_element

_FORMS = {
    "DCM": r"\d{6}|MR|SEG|ARCHIVE",
    "SCT": r"\d{6,18}",
    "SRT": r"[A-Z]{1,2}-[0-9A-F]{4,6}",
    "SNM3": r"[A-Z]{1,2}-[0-9A-F]{4,6}",
    "FMA": r"(?:FMA:?)?\d{3,7}",
    "RADLEX": r"RID\d{1,6}",
    "LN": r"\d{1,7}-\d",
    "UBERON": r"(?:UBERON[:_])?\d{7}",
    "NCIt": r"C\d{3,7}",
    "UCUM": (
        r"1|%|m?s|us|min|h|d|wk|mo|a|[mcu]?m[23]?|[mu]?[lL]|[mku]?g|[kM]?Hz|deg|rad|m?T|u?T/m/s|mT/m|/s|1/s|s-1|1/ms|ms-1"
        r"|mm2/s|um2/ms|10-[36]\.mm2/s|10\*-[36]\.mm2/s|s/mm2|mg/ml|mmol/[lL]|ug/m[lL]|W/kg|\[hnsf'U\]|\[arb'U\]|\[ppm\]|ppm|no units"
    ),
}
"""By CodingSchemeDesignator (PS3.16 table 8-1); the units are those of MR quantities."""
_CODES = {scheme: re.compile(form) for scheme, form in _FORMS.items()}
TISSUE = ("85756007", "SCT", "Tissue")
"""What a segment is of at least (CID 7150)."""
ARBITRARY = ("[arb'U]", "UCUM", "arbitrary unit")
"""The unit of a number whose own unit cannot stay."""
UNITS = 0x004008EA
_STAND_INS = {0x00620003: TISSUE, 0x0062000F: TISSUE, UNITS: ARBITRARY}
"""SegmentedPropertyCategory-, SegmentedPropertyTypeCodeSequence, MeasurementUnitsCodeSequence."""


def is_code(code: str, *, scheme: str) -> bool:
    """Whether the value has the form that the scheme's codes have; False for a scheme that is not known here."""
    form = _CODES.get(scheme)
    return form is not None and form.fullmatch(code) is not None


def stand_in(tag: int, *, code: str = "") -> CleanElement | None:
    """What replaces a sequence that must hold a code when its own is of nobody's scheme; None where nothing may.

    Args:
        tag: Of the sequence.
        code: What it held: a unit that UCUM knows, too, stays that unit.
    """
    if tag not in _STAND_INS:
        return None
    known = tag == UNITS and is_code(code, scheme="UCUM")
    value, scheme, meaning = (text.encode() for text in ((code, "UCUM", code) if known else _STAND_INS[tag]))
    item: Clean = {
        0x00080100: clean_element("SH", value),
        0x00080102: clean_element("SH", scheme),
        0x00080104: clean_element("LO", meaning),
    }
    return CleanElement("SQ", (item,))
