"""A whole data set de-identified: every element at every depth gets exactly one decision; what nobody names goes."""

from __future__ import annotations

from functools import lru_cache

from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.tag import BaseTag
from pydicom.valuerep import AMBIGUOUS_VR, STANDARD_VR

from myofed_anonymization.actions import PATIENT_ID, PATIENT_NAME, Plan, Verb
from myofed_anonymization.binary_numbers import can_be_numbers, most_values
from myofed_anonymization.clean_elements import UNDEFINED, Clean, CleanElement, clean_element
from myofed_anonymization.coded_entries import is_code, stand_in
from myofed_anonymization.elements import NUMBER_BYTES, NUMBERS, STRINGS, items_of, standard_vr, value_bytes
from myofed_anonymization.policy import Policy
from myofed_anonymization.private_tags import private_creators, safe_rule
from myofed_anonymization.text import names_in, tokens_of
from myofed_anonymization.treatment import (
    LONGEST_REMEMBERED,
    Decision,
    Place,
    Treatment,
    fallback_bytes,
    treated_text,
)
from myofed_anonymization.withheld import WithheldError
from myofed_schemas.deid import NoteCode, WithheldCode

PIXEL_DATA = 0x7FE00010
DELIMITERS = 0xFFFE
"""Group of items and their ends: as an element it means that readers lost their way."""
KNOWN_VRS = frozenset({None, *STANDARD_VR, *AMBIGUOUS_VR})
"""Those of PS3.5 6.2; None in implicit VR."""
CODE_VALUE, CODING_SCHEME, LONG_CODE_VALUE = BaseTag(0x00080100), BaseTag(0x00080102), BaseTag(0x00080119)
METHODS = {
    "113100": "Basic Application Confidentiality Profile",
    "113105": "Clean Descriptors Option",
    "113107": "Retain Longitudinal Temporal Information Modified Dates Option",
    "113108": "Retain Patient Characteristics Option",
    "113110": "Retain UIDs Option",
    "113111": "Retain Safe Private Option",
}
"""CID 7050 of PS3.16. Retain Device Identity (113109) is not claimed: serial numbers and stations are removed."""

Element = DataElement | RawDataElement


def deidentified(source: Dataset, *, treatment: Treatment) -> Clean:
    """A new data set with what may stay of `source`, marked as de-identified (0012,0062..0064) and (0028,0303).

    Args:
        source: A data set read from a file, its depth bounded by patient_of; its sequences may be decoded in place.
        treatment: Rules, patient, IOD and encoding of this file; its counts grow.

    Raises:
        WithheldError: NESTED_TOO_DEEP.
    """
    result = _level(source, treatment=treatment, parent=0, depth=0)
    for tag in treatment.rules.profile.mandatory_type_2.get(treatment.iod, ()):
        if tag not in result:
            result[tag] = clean_element(_vr(treatment, tag), b"")
            treatment.counts["added"] += 1
    for tag in (PATIENT_NAME, PATIENT_ID):
        result[tag] = clean_element(_vr(treatment, tag), treatment.patient.label.encode())
    _mark(result, treatment)
    return result


def _level(source: Dataset, *, treatment: Treatment, parent: int, depth: int) -> Clean:
    kept = _private(source, treatment=treatment, depth=depth)
    for element in list(source.values()):
        tag = int(element.tag)
        if element.VR not in KNOWN_VRS or tag >> 16 == DELIMITERS:
            raise WithheldError(WithheldCode.DICOM_DAMAGED)
        if tag >> 16 & 1 or not tag & 0xFFFF:  # private, or a group's length
            continue
        if tag == PIXEL_DATA and depth == 0:
            kept[tag] = _verbatim(element, treatment)
            continue
        done, result = _decision(source, element, treatment=treatment, parent=parent, depth=depth)
        treatment.counts[done] += 1
        if result is not None:
            kept[tag] = result
    return kept


def _decision(source: Dataset, element: Element, *, treatment: Treatment, parent: int, depth: int) -> Decision:
    """What is done to a standard element; from memory where the same bytes stood in the same place before."""
    tag = int(element.tag)
    place = _place(element, tag, parent)
    if place is not None and (remembered := treatment.remembered.get(place)):
        return remembered
    plan = treatment.rules.plan(tag, parent=parent, iod=treatment.iod)
    if plan.vr == "SQ":
        return _sequence(source, element, plan=plan, treatment=treatment, depth=depth)
    decision = _standard(element, plan=plan, treatment=treatment)
    if place is not None:
        treatment.remembered[place] = decision
    return decision


def _place(element: Element, tag: int, parent: int) -> Place | None:
    """Where the element stands with all its bytes, for memory; None where there are too many, or pydicom decoded them."""
    if not isinstance(element, RawDataElement) or element.length > LONGEST_REMEMBERED or element.value is None:
        return None
    return (parent, tag, element.VR, element.value)


def _standard(element: Element, *, plan: Plan, treatment: Treatment) -> Decision:
    if (
        plan.vr in STRINGS
        and plan.verb is not Verb.BASIC
        and isinstance(element.value, bytes | str | MultiValue | None)
    ):
        content = value_bytes(element)
        treated = (
            treatment.patient.label.encode()
            if plan.verb is Verb.PSEUDONYM
            else treated_text(content, plan=plan, treatment=treatment)
        )
        if treated or not content:
            return "kept" if treated == content else _NAMES.get(plan.verb, "cleaned"), clean_element(plan.vr, treated)
    elif plan.verb is Verb.NUMBER_BYTES and _binary_as_declared(element, plan.vr, little=treatment.little):
        return "kept", _verbatim(element, treatment)
    return _fallback(plan)


_NAMES = {Verb.UID: "uid", Verb.SHIFT: "shifted", Verb.PSEUDONYM: "replaced"}


def _binary_as_declared(element: Element, vr: str, *, little: bool) -> bool:
    """Whether binary numbers lie in the file as the dictionary has them; text, or another VR, does not."""
    if vr not in NUMBERS or element.VR not in {None, *vr.split(" or "), *({"UN"} if little else ())}:
        return False
    if not isinstance(element.value, bytes):
        return True  # pydicom decoded it, and it was a number
    return can_be_numbers(element.value, vr=vr, most=most_values(int(element.tag)), little=little)


def _fallback(plan: Plan) -> Decision:
    content = fallback_bytes(plan)
    if content is None:
        return "removed", None
    return "replaced" if content else "emptied", clean_element(plan.vr, content)


def _sequence(source: Dataset, element: Element, *, plan: Plan, treatment: Treatment, depth: int) -> Decision:
    tag = int(element.tag)
    found = items_of(source, tag) if plan.verb is Verb.ITEMS and element.VR in {"SQ", None} else None
    if found is not None and all(_code_is_standard(item, treatment) for item in found):
        items = [_level(item, treatment=treatment, parent=tag, depth=depth + 1) for item in found]
        return "kept", CleanElement("SQ", tuple(items))
    code = next((_text(item, CODE_VALUE) for item in found or ()), "")
    if (replaced := stand_in(tag, code=code)) is not None:
        treatment.notes.add(NoteCode.CODE_REPLACED)
        return "replaced", replaced
    if plan.fallback == "X":
        return "removed", None
    return "emptied", CleanElement("SQ", ())


def _code_is_standard(item: Dataset, treatment: Treatment) -> bool:
    """Whether a coded entry takes its code from a scheme of the policy; an item that is no coded entry passes."""
    if not any(tag in item for tag in (CODE_VALUE, CODING_SCHEME, LONG_CODE_VALUE)):
        return True
    code, scheme = _text(item, CODE_VALUE), _text(item, CODING_SCHEME)
    own = bool(tokens_of(code) & names_in(treatment.patient.forbidden))
    return scheme in treatment.rules.policy.coding_schemes and is_code(code, scheme=scheme) and not own


def _text(item: Dataset, tag: BaseTag) -> str:
    return value_bytes(item.get_item(tag)).decode("latin-1").strip() if tag in item else ""


def _private(source: Dataset, *, treatment: Treatment, depth: int) -> Clean:
    """The safe private elements of this level with the creators they need; no others."""
    kept: Clean = {}
    private = [tag for tag in source.keys() if tag & 0x10000]  # noqa: SIM118  a Dataset iterates over decoded elements
    creators = private_creators(source, private)
    for tag in [tag for tag in private if not tag.is_private_creator]:
        element = source.get_item(tag)
        rule = safe_rule(element, creators=creators) if treatment.rules.policy.retain_safe_private else None
        result = _safe(source, element, vr=rule.vr, treatment=treatment, depth=depth) if rule else None
        if result is None:
            treatment.counts["private_removed"] += 1
            continue
        treatment.counts["private_kept"] += 1
        kept[tag] = result
        kept[(tag.group << 16) | (tag.elem >> 8)] = clean_element("LO", creators[tag.group, tag.elem >> 8].encode())
    return kept


def _safe(source: Dataset, element: Element, *, vr: str, treatment: Treatment, depth: int) -> CleanElement | None:
    if vr != "SQ":
        return clean_element(vr, element.value or b"")
    decoded = source[element.tag]
    items = decoded.value if decoded.VR == "SQ" else ()
    if depth >= treatment.rules.policy.max_depth:
        raise WithheldError(WithheldCode.NESTED_TOO_DEEP)
    levels = [_private(item, treatment=treatment, depth=depth + 1) for item in items]
    return CleanElement("SQ", tuple(levels)) if any(levels) else None


def _verbatim(element: Element, treatment: Treatment) -> CleanElement:
    """The element as it lies in the file; pydicom may have decoded PixelRepresentation when it met a sequence."""
    known = element.VR not in {None, "UN"}
    vr = (str(element.VR) if known else standard_vr(int(element.tag))).split(" or ", maxsplit=1)[0]
    if isinstance(element.value, int):
        value = element.value.to_bytes(NUMBER_BYTES[vr], "little", signed=element.value < 0)
        return CleanElement(vr, value if treatment.little else value[::-1])
    fragments = isinstance(element, RawDataElement) and element.length == UNDEFINED
    return clean_element(vr, element.value or b"")._replace(fragments=fragments)


def _vr(treatment: Treatment, tag: int) -> str:
    return treatment.rules.plan(tag, parent=0, iod=treatment.iod).vr


def _mark(result: Clean, treatment: Treatment) -> None:
    """Says truthfully what was done: (0012,0062), (0012,0063), (0012,0064), (0028,0303)."""
    policy = treatment.rules.policy
    dates = "MODIFIED" if policy.retain_modified_dates else "REMOVED"
    result[0x00120062] = clean_element("CS", b"YES")
    result[0x00120063] = clean_element("LO", f"myofed {policy.version}".encode())
    result[0x00280303] = clean_element("CS", dates.encode())
    result[0x00120064] = CleanElement("SQ", tuple(_method_item(code) for code in claimed_options(policy)))


def claimed_options(policy: Policy) -> tuple[str, ...]:
    """The codes of CID 7050 (PS3.16) that outputs under this policy may claim."""
    claims = {
        "113100": True,
        "113105": policy.clean_descriptors,
        "113107": policy.retain_modified_dates,
        "113108": policy.retain_patient_characteristics,
        "113110": policy.retain_uids,
        "113111": policy.retain_safe_private,
    }
    return tuple(code for code, used in claims.items() if used)


@lru_cache(maxsize=16)
def _method_item(code: str) -> Clean:
    texts = {0x00080100: code, 0x00080102: "DCM", 0x00080104: METHODS[code]}
    return {tag: clean_element("LO" if tag == 0x00080104 else "SH", text.encode()) for tag, text in texts.items()}
