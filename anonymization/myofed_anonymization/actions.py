"""The action codes of PS3.15 Table E.1-1 as decisions about one attribute, and pure functions on its value."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from myofed_anonymization.dates import shift_date, shift_datetime, shift_time
from myofed_anonymization.elements import NUMBER_BYTES, NUMBERS, TEXT
from myofed_anonymization.identity import Patient
from myofed_anonymization.policy import Policy
from myofed_anonymization.profile import Confidentiality

PATIENT_NAME, PATIENT_ID = 0x00100010, 0x00100020
PATIENT_SEX, PATIENT_AGE, PATIENT_SIZE, PATIENT_WEIGHT = 0x00100040, 0x00101010, 0x00101020, 0x00101030
CHARACTERISTICS = frozenset({PATIENT_SEX, PATIENT_AGE, PATIENT_SIZE, PATIENT_WEIGHT})
DEVICE = frozenset({0x00080070, 0x00081090, 0x00181020})
"""Manufacturer, ManufacturerModelName, SoftwareVersions."""
CHARACTER_SET = 0x00080005
CONTENT_LABEL = 0x00700080
"""A CS that people type."""
STACK_ID, BODY_PART = 0x00209056, 0x00180015
RESCALE_TYPE = 0x00281054
"""A unit: a word of it alone is another unit (`1/s`, `0.1 ms`)."""
VERBATIM = frozenset({0x00080100, 0x00080102})
"""CodeValue and CodingSchemeDesignator: their item was examined before."""
NEVER = frozenset({0x00283010, 0x00283000, 0x00282000})
"""VOI and modality LUTs and ICC profiles: binary tables for display, removed although the IOD names them."""
CODING_SCHEME_VERSION = 0x00080103

_NUMBER = re.compile(r"(?=.{1,32}$)[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?")
"""One decimal number (PS3.5 6.2, DS), longer than the 16 characters allowed because scanners write so."""
_AGE = re.compile(r"(\d{1,3})([DWMY])")
_SHORT_LABEL = re.compile(r"[A-Za-z0-9]{1,4}")
DUMMY_TEXT = "REMOVED"
_DUMMIES = {
    "DA": "19000101",
    "TM": "000000",
    "DT": "19000101000000",
    "AS": "000Y",
    "DS": "0",
    "IS": "0",
    "UR": "about:blank",
}


class Verb(StrEnum):
    """What is tried first on an attribute; the fallback of its Plan follows when nothing can stay."""

    BASIC = "basic"
    PSEUDONYM = "pseudonym"
    UID = "uid"
    SHIFT = "shift"
    CLEAN = "clean"
    DEVICE = "device"
    CODE_STRING = "code_string"
    NUMBER_TEXT = "number_text"
    NUMBER_BYTES = "number_bytes"
    CHARACTER_SET = "character_set"
    AGE = "age"
    SEX = "sex"
    LABEL = "label"
    VERBATIM = "verbatim"
    ITEMS = "items"
    UNIT = "unit"


@dataclass(frozen=True, slots=True)
class Plan:
    """What happens to one attribute in one place: a verb, and X (remove), Z (empty) or D (dummy) when it gives nothing."""

    verb: Verb
    fallback: str
    vr: str


def fallback_of(basic: str, *, attribute_type: str) -> str:
    """X, Z or D: the compound code resolved by the attribute's Type, so that no Type 1 is lost and no Type 2 missing.

    PS3.15 Table E.1-1a; an attribute that the table does not name counts as X.
    """
    if attribute_type == "1":
        return "D"
    if attribute_type == "2":
        return "D" if basic == "D" else "Z"
    return basic[0] if basic[0] in "XZD" else "X"


def plan_of(tag: int, *, vr: str, row: Confidentiality | None, attribute_type: str, policy: Policy) -> Plan:
    """What the policy does to this attribute; `row` is None when only the IOD knows it.

    A sequence that may be neither removed nor emptied keeps its items, each of them treated (its dummy, D); so does one
    that refers to other instances (U*).
    """
    fallback = fallback_of(row.basic if row else "X", attribute_type=attribute_type)
    if attribute_type == "3" and fallback == "D" and (vr.startswith("O") or vr == "UN"):
        fallback = "X"  # no dummy of unknown bytes in a place that may be empty
    if tag in NEVER:
        return Plan(Verb.BASIC, "X", vr)
    if tag in {PATIENT_NAME, PATIENT_ID}:
        return Plan(Verb.PSEUDONYM, "D", vr)
    verb = _kept_verb(tag, vr) if row is None else _listed_verb(tag, vr, row, policy)
    if vr == "SQ" and fallback == "D":
        verb = Verb.ITEMS
    switched_off = (
        (verb is Verb.SHIFT and not policy.retain_modified_dates)
        or (verb is Verb.CLEAN and not policy.clean_descriptors)
        or (verb is Verb.DEVICE and not policy.retain_device_identity)
    )
    return Plan(Verb.BASIC if switched_off else verb, fallback, vr)


def _listed_verb(tag: int, vr: str, row: Confidentiality, policy: Policy) -> Verb:
    if vr == "UI" and row.basic in {"U", "D"}:
        return Verb.UID
    if vr in {"DA", "DT", "TM"} and ("dates=C" in row.options or row.basic == "D"):
        return Verb.SHIFT
    if vr in TEXT and "desc=C" in row.options:
        return Verb.CLEAN
    if tag in CHARACTERISTICS and policy.retain_patient_characteristics:
        return _kept_verb(tag, vr)
    return Verb.ITEMS if vr == "SQ" and "U" in row.basic else Verb.BASIC


def _kept_verb(tag: int, vr: str) -> Verb:
    special = {
        CHARACTER_SET: Verb.CHARACTER_SET,
        CONTENT_LABEL: Verb.CLEAN,
        STACK_ID: Verb.LABEL,
        PATIENT_SEX: Verb.SEX,
        CODING_SCHEME_VERSION: Verb.NUMBER_TEXT,
        BODY_PART: Verb.CLEAN,
        RESCALE_TYPE: Verb.UNIT,
        **dict.fromkeys(VERBATIM, Verb.VERBATIM),
        **dict.fromkeys(DEVICE, Verb.DEVICE),
    }
    by_vr = {
        "UI": Verb.UID,
        "DA": Verb.SHIFT,
        "DT": Verb.SHIFT,
        "TM": Verb.SHIFT,
        "DS": Verb.NUMBER_TEXT,
        "IS": Verb.NUMBER_TEXT,
        "CS": Verb.CODE_STRING,
        "AS": Verb.AGE,
        "SQ": Verb.ITEMS,
        **dict.fromkeys(TEXT, Verb.CLEAN),
        **dict.fromkeys(NUMBERS, Verb.NUMBER_BYTES),
    }
    return special.get(tag) or by_vr.get(vr, Verb.BASIC)


def dummy(vr: str) -> bytes:
    """A value that is valid for the VR and says nothing (action D)."""
    if vr in NUMBER_BYTES:
        return bytes(NUMBER_BYTES[vr])
    return b"\0\0" if vr.startswith("O") else _DUMMIES.get(vr, DUMMY_TEXT).encode()


def shifted(value: str, *, vr: str, patient: Patient) -> str:
    """The DA, TM or DT value moved as all of this patient's are; empty when it is not one."""
    if vr == "DA":
        return shift_date(value, days=patient.days)
    if vr == "TM":
        return shift_time(value, seconds=patient.seconds)
    return shift_datetime(value, days=patient.days, seconds=patient.seconds)


def number_text(value: str) -> str:
    """The DS or IS value when it is one number; empty otherwise."""
    return value if _NUMBER.fullmatch(value) else ""


def age(value: str, *, cap_years: int) -> str:
    """The AS value with years capped, written with three digits; empty when it is no age (PS3.5 6.2, AS)."""
    match = _AGE.fullmatch(value)
    if not match:
        return ""
    number = min(int(match[1]), cap_years) if match[2] == "Y" else int(match[1])
    return f"{number:03d}{match[2]}"


def short_label(value: str) -> str:
    """The label when it is at most four letters and digits (a stack's number); empty otherwise."""
    return value if _SHORT_LABEL.fullmatch(value) else ""
