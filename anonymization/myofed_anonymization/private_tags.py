"""Private elements: kept only by (group, private creator, low byte) and only as numbers (PS3.15 E.3.10).

The block number of a private creator is not fixed (PS3.5 7.8.1), so a full tag never identifies a private element.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources

from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset

from myofed_anonymization.elements import NUMBER_BYTES, value_bytes

SMALLEST, LARGEST = 1e-7, 1e7
"""Between them lie all slopes, b-values, shifts, directions, times and bandwidths of the list; most text does not."""
LETTERS = 16
"""So many printable bytes are no chance: 1 in 10 million for two doubles."""
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
    content = value_bytes(element) if rule.vr in {"DS", "IS"} else element.value
    order = "<" if getattr(element, "is_little_endian", True) else ">"
    return rule if is_number(content, rule=rule, order=order) else None


def is_number(content: bytes | None, *, rule: SafeRule, order: str = "<") -> bool:
    """Whether the bytes can be the rule's numbers: not more than it allows, digits for DS and IS, plausible ones for FL and FD.

    In implicit VR nothing says that bytes are text: what would be so large or small a number, or is all letters, is none; and
    the verification compares what stays with the words of names and identifiers too.
    """
    if not content:
        return content == b""
    if rule.vr in {"DS", "IS"}:
        parts = content.rstrip(b" \0").split(b"\\")
        return len(parts) <= rule.count and all(_NUMBER_TEXT.fullmatch(part.strip()) for part in parts)
    width = NUMBER_BYTES[rule.vr]
    if len(content) % width or len(content) > rule.count * width:
        return False
    if rule.vr not in {"FL", "FD"}:
        return True
    numbers = struct.unpack(f"{order}{len(content) // width}{'f' if rule.vr == 'FL' else 'd'}", content)
    letters = len(content) >= LETTERS and all(0x20 <= byte <= 0x7E for byte in content)
    return not letters and all(one == 0 or SMALLEST <= abs(one) <= LARGEST for one in numbers)
