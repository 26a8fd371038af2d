"""Facts of subjects stand in one order, each once."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from myofed_schemas.subject_facts import SubjectFacts, SubjectRegister


def test_register_out_of_order_is_refused() -> None:
    """Nor does a subject stand in it twice."""
    one, two = SubjectFacts(subject="A1"), SubjectFacts(subject="B2")
    for wrong in ((two, one), (one, one)):
        with pytest.raises(ValidationError, match="subjects are sorted and each stands once"):
            SubjectRegister(subjects=wrong)
    assert SubjectRegister(subjects=(one, two)).subjects == (one, two)


def test_visits_out_of_order_are_refused() -> None:
    """Nor does a session stand twice."""
    visits = [{"session": session, "age_band": "40-44"} for session in ("B", "A")]
    with pytest.raises(ValidationError) as caught:
        SubjectFacts.model_validate({"subject": "A1", "visits": visits})
    assert "visits are sorted by session and each stands once" in str(caught.value)
