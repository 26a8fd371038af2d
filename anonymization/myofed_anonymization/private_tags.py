"""Private elements: kept only by (group, private creator, low byte) and only as numbers (PS3.15 E.3.10).

The block number of a private creator is not fixed (PS3.5 7.8.1), so a full tag never identifies a private element.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources

from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset

from myofed_anonymization.elements import NUMBER_BYTES, value_bytes

MAX_BYTES = 1024
"""Longer values are no numbers of the kinds on the list."""
_NUMBER_TEXT = re.compile(rb"[0-9+\-.eE \\]*")


@dataclass(frozen=True, slots=True)
class SafeRule:
    """One row of tables/safe_private.tsv."""

    vr: str


@lru_cache(maxsize=1)
def safe_rules() -> dict[tuple[int, str, int], SafeRule]:
    """The safe list by (group, private creator, low byte of the element)."""
    text = resources.files("myofed_anonymization").joinpath("tables/safe_private.tsv").read_text(encoding="utf-8")
    rows = (line.split("\t") for line in text.splitlines()[2:])
    return {(int(group, 16), creator, int(byte, 16)): SafeRule(vr) for group, creator, byte, vr, _ in rows}


def private_creators(dataset: Dataset) -> dict[tuple[int, int], str]:
    """The private creator of each (group, block) of this data set's own level."""
    return {
        (tag.group, tag.elem): value_bytes(dataset.get_item(tag)).decode("latin-1").strip()
        for tag in dataset.keys()  # noqa: SIM118  a Dataset iterates over decoded elements, its keys are cheap
        if tag.is_private_creator
    }


def safe_rule(element: DataElement | RawDataElement, *, creators: dict[tuple[int, int], str]) -> SafeRule | None:
    """The rule by which this private element may stay; None when none does, which means removal."""
    tag = element.tag
    creator = creators.get((tag.group, tag.elem >> 8), "")
    rule = safe_rules().get((tag.group, creator, tag.elem & 0xFF))
    if rule is None or element.VR not in {rule.vr, None, "UN"}:
        return None
    if rule.vr == "SQ":
        return rule
    return rule if is_number(value_bytes(element) if rule.vr in {"DS", "IS"} else element.value, vr=rule.vr) else None


def is_number(content: bytes | None, *, vr: str) -> bool:
    """Whether the bytes can be numbers of this VR: digits for DS and IS, a whole count of words for binary ones."""
    if content is None or len(content) > MAX_BYTES:
        return False
    if vr in {"DS", "IS"}:
        return bool(_NUMBER_TEXT.fullmatch(content.rstrip(b" \0")))
    return len(content) % NUMBER_BYTES[vr] == 0
