"""A seeded small sample of the tampering with audit chains, and the judge that looks at it."""

from __future__ import annotations

import pytest
from proofs.audit import Found, tampered_chains

from myofed_schemas.audit import GENESIS, AuditHead

pytestmark = [pytest.mark.functional, pytest.mark.slow]


def test_every_tampering_that_is_tried_is_found_and_its_entry_named() -> None:
    """One in a hundred of the changes of `make prove NAME=audit`, on shorter chains."""
    tried, failed = tampered_chains(120, 10_000, 100, stride=23)
    assert failed == []
    kinds = {"bits flipped", "entries deleted", "entries swapped", "chains cut", "bits of the large chain flipped"}
    assert kinds <= set(tried[0])
    assert tried[0]["bits flipped"] > 10_000


def test_the_judge_of_tampering_tells_what_was_not_found() -> None:
    """A chain that holds, and a fault of another entry than was changed, are both failures."""
    found, start = Found(), AuditHead(owner="chain", sequence=0, digest=GENESIS)
    found.judge("nothing", [], {}, after=start, entry=1)
    found.judge("cut", [], {5: "a" * 64}, after=start, entry=3)
    assert found.failed == [
        "nothing: entry 1 changed, and nothing found",
        "cut: entry 3 changed, entry 1 named",
    ]
