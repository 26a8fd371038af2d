"""One value under its plan: from the bytes in the file to the bytes of the output."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from myofed_anonymization.actions import VERBATIM, Plan, Verb, age, dummy, number_text, plan_of, shifted, short_label
from myofed_anonymization.elements import WITHOUT_BACKSLASH, standard_vr
from myofed_anonymization.identity import Patient
from myofed_anonymization.keys import SiteKeys
from myofed_anonymization.policy import Policy
from myofed_anonymization.profile import Profile
from myofed_anonymization.text import Vocabulary, names_in
from myofed_anonymization.uids import new_uid

SEXES = frozenset({"M", "F", "O"})


@dataclass(frozen=True, slots=True)
class Rules:
    """What holds for every file of a run; `plans` remembers decisions by (IOD, parent sequence, tag)."""

    keys: SiteKeys
    policy: Policy
    profile: Profile
    vocabulary: Vocabulary
    plans: dict[tuple[str, int, int], Plan] = field(default_factory=dict)

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
    """What holds for one file: the rules, whose it is, its IOD and encoding; `counts` grows as elements are treated."""

    rules: Rules
    patient: Patient
    iod: str
    implicit: bool
    little: bool
    counts: Counter[str] = field(default_factory=Counter)


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


def _treated_value(value: str, *, plan: Plan, treatment: Treatment) -> str:  # noqa: PLR0911  one case a verb
    rules, forbidden = treatment.rules, treatment.patient.forbidden
    match plan.verb:
        case Verb.UID:
            return new_uid(rules.keys, value)
        case Verb.SHIFT:
            return shifted(value, vr=plan.vr, patient=treatment.patient)
        case Verb.CLEAN:
            return rules.vocabulary.clean(value, forbidden=forbidden)
        case Verb.DEVICE:
            return rules.vocabulary.clean(value, forbidden=forbidden, software=True)
        case Verb.CODE_STRING:
            return rules.vocabulary.clean_code_string(value, forbidden=forbidden)
        case Verb.NUMBER_TEXT:
            return number_text(value)
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
