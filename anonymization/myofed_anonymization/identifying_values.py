"""What in an input file identifies a person, a place or a device: gathered by VR and by the standard's table alone.

This module and verify.py share no code with the actions: they read the bytes with element_reader.py and know nothing of plans.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal, Self

from pydicom.uid import UID

from myofed_anonymization.element_reader import Content, is_private, texts_of
from myofed_anonymization.policy import Policy
from myofed_anonymization.profile import load_profile

SQUEEZED = 6
"""Below this length letters and digits run together by chance when the signs between them are left out."""
OWN_WORD = "removed"
"""What we write in place of a value."""
REGISTERED = "1.2.840.10008."
PERSONAL = frozenset({0x00100020, 0x00101000, 0x00080050, 0x00101001, 0x00101040, 0x00102154})
"""PatientID, OtherPatientIDs, AccessionNumber, OtherPatientNames, PatientAddress, telephone: treated like names."""
TEXT_VRS = frozenset({"LO", "SH", "ST", "LT", "UT", "UC", "AE", "UR"})
DECODED_VRS = TEXT_VRS | {"PN", "UI", "DA", "DT"}
OURS = frozenset({0x00020012, 0x00020013})
"""ImplementationClassUID and ImplementationVersionName: of the software that wrote a file, which may be ours."""


@dataclass(frozen=True, slots=True)
class Common:
    """What the policy lets anyone say: texts made of it alone identify nobody."""

    words: frozenset[str]
    forms: re.Pattern[str]
    uids_stay: bool = False

    @classmethod
    def from_policy(cls, policy: Policy) -> Self:
        """The policy's words and forms of words, and whether it retains UIDs."""
        return cls(policy.words() | {OWN_WORD}, re.compile("|".join(policy.word_forms) or r"(?!)"), policy.retain_uids)

    def covers(self, value: str) -> bool:
        """Whether every word of the value is common."""
        parts = [part for part in re.split(r"[^\w.]+|_+", value.lower()) if part.strip(".")]
        return all(part in self.words or self.forms.fullmatch(part) for part in parts)


@dataclass(slots=True)
class Identifying:
    """One file's identifying values: names and identifiers of the person, other texts, UIDs, dates (YYYYMMDD)."""

    personal: set[str] = field(default_factory=set)
    texts: set[str] = field(default_factory=set)
    uids: set[str] = field(default_factory=set)
    dates: set[str] = field(default_factory=set)

    def words(self) -> frozenset[str]:
        """The words of names and identifiers, lower case, without those too short to tell from a count or a code."""
        found = {word.lower() for value in self.personal for word in re.split(r"[\W_]+", value)}
        return frozenset(word for word in found if not is_too_short(word))

    def squeezed(self) -> frozenset[str]:
        """The whole names and identifiers, letters and digits only, in lower case, where six or more remain."""
        found = {re.sub(r"[\W_]+", "", value.lower()) for value in self.personal}
        return frozenset(value for value in found if len(value) >= SQUEEZED)

    def values(self, common: Common) -> frozenset[str]:
        """The whole names, identifiers and texts to look for, lower case; a text of common words alone is none of them."""
        texts = {value for value in self.texts if not common.covers(value)}
        return frozenset(value.lower() for value in self.personal | texts if not is_too_short(value))


def is_too_short(value: str) -> bool:
    """Whether the value is one character, or a number below four digits: no one can tell it from a code or a count."""
    return len(value) < (4 if value.isdigit() else 2)


@lru_cache(maxsize=4096)
def _is_listed(uid: str) -> bool:
    """Whether the UID is one of PS3.6's own."""
    return uid.startswith(REGISTERED) and UID(uid).name != uid


def identifying_values(original: Content, *, uids_stay: bool = False) -> Identifying:
    """All identifying values at any depth: PN, UI, DA, DT everywhere (private too), and text that Table E.1-1 or no IOD names.

    Args:
        original: The input, as the verification's own reader has it; its meta information counts.
        uids_stay: The policy retains UIDs: they are none of the values to look for.
    """
    found = Identifying()
    for element in (*original.meta, *original.elements.values()):
        kind = _kind(element.tag, element.vr) if element.value else ""
        if not kind:
            continue
        values = texts_of(element)  # of what identifies nobody, too: a text that cannot be decoded withholds the file
        if kind == "personal":
            found.personal.update(values)
        elif kind == "uids":
            found.uids.update(value for value in values if not (uids_stay or _is_listed(value)))
        elif kind == "dates":
            found.dates.update(
                digits for value in values if re.fullmatch(r"\d{8}", digits := value.replace(".", "")[:8])
            )
        elif kind == "texts":
            found.texts.update(values)
    return found


@lru_cache(maxsize=8192)
def _kind(tag: int, vr: str) -> Literal["", "personal", "uids", "dates", "texts", "harmless"]:
    """What the element's values are taken for; nothing for those that are no text or our own."""
    profile = load_profile()
    if vr not in DECODED_VRS or tag in OURS:
        return ""
    if vr == "PN" or tag in PERSONAL:
        return "personal"
    if vr == "UI":
        return "uids"
    if vr in {"DA", "DT"}:
        return "dates"
    listed = not is_private(tag) and (tag in profile.confidentiality or not profile.knows(tag))
    return "texts" if listed else "harmless"
