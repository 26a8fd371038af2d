"""The study manifest refuses what does not fit together."""

from __future__ import annotations

import pytest
from pydantic import ValidationError
from wire_examples import manifest


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"muscles": ("VL", "XX")}, "not in muscles.tsv"),
        ({"muscles": ("VL", "VL")}, "named twice"),
        ({"sites": ("hospital-a", "hospital-a")}, "named twice"),
        ({"muscles": ("VL", "RF", "VM")}, "out_channels is 3, expected 4"),
        ({"min_sites": 3}, "only 2 sites"),
        ({"study_id": "../x"}, "study_id"),
        ({"strategy": "anything"}, "strategy"),
        ({"title": "Thigh\x1b[2J muscles"}, "title"),
        ({"purpose": "line\nleaves this site: nothing"}, "purpose"),
        ({"image": {"kind": "in-phase-magnitude", "spacing_mm": 2.0, "size_px": (96, 10**6)}}, "size_px"),
    ],
)
def test_manifest_that_does_not_fit_together_is_refused(change: dict[str, object], says: str) -> None:
    """A manifest that could not be run as written never exists."""
    with pytest.raises(ValidationError, match=says):
        manifest(**change)


def test_digest_follows_every_field() -> None:
    """A site that approved one manifest has approved no other."""
    assert manifest().digest() == manifest().digest()
    assert manifest(rounds=11).digest() != manifest().digest()
    assert manifest(purpose="Another purpose").digest() != manifest().digest()
