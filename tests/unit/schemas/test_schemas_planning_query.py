"""A query and its answer hold together, and a manifest without planning is what it was."""

from __future__ import annotations

import pytest
from pydantic import ValidationError
from wire_examples import FINGERPRINT, PLANNING, QUERY, SHA, manifest

from myofed_schemas.planning_query import PlanningAnswer, PlanningQuery, asked_of
from myofed_schemas.study_planning import AnswerUsed, Planning


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"muscles": ("VL", "QQ")}, "muscles not in muscles.tsv: QQ"),
        ({"muscles": ("VL", "VL")}, "named twice"),
        ({"sites": ("hospital-a", "hospital-a")}, "named twice"),
        ({"min_answers": 3}, "only 2 sites are asked"),
        ({"title": "a\nline"}, "pattern"),
        ({"query_id": "plan-../../x"}, "pattern"),
    ],
)
def test_query_that_does_not_hold_is_refused(changes: dict[str, object], why: str) -> None:
    """Unknown or repeated names, more answers than sites, control characters, a path for an id."""
    with pytest.raises(ValidationError, match=why):
        PlanningQuery.model_validate(QUERY.model_dump() | changes)


def answer(**changes: object) -> PlanningAnswer:
    fields = {"query_id": "plan-0123abcd", "query_sha256": SHA, "site": "hospital-a", "answer": "told"}
    return PlanningAnswer.model_validate({**fields, "fingerprint": FINGERPRINT, "salt": "01" * 16, **changes})


@pytest.mark.parametrize(
    "changes",
    [
        {"answer": "declined"},
        {"fingerprint": None},
        {"site": "hospital-b"},
        {"salt": "01" * 15},
        {"fingerprint": FINGERPRINT.model_dump() | {"echo_times_ms": [float("inf")]}},
        {"fingerprint": FINGERPRINT.model_dump() | {"echo_times_ms": [1.0] * 513}},
        {"fingerprint": FINGERPRINT.model_dump() | {"spacing_mm": [{"percent": 50, "value": 1e30}]}},
        {"fingerprint": FINGERPRINT.model_dump() | {"spacing_mm": [{"percent": 50, "value": 1.0}] * 4}},
    ],
)
def test_answer_that_does_not_hold_is_refused(changes: dict[str, object]) -> None:
    """What was declined tells nothing, what was told is told by the same site, and no list or number is without a bound."""
    with pytest.raises(ValidationError):
        answer(**changes)


def test_declined_answer_says_nothing() -> None:
    """It is an answer all the same."""
    assert answer(answer="declined", fingerprint=None).fingerprint is None


def test_structures_that_were_not_asked_for_are_not_told() -> None:
    """A set stays where it covers a muscle of the query; a name that nobody knows goes."""
    told = FINGERPRINT.model_copy(update={"structures": ("VL", "GR", "quadriceps", "nothing known")})
    found = asked_of(told, QUERY)
    assert found.structures == ("VL", "quadriceps")
    assert found == asked_of(found, QUERY)


def test_site_is_named_once_in_the_section_of_the_manifest() -> None:
    """And has at most one digest there."""
    twice = (AnswerUsed(site="hospital-a", sha256=SHA),) * 2
    with pytest.raises(ValidationError, match="twice"):
        Planning.model_validate(PLANNING.model_dump() | {"answers": twice})
    assert PLANNING.answer_of("hospital-a") == SHA
    assert PLANNING.answer_of("hospital-b") is None


def test_manifest_without_planning_has_the_digest_of_earlier_releases() -> None:
    """The section is absent where it is not used, and part of the digest where it is."""
    assert "planning" not in manifest().model_dump(mode="json")
    assert manifest(planning=PLANNING).digest() != manifest().digest()
