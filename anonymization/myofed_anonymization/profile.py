"""The standard's tables of facts: PS3.15 Table E.1-1 with its options, and the attribute types of PS3.3."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from importlib import resources

EDITION = "PS3.15 2026c (options 2024b)"
ROWS = 655
"""Rows of Table E.1-1 in this edition, the three repeating groups (50xx, 60xx) among them."""
IOD_OF_SOP_CLASS = {
    "1.2.840.10008.5.1.4.1.1.4": "mr",
    "1.2.840.10008.5.1.4.1.1.4.1": "enhanced",
    "1.2.840.10008.5.1.4.1.1.66.4": "seg",
}


@dataclass(frozen=True, slots=True)
class Confidentiality:
    """One row of Table E.1-1: the basic profile's action and, by option, K or C."""

    keyword: str
    basic: str
    options: frozenset[str]


@dataclass(frozen=True, slots=True)
class Profile:
    """All facts, by tag; `types` by (parent sequence's tag or 0, tag) and IOD, e.g. "1", "2C"."""

    confidentiality: dict[int, Confidentiality]
    types: dict[tuple[int, int], dict[str, str]]
    attributes: frozenset[int]
    mandatory_type_2: dict[str, tuple[int, ...]]

    def type_of(self, tag: int, *, parent: int, iod: str) -> str:
        """The attribute's strictest Type in this place of this IOD without its condition: "1", "2" or "3"."""
        return self.types.get((parent, tag), {}).get(iod, "3")[0]

    def knows(self, tag: int) -> bool:
        """Whether Table E.1-1 or one of our IODs names the tag; curves (50xx) and overlays (60xx) are never known."""
        return tag >> 24 not in {0x50, 0x60} and (tag in self.confidentiality or tag in self.attributes)


@lru_cache(maxsize=1)
def load_profile() -> Profile:
    """The tables shipped with the package; the same object every time."""
    rows = _rows("confidentiality.tsv")
    plain = {int(tag, 16): (keyword, basic, options) for tag, keyword, basic, options in rows if "x" not in tag}
    types: dict[tuple[int, int], dict[str, str]] = {}
    mandatory: dict[str, list[int]] = {}
    for parent, tag, _keyword, *by_iod in _rows("attribute_types.tsv"):
        place = types.setdefault((int(parent, 16), int(tag, 16)), {})
        for iod, mark in zip(("mr", "enhanced", "seg", "other"), by_iod, strict=True):
            if mark != "-":
                place[iod] = mark.rstrip("M")
            if mark == "2M" and int(tag, 16) in plain:
                mandatory.setdefault(iod, []).append(int(tag, 16))
    return Profile(
        confidentiality={
            tag: Confidentiality(keyword, basic, frozenset(options.split()) - {"-"})
            for tag, (keyword, basic, options) in plain.items()
        },
        types=types,
        attributes=frozenset(tag for _, tag in types),
        mandatory_type_2={iod: tuple(tags) for iod, tags in mandatory.items()},
    )


def _rows(name: str) -> list[list[str]]:
    text = resources.files("myofed_anonymization").joinpath("tables", name).read_text(encoding="utf-8")
    return [line.split("\t") for line in text.splitlines()[2:]]
