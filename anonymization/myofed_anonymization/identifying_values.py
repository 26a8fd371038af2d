"""What in an input file identifies a person, a place or a device: gathered by VR and by the standard's table alone.

This module and verify.py share no code with the actions: they read with pydicom's own decoding and know nothing of plans.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Self

from pydicom.datadict import dictionary_has_tag, dictionary_VR, private_dictionary_VR
from pydicom.dataset import Dataset
from pydicom.tag import BaseTag

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

Path = tuple[int, ...]
"""Tags and item numbers from the top of the data set, in turn; the last is the element's tag."""


@dataclass(frozen=True, slots=True)
class Common:
    """What the policy lets anyone say: texts made of it alone identify nobody."""

    words: frozenset[str]
    forms: re.Pattern[str]

    @classmethod
    def from_policy(cls, policy: Policy) -> Self:
        """The policy's words and forms of words."""
        return cls(policy.words() | {OWN_WORD}, re.compile("|".join(policy.word_forms) or r"(?!)"))

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


def vr_of(dataset: Dataset, tag: BaseTag) -> str:
    """The VR in the file; in implicit VR files that of the dictionary, with private elements decoded by pydicom's."""
    element = dataset.get_item(tag)
    if element.VR is not None and not (element.VR == "UN" and dictionary_has_tag(tag)):
        return str(element.VR)
    if tag.is_private:
        return _private_vr(dataset, tag)
    return dictionary_VR(tag) if dictionary_has_tag(tag) else "UN"


def _private_vr(dataset: Dataset, tag: BaseTag) -> str:
    creator = BaseTag((tag.group << 16) | (tag.elem >> 8))
    if tag.is_private_creator or creator not in dataset:
        return "LO" if tag.is_private_creator else "UN"
    try:
        return private_dictionary_VR(tag, str(dataset[creator].value))
    except KeyError:
        return "UN"


def elements_of(dataset: Dataset, *, path: Path = ()) -> Iterator[tuple[Path, Dataset, BaseTag, str]]:
    """Every element at every depth as (path, its data set, tag, VR); a sequence comes before its items' elements."""
    for tag in list(dataset.keys()):
        vr = vr_of(dataset, tag)
        yield (*path, int(tag)), dataset, tag, vr
        if vr == "SQ" and dataset[tag].VR == "SQ":
            for number, item in enumerate(dataset[tag].value):
                yield from elements_of(item, path=(*path, int(tag), number))


def texts_of(dataset: Dataset, tag: BaseTag) -> list[str]:
    """The decoded values of one text element, stripped, empty ones left out."""
    element = dataset[tag]
    several = element.VM > 1 and not isinstance(element.value, str)
    values = list(element.value) if several else [element.value]
    return [text for one in values if one is not None and (text := str(one).strip(" \0"))]


def identifying_values(original: Dataset) -> Identifying:
    """All identifying values at any depth: PN, UI, DA, DT everywhere (private too), and text that Table E.1-1 or no IOD names."""
    found = Identifying()
    profile = load_profile()
    for _, dataset, tag, vr in elements_of(original):
        if vr not in DECODED_VRS:
            continue
        values = texts_of(dataset, tag)
        if vr == "PN" or tag in PERSONAL:
            found.personal.update(values)
        elif vr == "UI":
            found.uids.update(value for value in values if not value.startswith(REGISTERED))
        elif vr in {"DA", "DT"}:
            found.dates.update(
                digits for value in values if re.fullmatch(r"\d{8}", digits := value.replace(".", "")[:8])
            )
        elif not tag.is_private and (tag in profile.confidentiality or not profile.knows(tag)):
            found.texts.update(values)
    return found
