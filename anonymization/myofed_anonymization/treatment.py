"""One value under its plan: from the bytes in the file to the bytes of the output."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Self

from myofed_anonymization.actions import VERBATIM, Plan, Verb, age, dummy, number_text, plan_of, shifted, short_label
from myofed_anonymization.clean_elements import CleanElement
from myofed_anonymization.elements import WITHOUT_BACKSLASH, standard_vr
from myofed_anonymization.identity import Patient
from myofed_anonymization.keys import SiteKeys
from myofed_anonymization.policy import Policy
from myofed_anonymization.profile import Profile, load_profile
from myofed_anonymization.pseudonym_sources import KeyedPseudonyms, PseudonymSource
from myofed_anonymization.text import Vocabulary, names_in
from myofed_anonymization.uids import is_uid, new_uid
from myofed_schemas.deid import NoteCode

MOST_REMEMBERED = 20_000
LONGEST_REMEMBERED = 256
OWN_DIGITS = 6
"""Digits of a number that is a word of the patient's own identifiers, and so none."""
SEXES = frozenset({"M", "F", "O"})


Decision = tuple[str, CleanElement | None]
"""What was done to an element, as it is counted, and what is left of it."""
Place = tuple[int, int, str | None, bytes]
"""All that a decision depends on within its context: parent sequence or 0, tag, VR in the file, value in the file."""


@dataclass(slots=True)
class Memory:
    """Decisions taken before for one patient, IOD and byte order: most elements of a file stand in the others of its series too."""

    context: tuple[Patient, str, bool] | None = None
    decisions: dict[Place, Decision] = field(default_factory=dict)

    def within(self, context: tuple[Patient, str, bool]) -> dict[Place, Decision]:
        """The memory, empty where it was of another context or is full."""
        if self.context != context or len(self.decisions) > MOST_REMEMBERED:
            self.decisions = {}
        self.context = context
        return self.decisions


@dataclass(frozen=True, slots=True)
class Rules:
    """What holds for every file of a run; `plans` remembers decisions by (IOD, parent sequence, tag)."""

    keys: SiteKeys
    policy: Policy
    profile: Profile
    vocabulary: Vocabulary
    pseudonyms: PseudonymSource
    plans: dict[tuple[str, int, int], Plan] = field(default_factory=dict)
    memory: Memory = field(default_factory=Memory)

    @classmethod
    def of(cls, keys: SiteKeys, policy: Policy, pseudonyms: PseudonymSource | None = None) -> Self:
        """The rules of this key and policy; pseudonyms are keyed unless another source gives them."""
        vocabulary = Vocabulary.from_policy(policy)
        return cls(keys, policy, load_profile(), vocabulary, pseudonyms or KeyedPseudonyms(keys))

    def new_uid(self, uid: str) -> str:
        """What stands for this UID in the output."""
        return uid if self.policy.retain_uids and is_uid(uid) else new_uid(self.keys, uid)

    def file_name(self, uid: str) -> str:
        """The new UID by which a file or folder is named, given the UID in the output."""
        return new_uid(self.keys, uid) if self.policy.retain_uids else uid

    def plan(self, tag: int, *, parent: int, iod: str) -> Plan:
        """What happens to a standard attribute in this place; one that nobody names is removed (default deny)."""
        place = (iod, parent, tag)
        if place not in self.plans:
            vr = standard_vr(tag)
            known = bool(vr) and self.profile.knows(tag) and not (tag in VERBATIM and parent == 0)
            self.plans[place] = (
                plan_of(
                    tag,
                    vr=vr,
                    row=self.profile.confidentiality.get(tag),
                    attribute_type=self.profile.type_of(tag, parent=parent, iod=iod),
                    policy=self.policy,
                )
                if known
                else Plan(Verb.BASIC, "X", vr)
            )
        return self.plans[place]


@dataclass(frozen=True, slots=True)
class Treatment:
    """What holds for one file: the rules, whose it is, its IOD and byte order; `counts` and `notes` grow as elements are treated."""

    rules: Rules
    patient: Patient
    iod: str
    little: bool
    counts: Counter[str] = field(default_factory=Counter)
    notes: set[NoteCode] = field(default_factory=set)
    remembered: dict[Place, Decision] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "remembered", self.rules.memory.within((self.patient, self.iod, self.little)))


def treated_text(content: bytes, *, plan: Plan, treatment: Treatment) -> bytes:
    """The value under the plan's verb, each of its values treated alone; empty when one of them cannot stay.

    Bytes are read as Latin-1: what is not ASCII is no word of the vocabulary and goes; so does a whole text that switches
    character sets (ISO 2022), where ASCII bytes may be parts of other characters.
    """
    text = "" if b"\x1b" in content else content.decode("latin-1")
    values = [text] if plan.vr in WITHOUT_BACKSLASH else text.split("\\")
    treated = [_treated_value(value.strip(" \0"), plan=plan, treatment=treatment) for value in values]
    lost = any(value.strip(" \0") and not new for value, new in zip(values, treated, strict=True))
    if lost and plan.verb not in {Verb.CLEAN, Verb.DEVICE}:
        return b""
    return "\\".join(treated).encode("ascii") if any(treated) else b""


def _treated_value(value: str, *, plan: Plan, treatment: Treatment) -> str:  # noqa: C901, PLR0911  one case a verb
    rules, forbidden = treatment.rules, treatment.patient.forbidden
    match plan.verb:
        case Verb.UID:
            return rules.new_uid(value)
        case Verb.SHIFT:
            return shifted(value, vr=plan.vr, patient=treatment.patient)
        case Verb.CLEAN:
            return rules.vocabulary.clean(value, forbidden=forbidden, uid_of=rules.new_uid)
        case Verb.DEVICE:
            return rules.vocabulary.clean(value, forbidden=forbidden, software=True)
        case Verb.CODE_STRING:
            return rules.vocabulary.clean_code_string(value, forbidden=forbidden)
        case Verb.UNIT:
            return rules.vocabulary.clean_unit(value, forbidden=forbidden)
        case Verb.CHARACTER_SET:
            return rules.vocabulary.clean_character_set(value)
        case Verb.NUMBER_TEXT:
            own = value if value.isdigit() and len(value) >= OWN_DIGITS else ""
            return "" if own and own in forbidden else number_text(value)
        case Verb.AGE:
            return age(value, cap_years=rules.policy.age_cap_years)
        case Verb.SEX:
            return value if value in SEXES else ""
        case Verb.LABEL:
            label = short_label(value) if value.lower() not in names_in(forbidden) else ""
            return label or f"S{rules.keys.mac('label', value).hex()[:8].upper()}" * bool(value)
        case _:
            return value


def fallback_bytes(plan: Plan) -> bytes | None:
    """What X, Z or D leaves of a value: None when the element goes, empty or a dummy otherwise."""
    return {"X": None, "Z": b""}.get(plan.fallback, dummy(plan.vr))
