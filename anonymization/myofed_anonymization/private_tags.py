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
from pydicom.tag import BaseTag

from myofed_anonymization.binary_numbers import can_be_numbers
from myofed_anonymization.elements import value_bytes

_NUMBER_TEXT = re.compile(rb"[+-]?[0-9]{0,10}(\.[0-9]{0,15})?([eE][+-]?[0-9]{1,3})?")


@dataclass(frozen=True, slots=True)
class SafeRule:
    """One row of tables/safe_private.tsv: the VR, and how many numbers the element has at most (0 for a sequence)."""

    vr: str
    count: int


@lru_cache(maxsize=1)
def safe_rules() -> dict[tuple[int, str, int], SafeRule]:
    """The safe list by (group, private creator, low byte of the element)."""
    text = resources.files("myofed_anonymization").joinpath("tables/safe_private.tsv").read_text(encoding="utf-8")
    rows = (line.split("\t") for line in text.splitlines()[2:])
    return {
        (int(group, 16), creator, int(byte, 16)): SafeRule(vr, int(count.replace("-", "0")))
        for group, creator, byte, vr, count, _ in rows
    }


def private_creators(dataset: Dataset, private: list[BaseTag]) -> dict[tuple[int, int], str]:
    """The private creator of each (group, block) of this data set's own level, given its private tags."""
    return {
        (tag.group, tag.elem): value_bytes(dataset.get_item(tag)).decode("latin-1").strip()
        for tag in private
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
    content = value_bytes(element) if rule.vr in {"DS", "IS"} else element.value
    little = getattr(element, "is_little_endian", True)
    return rule if is_number(content, rule=rule, little=little) else None


def is_number(content: bytes | None, *, rule: SafeRule, little: bool = True) -> bool:
    """Whether the bytes can be the rule's numbers: not more than it allows, digits for DS and IS, plausible binary ones.

    The verification compares what stays with the words of names and identifiers too.
    """
    if not content:
        return content == b""
    if rule.vr in {"DS", "IS"}:
        parts = content.rstrip(b" \0").split(b"\\")
        return len(parts) <= rule.count and all(_NUMBER_TEXT.fullmatch(part.strip()) for part in parts)
    return can_be_numbers(content, vr=rule.vr, most=rule.count, little=little)
