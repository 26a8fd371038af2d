"""What a released mutant still says of the identities planted in the files it came from, and of those it makes up itself.

Sought, in any case and in the encodings of `planted.search`, are (a) every planted text and UID of every seed, (b) the values
that pydicom finds in the mutant's own PN and ID elements, and their words of six letters or more that the policy's vocabulary
does not have, (c) its own UIDs below no registered root, (d) its dates, in their place or spelled out. Uncompressed Pixel Data
is not searched, as the verification does not search it.

Two places are the stated limits of docs/deidentification.md and are counted apart, where the mutant has moved a planted value
out of every PN or ID element of its own: digits in an element for numbers, and one word in a code string.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from io import BytesIO

from planted.plants import Place
from planted.search import DAMAGED, Index, elements, spellings, texts_of
from pydicom import config, dcmread
from pydicom.datadict import dictionary_has_tag, dictionary_VR
from pydicom.dataset import FileDataset

from myofed_anonymization import default_policy
from proofs.mutant_seeds import PIXEL_DATA, seeds

SHORT = 6
IDS = frozenset({0x00100020, 0x00101000, 0x00080050, 0x00101001, 0x00101005, 0x00101040, 0x00101060, 0x00102154})
"""PatientID, OtherPatientIDs, AccessionNumber, names, address and telephone number of the patient."""
NUMBERS = frozenset({"DS", "IS", "FL", "FD", "SL", "SS", "UL", "US", "SV", "UV", "AT", "OW", "OB"})
UNCOMPRESSED = frozenset({"1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"})
REGISTERED = "1.2.840.10008."
DUMMY_DATE = "19000101"
_DATE = re.compile(r"(19|20)\d\d(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])")

Row = tuple[Place, str, list[str]]
"""Place, VR and texts of an element."""


@dataclass(slots=True)
class Judgement:
    """What is wrong with one released mutant, in words without any value, and hits within a stated limit by its name."""

    faults: list[str] = field(default_factory=list)
    limits: list[str] = field(default_factory=list)


def judge_mutant(original: bytes, written: bytes, *, dates: Iterable[str]) -> Judgement:
    """A released mutant beside its own input.

    Args:
        original: The mutant.
        written: What was released of it.
        dates: Planted in the file that the mutant was made of (YYYYMMDD).
    """
    found = Judgement()
    with config.disable_value_validation():
        try:
            dataset = dcmread(BytesIO(written))
            searched = _searched(dataset, written)
            after = [(place, vr, texts_of(value)) for place, vr, value in _strictly(dataset) if place != (PIXEL_DATA,)]
        except DAMAGED as error:
            found.faults.append(f"pydicom cannot read it: {type(error).__name__}")
            return found
        before = _readable(original)
    own = _own_values(before)
    lower = searched.lower()
    texts = "\n".join(
        part for _, _, values in after for value in values for part in (value.lower(), _bare(value.lower()))
    ).encode()
    hits = {str(needle) for content in (lower, texts) for _, needle in planted_index().hits(content)}
    hits |= {value for value in own if value.encode() in texts or any(form in lower for form in _forms(value))}
    for value in sorted(hits):
        limit = _limit(value, after, own)
        if limit:
            found.limits.append(limit)
        else:
            found.faults.append(f"a value of {len(value)} characters stands in {_where(value, after)}")
    _judge_dates(found, before, after, lower, planted=dates)
    return found


def _readable(original: bytes) -> list[Row]:
    """The elements of the mutant; none where pydicom cannot read what our own reader can (the planted texts are sought all the same)."""
    try:
        dataset = dcmread(BytesIO(original), force=True)
    except DAMAGED:
        return []
    return [(place, vr, texts_of(value)) for place, vr, value in elements(dataset)]


@lru_cache(maxsize=1)
def planted_index() -> Index:
    """Every planted text of every seed, to be found in bytes at once."""
    return Index.of(word.lower() for seed in seeds() for word in seed.words if len(word) >= SHORT)


def _strictly(dataset: FileDataset) -> Iterator[tuple[Place, str, object]]:
    """Every element; one that pydicom cannot decode is raised."""
    for element in dataset.iterall():
        element.value  # noqa: B018  decoded by being looked at
    yield from elements(dataset)


def _searched(dataset: FileDataset, written: bytes) -> bytes:
    """The bytes of the file without uncompressed Pixel Data."""
    element = dataset.get_item(PIXEL_DATA)
    if element is None or str(dataset.file_meta.TransferSyntaxUID) not in UNCOMPRESSED:
        return written
    return written[: element.value_tell] + written[element.value_tell + element.length :]


def _own_values(before: list[Row]) -> set[str]:
    """What identifies in the mutant itself: values and words of its PN and ID elements, and its UIDs; lower case."""
    found: set[str] = set()
    words = default_policy().words() | {"removed", "patient", "profile"}
    for place, vr, values in before:
        for value in values:
            text = value.strip(" \0").lower()
            if vr == "UI" and not text.startswith(REGISTERED):
                found.add(text)
            elif (vr == "PN" and not _is_time(place[-1])) or place[-1] in IDS:
                found |= {text, *(word for word in re.split(r"[\W_]+", text) if word not in words)} - words
    return {value for value in found if len(value) >= SHORT}


def _is_time(tag: int) -> bool:
    """Whether the dictionary has the attribute as a date or time, whatever VR letters it was given."""
    return dictionary_has_tag(tag) and dictionary_VR(tag) in {"DA", "DT", "TM"}


def _forms(value: str) -> set[bytes]:
    forms = {value.encode("utf-8", "surrogatepass"), value.encode("utf-16-le", "surrogatepass")}
    return forms | ({value.encode("latin-1")} if all(ord(letter) < 256 for letter in value) else set())


def _bare(text: str) -> str:
    return re.sub(r"[\W_]+", "", text)


def _limit(value: str, after: list[Row], own: set[str]) -> str:
    """The stated limit within which this hit lies; empty where there is none."""
    if any(value in one for one in own):
        return ""
    places = _rows(value, after)
    if places and all(vr in NUMBERS for _, vr, _ in places) and re.fullmatch(r"[0-9.]+", value):
        return "digits in an element for numbers"
    if places and all(vr == "CS" for _, vr, _ in places):
        return "one word in a code string"
    return ""


def _rows(value: str, after: list[Row]) -> list[Row]:
    return [
        row for row in after if any(value in form for text in row[2] for form in (text.lower(), _bare(text.lower())))
    ]


def _where(value: str, after: list[Row]) -> str:
    places = [
        f"{vr} {'/'.join(f'{step:08x}' if step > 0xFFFF else str(step) for step in place)}"
        for place, vr, _ in _rows(value, after)
    ]
    return ", ".join(places[:3]) or "bytes of no element"


def _judge_dates(
    found: Judgement, before: list[Row], after: list[Row], lower: bytes, *, planted: Iterable[str]
) -> None:
    """Dates that stand in their own place, or spelled out in anything but a date element, are noted."""
    old = {place: {text[:8] for text in texts} for place, vr, texts in before if vr in {"DA", "DT"}}
    new = [(place, {text[:8] for text in texts}) for place, vr, texts in after if vr in {"DA", "DT"}]
    for place, dates in new:
        if any(_DATE.fullmatch(date) for date in dates & old.get(place, set()) - {DUMMY_DATE}):
            found.faults.append(f"a date stands unchanged in {place[-1]:08x}")
    explained = {date for _, dates in new for date in dates} | {DUMMY_DATE}
    own = {date for dates in old.values() for date in dates if _DATE.fullmatch(date)}
    for date in sorted(own | set(planted)):
        for spelling in spellings(date):
            seen = spelling.encode() in lower and not (spelling == date and date in explained)
            if not seen or not re.search(rb"(?<![0-9.])" + re.escape(spelling.encode()), lower):
                continue
            if limit := _limit(spelling, after, own):
                found.limits.append(limit)
            else:
                found.faults.append(f"a date is spelled out in {_where(spelling, after)}")
