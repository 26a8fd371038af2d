"""What in an input file identifies a person, a place or a device: gathered by VR and by the standard's table alone.

This module and verify.py share no code with the actions: they read with pydicom's own decoding and know nothing of plans.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from pydicom.datadict import dictionary_has_tag, dictionary_VR
from pydicom.dataset import Dataset
from pydicom.tag import BaseTag

from myofed_anonymization.profile import load_profile

REGISTERED = "1.2.840.10008."
PERSONAL = frozenset({0x00100020, 0x00101000, 0x00080050, 0x00101001, 0x00101040, 0x00102154})
"""PatientID, OtherPatientIDs, AccessionNumber, OtherPatientNames, PatientAddress, telephone: treated like names."""
TEXT_VRS = frozenset({"LO", "SH", "ST", "LT", "UT", "UC", "AE", "UR"})
DECODED_VRS = TEXT_VRS | {"PN", "UI", "DA", "DT"}

Path = tuple[int, ...]
"""Tags and item numbers from the top of the data set, in turn; the last is the element's tag."""


@dataclass(slots=True)
class Identifying:
    """One file's identifying values: names and identifiers of the person, other texts, UIDs, dates (YYYYMMDD)."""

    personal: set[str] = field(default_factory=set)
    texts: set[str] = field(default_factory=set)
    uids: set[str] = field(default_factory=set)
    dates: set[str] = field(default_factory=set)

    def words(self) -> frozenset[str]:
        """The words of names and identifiers, lower case, two characters or more; digits alone, four or more."""
        found = {word.lower() for value in self.personal for word in re.split(r"[\W_]+", value)}
        return frozenset(word for word in found if len(word) >= (4 if word.isdigit() else 2))


def vr_of(dataset: Dataset, tag: BaseTag) -> str:
    """The VR in the file; in implicit VR files that of the dictionary, with private elements decoded by pydicom's."""
    element = dataset.get_item(tag)
    if element.VR is not None and not (element.VR == "UN" and dictionary_has_tag(tag)):
        return str(element.VR)
    if tag.is_private:
        return str(dataset[tag].VR)
    return dictionary_VR(tag) if dictionary_has_tag(tag) else "UN"


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
    value = dataset[tag].value
    values = [value] if value is None or isinstance(value, str) or not hasattr(value, "__iter__") else list(value)
    values = [str(value)] if dataset[tag].VR == "PN" and hasattr(value, "family_name") else values
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
