"""Names of codes, for people and for full-text: diagnoses (ORPHA), phenotypes (HPO), muscles, terms of use (`names.tsv`)."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from myofed_schemas.anatomy import muscles
from myofed_schemas.duo import DUO_TERMS


@dataclass(frozen=True)
class Name:
    """What a code means.

    Attributes:
        name: As people read it.
        also: Abbreviations and earlier names, by which it is found as well.
    """

    name: str
    also: str = ""


@cache
def names() -> dict[str, Name]:
    """Every code that has a name here; ORPHA and HPO codes are written as on cards."""
    text = files("myofed_coordinator.catalog").joinpath("names.tsv").read_text(encoding="utf-8")
    found = {
        row["code"]: Name(row["name"], row["also"] or "") for row in csv.DictReader(text.splitlines(), delimiter="\t")
    }
    found |= {muscle.id: Name(muscle.name, muscle.group) for muscle in muscles()}
    return found | {term.code: Name(term.label, term.shorthand) for term in DUO_TERMS.values()}


def name_of(value: str) -> str:
    """The name of this code, or the value itself where it needs none or none is known."""
    found = names().get(value)
    return found.name if found else value
