"""docs/proofs.md says what the files under proofs/ say."""

from __future__ import annotations

from pathlib import Path

from proofs import __main__ as proofs

REPOSITORY = Path(__file__).parents[2]


def test_page_of_proofs_is_the_one_made_of_the_last_outcomes() -> None:
    """Nobody edits docs/proofs.md by hand, and no outcome is newer than it."""
    assert (REPOSITORY / "docs" / "proofs.md").read_text() == proofs.page(proofs.last_outcomes())


def test_proof_that_never_ran_at_full_size_says_so() -> None:
    """An empty cell would pass for a success."""
    page = proofs.page({})
    assert page.count("never at full size") == len(proofs.PROOFS)


def test_failed_proof_is_counted_on_the_page() -> None:
    """A proof with failures is not said to hold."""
    name = next(iter(proofs.PROOFS))
    document = {"date": "2026-11-30T10:00:00Z", "commit": "0" * 40, "tried": [{}], "failed": ["a", "b"]}
    assert "[2 failed]" in proofs.page({name: document})
