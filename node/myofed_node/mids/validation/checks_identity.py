"""Named checks for what may lead back to a person: keys, dates, original UIDs, texts in headers. None repeats what it found."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from myofed_node.mids.validation.checks import ENTRY, FILE, NIFTI, Found
from myofed_node.mids.validation.dataset_tree import Region
from myofed_node.mids.validation.dataset_view import EntryView, FileView, NiftiView
from myofed_schemas.rules import Rule

_IDENTIFYING = re.compile(
    r"patient(?!position)|othernames|otherids|birth|physician|operator|institution|address|accession|telephone|phonenumber|"
    r"occupation|deviceserial|stationname|medicalrecord|insurance|ethnic|religio|"
    r"(study|series|acquisition|content|instancecreation|procedurestepstart)(date|time)|comments|"
    r"^(age|sex|gender|weight|height|birthday|mrn)$|^(study|series|sop|frameofreference)[a-z]*uid$"
)
"""Keys as the reference implementation, dcm2niix and others write them, in lower case without separators; after PS3.15 Table E.1-1."""
_AGE_OR_SEX = re.compile(r"(^|[_ -])(age|sex|Age|Sex|AGE|SEX)$|[a-z](Age|Sex)$")
_SEPARATORS = re.compile(r"[^a-z0-9]")
_DAY = r"(0[1-9]|[12][0-9]|3[01])"
_MONTH = r"(0[1-9]|1[0-2])"
_YEAR = r"(19|20)[0-9]{2}"
_NAMED_MONTH = r"(jan|feb|m[aä]r|apr|ma[iy]|jun|jul|aug|sep|o[ck]t|nov|de[cz])[a-zä]{0,6}"
_TIME = r"([T_ ]?[0-2][0-9]:?[0-5][0-9](:?[0-5][0-9])?(\.[0-9]+)?)?([+-][0-9]{4}|Z)?"
_COMPACT = f"{_YEAR}{_MONTH}{_DAY}"
_WITH_SEPARATORS = (
    rf"{_YEAR}[-/]{_MONTH}[-/]{_DAY}|{_DAY}[-./]{_MONTH}[-./]{_YEAR}|{_MONTH}/{_DAY}/{_YEAR}|"
    rf"[0-9]{{1,2}}[. -]{{1,2}}{_NAMED_MONTH}[. ,-]{{1,2}}{_YEAR}|{_NAMED_MONTH}[. ]{{1,2}}[0-9]{{1,2}}[, ]{{1,2}}{_YEAR}"
)
_DATE = re.compile(rf"(?<![0-9A-Za-z.])(({_COMPACT}){_TIME}|({_WITH_SEPARATORS}))(?![0-9A-Za-z])", re.IGNORECASE)
"""Not inside a word (a digest has such digits by chance) and not behind a full stop (version 1.0.20260724 of a tool)."""
_DATE_IN_ISO_TIME = re.compile(rf"(?<![0-9A-Za-z.]){_YEAR}-{_MONTH}-{_DAY}T")
_DATE_IN_NAME = re.compile(
    rf"(?<![0-9])({_COMPACT}([0-2][0-9][0-5][0-9]([0-5][0-9])?)?|{_YEAR}-{_MONTH}-{_DAY})(?![0-9])"
)
"""In a name every run of eight digits that is a date counts."""
_FOREIGN_UID = re.compile(r"(?<![0-9.])(?!1\.2\.840\.10008\.|2\.25\.)[0-2](\.(0|[1-9][0-9]*)){6,}(?![0-9.])")
"""Seven numbers and more with full stops; the standard's own UIDs (1.2.840.10008) and random ones (2.25) name no scanner."""


def _has_date(text: str) -> bool:
    return _DATE.search(text) is not None or _DATE_IN_ISO_TIME.search(text) is not None


def _is_exempt(file: FileView) -> bool:
    """Our own reports carry the time of the run, and nothing of an examination; a forbidden file is told as a whole."""
    report = file.region is Region.TOP and file.path.name.endswith("-report.json")
    return report or file.is_forbidden_by_name


def _values(file: FileView) -> Iterator[tuple[str, object]]:
    """Every key with None and every value with its key, at any depth; without recursion, because depth is the file's choice."""
    if file.json is None or _is_exempt(file):
        return
    waiting: list[tuple[str, object]] = [("the file", file.json.value)]
    while waiting:
        key, value = waiting.pop()
        if isinstance(value, Mapping):
            for name, item in value.items():
                yield name, None
                waiting.append((name, item))
        elif isinstance(value, list):
            waiting.extend((key, item) for item in value)
        else:
            yield key, value


def _is_identifying(key: str) -> bool:
    plain = _SEPARATORS.sub("", key.lower())
    return _IDENTIFYING.search(plain) is not None or _AGE_OR_SEX.search(key) is not None


@FILE.needs()
def no_identifying_key(file: FileView, _rule: Rule) -> Found:
    """No key of a JSON file, at any depth, and no column of a table tells who, where or when."""
    keys = {key for key, value in _values(file) if value is None} | set(file.table[0] if file.table else ())
    return tuple(sorted(key for key in keys if _is_identifying(key)))


@FILE.needs()
def no_date(file: FileView, _rule: Rule) -> Found:
    """No text and no number of eight digits is, or holds, a date; key or column is named, not the value."""
    found = set()
    for key, value in _values(file):
        if _has_date(key):
            found.add("one in a key")
        elif isinstance(value, str | int) and not isinstance(value, bool) and _has_date(str_of(value)):
            found.add(f"one in {key}")
    for row in file.table:
        found |= {f"one in column {number}" for number, cell in enumerate(row, start=1) if _has_date(cell)}
    return tuple(sorted(found))


def str_of(value: str | int) -> str:
    """The text of a value; a number of more than fourteen digits is no date."""
    return value if isinstance(value, str) else str(value) if abs(value) < 10**14 else ""


@FILE.needs()
def no_foreign_uid(file: FileView, _rule: Rule) -> Found:
    """No text holds a UID that a scanner or PACS gave."""
    holders = {key for key, value in _values(file) if isinstance(value, str) and _FOREIGN_UID.search(value)}
    return tuple(f"one in {key}" for key in sorted(holders))


@ENTRY.needs()
def name_has_no_date(view: EntryView, _rule: Rule) -> Found:
    """The name of the file or folder holds no date."""
    return ("one",) if _DATE_IN_NAME.search(view.entry.path.name) else ()


@NIFTI.needs()
def header_has_no_date(image: NiftiView, _rule: Rule) -> Found:
    """No text field of the header and no extension holds a date."""
    texts = dict(image.header.texts) if image.header else {}
    texts |= {"an extension": image.extension.decode("latin-1")}
    return tuple(name for name, text in texts.items() if _has_date(text))


@NIFTI.needs()
def header_has_no_text(image: NiftiView, _rule: Rule) -> Found:
    """The header's text fields are empty; one that holds a date is told by that rule."""
    texts = image.header.texts if image.header else {}
    return tuple(name for name, text in texts.items() if not _has_date(text))


@NIFTI.needs()
def header_has_no_extension(image: NiftiView, _rule: Rule) -> Found:
    """Nothing stands between header and voxels."""
    return (f"{len(image.extension)} bytes",) if image.extension else ()
