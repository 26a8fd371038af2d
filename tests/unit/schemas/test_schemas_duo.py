"""Terms of use against a purpose: what is forbidden first, then what a person must weigh, then what is allowed."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from myofed_schemas.duo import _RULES, DUO_TERMS, ResearchPurpose, match

FSHD, DM1 = "ORPHA:269", "ORPHA:273"
CODES = {term.shorthand: code for code, term in DUO_TERMS.items() if term.shorthand}


def verdict(terms: str, **purpose: object) -> str:
    codes = tuple(CODES[name] for name in terms.split())
    return match(codes, ResearchPurpose.model_validate(purpose), diagnoses=(FSHD, DM1)).verdict


@pytest.mark.parametrize(
    ("terms", "purpose"),
    [
        ("HMB", {"health": False}),
        ("HMB", {"ancestry": True}),
        ("DS", {}),
        ("DS", {"diseases": ("ORPHA:98896",)}),
        ("GRU DS", {"diseases": ("ORPHA:98896",)}),
        ("POA", {"diseases": (FSHD,)}),
        ("GRU NMDS", {"methods": True}),
        ("GRU NCU", {"commercial": True}),
        ("GRU NPU", {"for_profit": True}),
        ("GRU NPUNCU", {"commercial": True}),
        ("GRU NPUNCU", {"for_profit": True}),
        ("GRU NPOA", {"ancestry": True}),
        ("GRU GSO", {}),
        ("GRU PUB", {}),
        ("GRU COL", {}),
        ("GRU RTN", {}),
        ("GRU IRB", {}),
        ("GRU", {"care": True}),
    ],
)
def test_purpose_outside_a_term_is_not_allowed(terms: str, purpose: dict[str, object]) -> None:
    """Each term refuses what it forbids, whatever else is allowed."""
    assert verdict(terms, **purpose) == "not-allowed"


@pytest.mark.parametrize(
    ("terms", "purpose"),
    [
        ("", {}),
        ("NCU", {}),
        ("DS", {"diseases": (FSHD, "ORPHA:98896")}),
        ("DS NMDS", {"diseases": (FSHD,), "methods": True}),
        ("GRU IRB", {"accepts": (CODES["IRB"],)}),
        *((f"GRU {term}", {}) for term in ("RS", "GS", "MOR", "TS", "US", "PS", "IS")),
    ],
)
def test_what_no_rule_decides_is_for_a_person(terms: str, purpose: dict[str, object]) -> None:
    """No permission stated, a disease in part, methods within a disease, a document to be shown, places, times, people."""
    assert verdict(terms, **purpose) == "needs-a-person"


@pytest.mark.parametrize(
    ("terms", "purpose"),
    [
        ("NRES", {"health": False}),
        ("GRU", {"methods": True, "commercial": True}),
        ("HMB NMDS NPU NCU NPUNCU NPOA", {}),
        ("DS", {"diseases": (FSHD,)}),
        ("POA", {"ancestry": True}),
        ("GRU GSO", {"genetic": True}),
        ("GRU CC", {"care": True}),
        ("GRU PUB COL RTN", {"accepts": (CODES["PUB"], CODES["COL"], CODES["RTN"])}),
    ],
)
def test_purpose_within_all_terms_is_allowed(terms: str, purpose: dict[str, object]) -> None:
    """And each term says so."""
    assert verdict(terms, **purpose) == "allowed"


@given(st.lists(st.from_regex(r"\ADUO:[0-9]{7}\Z"), max_size=4), st.booleans())
def test_unknown_term_never_allows(terms: list[str], methods: bool) -> None:
    """A code that is new to us needs a person, beside whatever else stands there."""
    new = [term for term in terms if term not in DUO_TERMS]
    found = match([*new, CODES["GRU"]], ResearchPurpose(methods=methods), diagnoses=())
    assert (found.verdict == "allowed") == (new == [])


def test_terms_are_those_of_the_ontology(shared_data: Path) -> None:
    """Every row of DUO is known here by its code, letters and name."""
    rows = csv.DictReader((shared_data / "duo" / "duo.csv").read_text().splitlines())
    assert {r["id"]: (r["shorthand"], r["label"]) for r in rows} == {
        code: (term.shorthand, term.label) for code, term in DUO_TERMS.items()
    }


def test_every_rule_is_of_a_known_term() -> None:
    """No rule stands under a code that does not exist."""
    assert set(_RULES) <= set(DUO_TERMS)
