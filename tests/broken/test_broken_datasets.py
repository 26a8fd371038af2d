"""For every rule one data set that breaks it and nothing else; and the good one, of which every rule is asked."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from broken.sets import BROKEN
from myofed_node.mids.validation.dataset_view import DatasetView
from myofed_node.mids.validation.rule_files import CHECKS, rules
from myofed_node.mids.validation.validate import answers, validate
from myofed_schemas.rules import Rule

RULES = {rule.code: rule for rule in rules().rules}


def codes(dataset: Path, **named: bool) -> set[str]:
    return {finding.code for finding in validate(dataset, **named).findings}


def test_every_rule_has_a_broken_data_set() -> None:
    """0 rules without an example that breaks them, 0 examples without a rule."""
    assert set(BROKEN) == set(RULES)


@pytest.mark.parametrize("code", sorted(BROKEN))
def test_broken_data_set_finds_its_code_and_no_other(dataset: Path, code: str) -> None:
    """The rule sees its own breach, at the level the rule states, and no other rule takes offence at it."""
    BROKEN[code](dataset)
    report = validate(dataset)
    assert {finding.code for finding in report.findings} == {code}
    rule = RULES[code]
    assert all((f.level, f.source, f.hint) == (rule.level, rule.source, rule.hint) for f in report.findings)
    assert not any(Path(finding.path).is_absolute() or "{" in finding.message for finding in report.findings)
    assert report.conforms == (rule.level == "warning")


def test_good_data_set_finds_nothing(made_once: Path) -> None:
    """All kinds of images, and none is complained about."""
    report = validate(made_once)
    assert report.findings == ()
    assert report.images == 24
    assert report.conforms


def test_every_rule_is_asked_of_the_good_data_set(made_once: Path) -> None:
    """A rule that is never asked would be green for ever."""
    asked = Counter(rule.code for rule, _, _ in answers(DatasetView(made_once), rules().rules))
    assert set(asked) == set(RULES)
    assert validate(made_once).checks == asked.total()


@pytest.mark.parametrize("code", sorted(code for code, rule in RULES.items() if rule.source == "ormir-mids"))
def test_breach_of_the_draft_is_found_with_the_rules_of_the_draft_alone(dataset: Path, code: str) -> None:
    """`--standard` finds it; others can adopt the validator without our profile."""
    BROKEN[code](dataset)
    assert codes(dataset, standard_only=True) == {code}


@pytest.mark.parametrize("code", sorted(code for code, rule in RULES.items() if rule.source == "profile"))
def test_breach_of_the_profile_alone_is_none_of_the_draft(dataset: Path, code: str) -> None:
    """The two are kept apart."""
    BROKEN[code](dataset)
    assert codes(dataset, standard_only=True) == set()


def test_every_rule_can_be_asked() -> None:
    """Its check exists for its selector, and takes exactly its limits."""
    assert [fault for rule in RULES.values() if (fault := CHECKS[rule.selector].fault(rule))] == []


def test_every_check_is_used_by_a_rule() -> None:
    """No dead check."""
    assert {name for checks in CHECKS.values() for name in checks.names} == {rule.check for rule in RULES.values()}


def test_rule_without_its_check_or_limits_is_told() -> None:
    """What a rule file gets wrong is known before a data set is read."""
    rule = RULES["ECHO_TIME_UNIT"]
    lacking = rule.model_copy(update={"limits": {"low_ms": 1.0}})
    assert "high_ms, low_ms" in CHECKS["sidecar"].fault(lacking)
    assert "no check nothing" in CHECKS["sidecar"].fault(rule.model_copy(update={"check": "nothing"}))


def _message(dataset: Path, code: str) -> str:
    BROKEN[code](dataset)
    return next(finding.message for finding in validate(dataset).findings if finding.code == code)


@pytest.mark.parametrize(
    ("code", "number"),
    [("ECHO_TIME_UNIT", "0.012"), ("ECHO_COUNT", "3 for 2"), ("FIELD_FREQUENCY", "63.9"), ("NDIM", "4 dim")],
)
def test_finding_says_the_number_it_found(dataset: Path, code: str, number: str) -> None:
    """Expected, and what stands there."""
    assert number in _message(dataset, code)


def test_seconds_are_asked_for(dataset: Path) -> None:
    """The useful question, not a range alone."""
    BROKEN["ECHO_TIME_UNIT"](dataset)
    (finding,) = validate(dataset).findings
    assert finding.hint.startswith("is it in seconds?")
    assert finding.path.endswith(".json")


def test_rule_with_a_message_that_hides_what_was_found_is_refused() -> None:
    """`{found}` stands in every message."""
    with pytest.raises(ValueError, match="in the message"):
        Rule.model_validate(RULES["NDIM"].model_dump() | {"message": "expected something else"})
