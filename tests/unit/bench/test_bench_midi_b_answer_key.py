"""The answer key: what is read of it, and what is refused."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from bench.midi_b.answer_key import Action, category_of, read_answer_key, unwrapped

from myofed_schemas.errors import MyofedError

UID = "1.2.3"


def key_with(folder: Path, content: object, *, uid: object = UID, modality: object = "MR") -> Path:
    path = folder / "key.db"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE answer_data (Modality TEXT, PatientID INTEGER, SOPInstanceUID, AnswerData)")
        connection.execute("INSERT INTO answer_data VALUES (?, 31780971, ?, ?)", (modality, uid, content))
    return path


def test_an_action_is_read_with_place_texts_and_category(tmp_path: Path) -> None:
    """One object of AnswerData becomes one required action; brackets around texts are taken off."""
    answer = {
        "tag_ds": "<(0008,103E)>",
        "value": "<a>",
        "action": "<text_removed>",
        "action_text": "<b>",
        "answer_category_v2": {"hipaa": {"z": "HIPAA-A"}},
    }
    (instance,) = read_answer_key(key_with(tmp_path, json.dumps({"0": answer})))
    (required,) = instance.required
    assert (instance.modality, instance.sop_instance_uid) == ("MR", UID)
    assert (required.action, required.place, required.value) == (Action.TEXT_REMOVED, "<(0008,103e)>", "a")
    assert (required.text, required.category) == ("b", "hipaa HIPAA-A")


def test_the_place_is_read_from_tag_where_tag_ds_is_missing(tmp_path: Path) -> None:
    """Keys name the place twice; one is enough."""
    answer = {"tag": "<(0008,0020)>", "action": "<tag_retained>"}
    (instance,) = read_answer_key(key_with(tmp_path, json.dumps({"0": answer})))
    assert instance.required[0].place == "<(0008,0020)>"


def test_an_unknown_action_is_kept_as_unknown(tmp_path: Path) -> None:
    """An action that a later key may bring is counted as required, never dropped."""
    (instance,) = read_answer_key(key_with(tmp_path, json.dumps({"0": {"action": "<text_sung>"}})))
    assert instance.required[0].action is None


def test_a_modality_that_is_no_code_is_unknown(tmp_path: Path) -> None:
    """What stands in the column goes into the report, so it must be a code."""
    (instance,) = read_answer_key(key_with(tmp_path, "{}", modality="<MR>\n"))
    assert instance.modality == "unknown"


@pytest.mark.parametrize("content", ["no JSON", "[1]", '{"0": 1}', None])
def test_a_row_that_is_not_as_described_is_refused(tmp_path: Path, content: object) -> None:
    """A key of another layout is refused, not guessed at, and its content is not quoted."""
    with pytest.raises(MyofedError, match="row 1") as raised:
        list(read_answer_key(key_with(tmp_path, content)))
    assert raised.value.code == "ANSWER_KEY_INVALID"


def test_a_table_without_the_columns_is_refused(tmp_path: Path) -> None:
    """The message names the columns that are missing."""
    path = tmp_path / "key.db"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE answer_data (Modality TEXT)")
    with pytest.raises(MyofedError, match="SOPInstanceUID, AnswerData"):
        list(read_answer_key(path))


def test_a_missing_key_is_refused(tmp_path: Path) -> None:
    """SQLite would make an empty database; we do not."""
    with pytest.raises(MyofedError, match="found no file"):
        list(read_answer_key(tmp_path / "none.db"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("action", "codes", "category"),
    [
        (Action.DATE_SHIFTED, {}, "hipaa HIPAA-C"),
        (Action.UID_CHANGED, {}, "hipaa HIPAA-R"),
        (Action.PIXELS_HIDDEN, {}, "hipaa HIPAA-A"),
        (Action.PATID_CONSISTENT, {}, "dicom DICOM-P15-BASIC-C"),
        (Action.UID_CONSISTENT, {}, "dicom DICOM-P15-BASIC-U"),
        (Action.PIXELS_RETAINED, {}, "tcia TCIA-P15-PIX-K"),
        (Action.TAG_RETAINED, {"dicom": {"iod": "IOD-1"}}, "dicom IOD-1"),
        (Action.TEXT_NOTNULL, {"dicom.iod": "IOD-2"}, "dicom IOD-2"),
        (Action.TEXT_REMOVED, {"hipaa": {"z": "Z", "m": "M"}, "tcia": {"rev": "R"}}, "hipaa M"),
        (Action.TEXT_REMOVED, {"hipaa": {"z": None}, "tcia": {"rev": "R"}}, "tcia R"),
        (Action.TEXT_RETAINED, {"hipaa": {"z": "Z"}, "tcia": {"ptkb": "K", "rev": "R"}}, "tcia K"),
        (Action.TEXT_RETAINED, {"tcia": {"p15": "free text that goes on and on, with a name in it"}}, "unknown"),
        (Action.TEXT_RETAINED, None, "unknown"),
        (None, {"tcia": {"p15": "P"}}, "unknown"),
    ],
)
def test_an_action_counts_under_the_published_category(action: Action | None, codes: object, category: str) -> None:
    """The published report's rule: a fixed category, or the first code that the key gives."""
    assert category_of(action, codes) == category


@pytest.mark.parametrize(("text", "found"), [("<a>", "a"), ("a", "a"), ("<", "<"), ("<>", ""), (None, None), (7, None)])
def test_brackets_are_taken_off(text: object, found: str | None) -> None:
    """Texts stand between brackets; what is no text is none."""
    assert unwrapped(text) == found
