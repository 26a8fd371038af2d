"""Rules as data, and what a validation says."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from myofed_schemas.rules import Finding, RuleSet, ValidationReport

RULE = {
    "code": "SOME_RULE",
    "level": "error",
    "message": "expected this, found {found}",
    "hint": "do that",
    "selector": "image",
    "check": "some_check",
    "source": "profile",
    "reference": "a paper",
}


def finding(level: str) -> Finding:
    return Finding.model_validate(
        {"code": "SOME_RULE", "level": level, "source": "profile", "path": ".", "message": "m", "hint": "h"}
    )


def test_code_that_stands_twice_is_refused() -> None:
    """A code names one rule."""
    with pytest.raises(ValidationError, match="SOME_RULE"):
        RuleSet.model_validate({"format": "myofed-rules-1", "profile": "myofed-1", "rules": [RULE, RULE]})


def test_rule_without_a_source_is_refused() -> None:
    """Every rule says where it comes from."""
    with pytest.raises(ValidationError):
        RuleSet.model_validate({"format": "myofed-rules-1", "profile": "myofed-1", "rules": [RULE | {"reference": ""}]})


def test_nothing_checked_never_conforms() -> None:
    """0 of 0 checks passed is a failure."""
    assert not ValidationReport(checks=0, images=0, findings=()).conforms


def test_errors_break_conformity_and_warnings_do_not() -> None:
    """Levels decide."""
    assert ValidationReport(checks=1, images=1, findings=(finding("warning"),)).conforms
    assert not ValidationReport(checks=1, images=1, findings=(finding("error"),)).conforms
