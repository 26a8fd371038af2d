"""The benchmark's answer key: an SQLite table with a row per instance, and in each row the actions it requires as JSON.

Table `answer_data`, columns Modality, SOPClassUID, PatientID, StudyInstanceUID, SeriesInstanceUID, SOPInstanceUID and
AnswerData (the released keys have `index`, `group` and `Digest` too). AnswerData is an object of objects, each one required
action: action, tag_ds (the place), value, action_text, answer_category_v2; texts stand between `<` and `>`.
Layout as CBIIT/MIDI_validation_script reads it (seen 2026-11-24).
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode

TABLE = "answer_data"
COLUMNS = ("Modality", "SOPInstanceUID", "AnswerData")
"""What is read of a row; the benchmark's own script finds an instance by SOPInstanceUID alone."""


class Action(StrEnum):
    """What a de-identifier must have done."""

    TAG_RETAINED = "tag_retained"
    """The attribute is there."""
    TEXT_NOTNULL = "text_notnull"
    """The attribute is there and has a value."""
    TEXT_RETAINED = "text_retained"
    """The attribute holds the text."""
    TEXT_REMOVED = "text_removed"
    """The attribute holds no word of the text, or is gone."""
    DATE_SHIFTED = "date_shifted"
    """The attribute does not hold the old date, or is gone."""
    UID_CHANGED = "uid_changed"
    """The attribute does not hold the old UID, or is gone."""
    PIXELS_HIDDEN = "pixels_hidden"
    """A box of the image shows its text no more."""
    PIXELS_RETAINED = "pixels_retained"
    """Pixel Data is byte for byte the expected one (MD5)."""
    UID_CONSISTENT = "uid_consistent"
    """The attribute holds the UID that uid_mapping.csv names, or is gone."""
    PATID_CONSISTENT = "patid_consistent"
    """The attribute holds the PatientID that patid_mapping.csv names, or is gone."""


KEEPING = frozenset(
    {
        Action.TAG_RETAINED,
        Action.TEXT_NOTNULL,
        Action.TEXT_RETAINED,
        Action.PIXELS_RETAINED,
        Action.UID_CONSISTENT,
        Action.PATID_CONSISTENT,
    }
)
"""Actions that the published script fails for an instance missing in the output; it passes the others."""

_FIXED = {
    Action.DATE_SHIFTED: "hipaa HIPAA-C",
    Action.UID_CHANGED: "hipaa HIPAA-R",
    Action.PIXELS_HIDDEN: "hipaa HIPAA-A",
    Action.PATID_CONSISTENT: "dicom DICOM-P15-BASIC-C",
    Action.UID_CONSISTENT: "dicom DICOM-P15-BASIC-U",
    Action.PIXELS_RETAINED: "tcia TCIA-P15-PIX-K",
}
_BY_CODE = {
    Action.TAG_RETAINED: ("dicom.iod",),
    Action.TEXT_NOTNULL: ("dicom.iod",),
    Action.TEXT_REMOVED: ("hipaa.m", "hipaa.z", "tcia.p15", "tcia.ptkb", "tcia.rev"),
    Action.TEXT_RETAINED: ("tcia.p15", "tcia.ptkb", "tcia.rev"),
}
"""The category is the first of these codes that the key gives."""
_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._/-]{0,39}")
UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Required:
    """One required action; `action` is None when the key names one that the benchmark's script does not know."""

    action: Action | None
    place: str | None
    value: str | None
    text: str | None
    category: str


@dataclass(frozen=True, slots=True)
class Instance:
    """What one instance's row requires."""

    modality: str
    sop_instance_uid: str
    required: tuple[Required, ...]


def read_answer_key(path: Path) -> Iterator[Instance]:
    """Every instance of the key, one at a time: the released keys do not fit into memory.

    Raises:
        MyofedError: ANSWER_KEY_INVALID, no such table or columns, or a row that is not as described; quotes no value.
    """
    if not path.is_file():
        raise _invalid("found no file")
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as connection:
            names = {row[1] for row in connection.execute(f"PRAGMA table_info({TABLE})")}
            if missing := [name for name in COLUMNS if name not in names]:
                raise _invalid(f"found no column {', '.join(missing)} in table {TABLE}")
            query = f"SELECT {', '.join(COLUMNS)} FROM {TABLE} ORDER BY rowid"  # noqa: S608  constants of ours
            for number, row in enumerate(connection.execute(query), start=1):
                yield _instance(row, number)
    except sqlite3.Error as error:
        raise _invalid("found no SQLite database") from error


def _instance(row: tuple[object, ...], number: int) -> Instance:
    modality, uid, content = row
    if not isinstance(uid, str) or not isinstance(content, str):
        raise _invalid(f"found no text in row {number}")
    try:
        answers = json.loads(content)
    except ValueError as error:
        raise _invalid(f"found no JSON in row {number}") from error
    if not isinstance(answers, dict) or not all(isinstance(answer, dict) for answer in answers.values()):
        raise _invalid(f"found no object of objects in row {number}")
    code = modality if isinstance(modality, str) and _CODE.fullmatch(modality) else UNKNOWN
    return Instance(code, uid, tuple(_required(answer) for answer in answers.values()))


def _required(answer: Mapping[str, object]) -> Required:
    name = unwrapped(answer.get("action"))
    action = Action(name) if name in set(Action) else None
    return Required(
        action=action,
        place=_place(answer),
        value=unwrapped(answer.get("value")),
        text=unwrapped(answer.get("action_text")),
        category=category_of(action, answer.get("answer_category_v2")),
    )


def _place(answer: Mapping[str, object]) -> str | None:
    found = answer.get("tag_ds") or answer.get("tag")
    return found.lower() if isinstance(found, str) else None


def unwrapped(value: object) -> str | None:
    """The text without its `<` and `>`; None when there is none."""
    if not isinstance(value, str):
        return None
    return value[1:-1] if len(value) > 1 and value[0] == "<" and value[-1] == ">" else value


def category_of(action: Action | None, codes: object) -> str:
    """Family and code that the published report counts this action under; "unknown" when the key gives none.

    Args:
        action: The required action.
        codes: answer_category_v2, nested ({"hipaa": {"z": ...}}) or flat ({"hipaa.z": ...}).
    """
    if action in _FIXED:
        return _FIXED[action]
    for name in _BY_CODE.get(action, ()) if action else ():
        code = _code(codes, name)
        if code:
            return f"{name.partition('.')[0]} {code}"
    return UNKNOWN


def _code(codes: object, name: str) -> str:
    if not isinstance(codes, dict):
        return ""
    family, _, field = name.partition(".")
    nested = codes.get(family)
    code = nested.get(field) if isinstance(nested, dict) else codes.get(name)
    return code if isinstance(code, str) and _CODE.fullmatch(code) else ""


def _invalid(found: str) -> MyofedError:
    return MyofedError(
        "ANSWER_KEY_INVALID",
        f"expected an answer key of MIDI-B (SQLite, table {TABLE}), {found}",
        hint="docs/midi-b.md says where the keys are; unpack the ZIP file first",
        exit_code=ExitCode.USAGE,
    )
