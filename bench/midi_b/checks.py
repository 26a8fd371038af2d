"""One check an action: what the benchmark requires of one attribute of one released instance."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from pathlib import Path

import numpy as np
from pydicom import dcmread
from pydicom.dataset import Dataset

from bench.midi_b.answer_key import Action, Required
from bench.midi_b.mapping import Mappings
from bench.midi_b.places import UNREAD, is_place, texts_by_place
from bench.midi_b.reading import DAMAGED, quiet_pydicom
from bench.midi_b.texts import keeps, removes, values_of


class Verdict(StrEnum):
    """How one required action ended."""

    PASSED = "passed"
    FAILED = "failed"
    UNJUDGED = "unjudged"
    """The key gives too little to decide; counts as required and not passed, as a blank does in the published report."""
    WITHHELD = "withheld"
    """Its instance was not released."""
    ABSENT = "absent"
    """Its instance is not in the data folder."""


@dataclass(frozen=True)
class Released:
    """One released instance, read once."""

    dataset: Dataset
    mappings: Mappings

    @classmethod
    def open(cls, path: Path, *, mappings: Mappings) -> Released:
        """The instance in this file, its values not judged by pydicom."""
        with quiet_pydicom():
            return cls(dcmread(path), mappings)

    @cached_property
    def texts(self) -> dict[str, str]:
        """Every attribute's text by its place."""
        with quiet_pydicom():
            return texts_by_place(self.dataset)


def judge(required: Required, released: Released) -> Verdict:
    """Whether the released instance is as this action requires."""
    if required.action is None:
        return Verdict.UNJUDGED
    if required.action in _PIXELS:
        return _verdict(_PIXELS[required.action](required, released))
    if required.place is None or not is_place(required.place):
        return Verdict.UNJUDGED
    return _verdict(_TEXTS[required.action](released.texts.get(required.place), required, released.mappings))


def _verdict(passed: bool | None) -> Verdict:  # noqa: FBT001  a verdict of three
    if passed is None:
        return Verdict.UNJUDGED
    return Verdict.PASSED if passed else Verdict.FAILED


def _tag_retained(found: str | None, _: Required, __: Mappings) -> bool:
    return found is not None


def _text_notnull(found: str | None, _: Required, __: Mappings) -> bool:
    return bool(found)


def _text_retained(found: str | None, required: Required, _: Mappings) -> bool | None:
    if found is None:
        return False
    return None if required.text is None else keeps(found, required.text)


def _text_removed(found: str | None, required: Required, _: Mappings) -> bool | None:
    if not found or found == UNREAD:
        return True
    return None if required.text is None else removes(found, required.text)


def _no_old_value(found: str | None, required: Required, _: Mappings) -> bool | None:
    """Whether none of the old values (a date or a UID each) stands in the text; stricter than the script for several."""
    if not found:
        return True
    old = values_of(required.value or "")
    return all(value not in found for value in old) if old else None


def _uid_consistent(found: str | None, required: Required, mappings: Mappings) -> bool:
    """Whether the text holds the mapped UIDs, in their order; one that the mapping lacks is never right."""
    old = values_of(required.value or "")
    return found is None or values_of(found) == [mappings.uids.get(uid) for uid in old]


def _patid_consistent(found: str | None, required: Required, mappings: Mappings) -> bool:
    return found is None or found == mappings.patient_ids.get((required.value or "").strip())


def _pixels_retained(required: Required, released: Released) -> bool | None:
    if required.text is None:
        return None
    content = released.dataset.get("PixelData")
    return isinstance(content, bytes) and _md5(content) == required.text.strip().lower()


def _md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def _pixels_hidden(required: Required, released: Released) -> bool | None:
    """Whether the box is of one value; the published script reads it with OCR instead."""
    box = _box(required.text)
    if box is None:
        return None
    rows, columns = box
    try:
        with quiet_pydicom():
            pixels = released.dataset.pixel_array
            colours = released.dataset.SamplesPerPixel > 1
    except DAMAGED:
        return False
    inside = pixels[..., rows, columns, :] if colours else pixels[..., rows, columns, np.newaxis]
    return bool(np.all(inside == inside[..., :1, :1, :])) if inside.size else None


def _box(text: str | None) -> tuple[slice, slice] | None:
    try:
        answer = json.loads(text or "")
        (left, top), (right, bottom) = (answer[corner][:2] for corner in ("top_left", "bottom_right"))
        return slice(int(top), int(bottom)), slice(int(left), int(right))
    except (ValueError, KeyError, TypeError):
        return None


_TEXTS: dict[Action, Callable[[str | None, Required, Mappings], bool | None]] = {
    Action.TAG_RETAINED: _tag_retained,
    Action.TEXT_NOTNULL: _text_notnull,
    Action.TEXT_RETAINED: _text_retained,
    Action.TEXT_REMOVED: _text_removed,
    Action.DATE_SHIFTED: _no_old_value,
    Action.UID_CHANGED: _no_old_value,
    Action.UID_CONSISTENT: _uid_consistent,
    Action.PATID_CONSISTENT: _patid_consistent,
}
_PIXELS: dict[Action, Callable[[Required, Released], bool | None]] = {
    Action.PIXELS_RETAINED: _pixels_retained,
    Action.PIXELS_HIDDEN: _pixels_hidden,
}
