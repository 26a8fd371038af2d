"""A whole data set de-identified: every element at every depth gets exactly one decision; what nobody names goes."""

from __future__ import annotations

import re

from pydicom.charset import default_encoding
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.sequence import Sequence
from pydicom.tag import BaseTag

from myofed_anonymization.actions import PATIENT_ID, PATIENT_NAME, Plan, Verb
from myofed_anonymization.elements import NUMBERS, STRINGS, encodings_of, raw_element, value_bytes
from myofed_anonymization.private_tags import private_creators, safe_rule
from myofed_anonymization.text import names_in, tokens_of
from myofed_anonymization.treatment import Treatment, fallback_bytes, treated_text
from myofed_anonymization.withheld import WithheldError
from myofed_schemas.deid import WithheldCode

PIXEL_DATA = 0x7FE00010
CHARACTER_SET = BaseTag(0x00080005)
CODE_VALUE, CODING_SCHEME = BaseTag(0x00080100), BaseTag(0x00080102)
_CODE = re.compile(r"[A-Za-z0-9./%{}\[\]*^_-]{1,16}")
_METHOD_CODES = {
    "113100": "Basic Application Confidentiality Profile",
    "113105": "Clean Descriptors Option",
    "113107": "Retain Longitudinal Temporal Information Modified Dates Option",
    "113108": "Retain Patient Characteristics Option",
    "113111": "Retain Safe Private Option",
}
"""CID 7050 of PS3.16. Retain Device Identity (113109) is not claimed: serial numbers and stations are removed."""

Element = DataElement | RawDataElement


def deidentified(source: Dataset, *, treatment: Treatment) -> Dataset:
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
            result[tag] = _raw(tag, _vr(treatment, tag), b"", treatment)
            treatment.counts["added"] += 1
    for tag in (PATIENT_NAME, PATIENT_ID):
        result[tag] = _raw(tag, _vr(treatment, tag), treatment.patient.label.encode(), treatment)
    _mark(result, treatment)
    return result


def _level(source: Dataset, *, treatment: Treatment, parent: int, depth: int) -> Dataset:
    kept: dict[BaseTag, Element] = _private(source, treatment=treatment, depth=depth)
    for element in source.elements():
        tag = element.tag
        if tag.is_private or tag.elem == 0:
            continue
        if tag == PIXEL_DATA and depth == 0:
            kept[tag] = element
            continue
        plan = treatment.rules.plan(int(tag), parent=parent, iod=treatment.iod)
        result = _standard(source, element, plan=plan, treatment=treatment, depth=depth)
        if result is not None:
            kept[tag] = result
    return _dataset(kept, treatment)


def _standard(source: Dataset, element: Element, *, plan: Plan, treatment: Treatment, depth: int) -> Element | None:
    if plan.vr == "SQ":
        return _sequence(source, element, plan=plan, treatment=treatment, depth=depth)
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
            treatment.counts["kept" if treated == content else _NAMES.get(plan.verb, "cleaned")] += 1
            return _raw(int(element.tag), plan.vr, treated, treatment)
    elif plan.verb is Verb.NUMBER_BYTES and _binary_as_declared(element, plan.vr):
        treatment.counts["kept"] += 1
        return element
    return _fallback(int(element.tag), plan, treatment)


_NAMES = {Verb.UID: "uid", Verb.SHIFT: "shifted", Verb.PSEUDONYM: "replaced"}


def _binary_as_declared(element: Element, vr: str) -> bool:
    """Whether a binary number lies in the file as the dictionary has it; text under a false VR does not."""
    return vr in NUMBERS and element.VR in {None, *vr.split(" or ")}


def _fallback(tag: int, plan: Plan, treatment: Treatment) -> Element | None:
    content = fallback_bytes(plan)
    if content is None:
        treatment.counts["removed"] += 1
        return None
    treatment.counts["replaced" if content else "emptied"] += 1
    return _raw(tag, plan.vr, content, treatment)


def _sequence(source: Dataset, element: Element, *, plan: Plan, treatment: Treatment, depth: int) -> Element | None:
    decoded = source[element.tag] if plan.verb is Verb.ITEMS and element.VR in {"SQ", None} else None
    if decoded is not None and decoded.VR == "SQ" and all(_code_is_standard(item, treatment) for item in decoded.value):
        items = [_level(item, treatment=treatment, parent=int(element.tag), depth=depth + 1) for item in decoded.value]
        treatment.counts["kept"] += 1
        return DataElement(element.tag, "SQ", Sequence(items))
    if plan.fallback == "X":
        treatment.counts["removed"] += 1
        return None
    treatment.counts["emptied"] += 1
    return DataElement(element.tag, "SQ", Sequence([]))


def _code_is_standard(item: Dataset, treatment: Treatment) -> bool:
    """Whether a coded entry takes its code from a scheme of the policy; an item that is no coded entry passes."""
    if CODE_VALUE not in item and CODING_SCHEME not in item:
        return True
    code, scheme = (
        value_bytes(item.get_item(tag)).decode("latin-1").strip() if tag in item else ""
        for tag in (CODE_VALUE, CODING_SCHEME)
    )
    own = bool(tokens_of(code) & names_in(treatment.patient.forbidden))
    return scheme in treatment.rules.policy.coding_schemes and bool(_CODE.fullmatch(code)) and not own


def _private(source: Dataset, *, treatment: Treatment, depth: int) -> dict[BaseTag, Element]:
    """The safe private elements of this level with the creators they need; no others."""
    kept: dict[BaseTag, Element] = {}
    creators = private_creators(source)
    for tag in [tag for tag in source.keys() if tag.is_private and not tag.is_private_creator]:  # noqa: SIM118
        element = source.get_item(tag)
        rule = safe_rule(element, creators=creators) if treatment.rules.policy.retain_safe_private else None
        result = _safe(source, element, vr=rule.vr, treatment=treatment, depth=depth) if rule else None
        if result is None:
            treatment.counts["private_removed"] += 1
            continue
        treatment.counts["private_kept"] += 1
        kept[tag] = result
        creator = BaseTag((tag.group << 16) | (tag.elem >> 8))
        kept[creator] = _raw(int(creator), "LO", creators[tag.group, tag.elem >> 8].encode(), treatment)
    return kept


def _safe(source: Dataset, element: Element, *, vr: str, treatment: Treatment, depth: int) -> Element | None:
    if vr != "SQ":
        return _raw(int(element.tag), vr, element.value or b"", treatment)
    decoded = source[element.tag]
    items = decoded.value if decoded.VR == "SQ" else ()
    if depth >= treatment.rules.policy.max_depth:
        raise WithheldError(WithheldCode.NESTED_TOO_DEEP)
    levels = [_private(item, treatment=treatment, depth=depth + 1) for item in items]
    return (
        DataElement(element.tag, "SQ", Sequence([_dataset(level, treatment) for level in levels]))
        if any(levels)
        else None
    )


def _dataset(kept: dict[BaseTag, Element], treatment: Treatment) -> Dataset:
    result = Dataset(kept)
    encodings = encodings_of(result) if CHARACTER_SET in result else default_encoding
    result.set_original_encoding(treatment.implicit, treatment.little, encodings)
    return result


def _raw(tag: int, vr: str, content: bytes, treatment: Treatment) -> RawDataElement:
    return raw_element(tag, vr, content, implicit=treatment.implicit, little=treatment.little)


def _vr(treatment: Treatment, tag: int) -> str:
    return treatment.rules.plan(tag, parent=0, iod=treatment.iod).vr


def _mark(result: Dataset, treatment: Treatment) -> None:
    """Says truthfully what was done: (0012,0062), (0012,0063), (0012,0064), (0028,0303)."""
    policy = treatment.rules.policy
    dates = "MODIFIED" if policy.retain_modified_dates else "REMOVED"
    for tag, vr, text in (
        (0x00120062, "CS", "YES"),
        (0x00120063, "LO", f"myofed {policy.version}"),
        (0x00280303, "CS", dates),
    ):
        result[tag] = _raw(tag, vr, text.encode(), treatment)
    claimed = {
        "113100": True,
        "113105": policy.clean_descriptors,
        "113107": policy.retain_modified_dates,
        "113108": policy.retain_patient_characteristics,
        "113111": policy.retain_safe_private,
    }
    items = [_method_item(code, treatment) for code, used in claimed.items() if used]
    result[0x00120064] = DataElement(0x00120064, "SQ", Sequence(items))


def _method_item(code: str, treatment: Treatment) -> Dataset:
    texts = {0x00080100: code, 0x00080102: "DCM", 0x00080104: _METHOD_CODES[code]}
    return _dataset(
        {
            BaseTag(tag): _raw(tag, "LO" if tag == 0x00080104 else "SH", text.encode(), treatment)
            for tag, text in texts.items()
        },
        treatment,
    )
