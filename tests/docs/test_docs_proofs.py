"""docs/proofs.md says what the files under proofs/ say."""

from __future__ import annotations

from pathlib import Path

from proofs import __main__ as proofs
from proofs.disclosure_answers import BEGIN, END, answers, table, with_table
from proofs.disclosure_try import Attacked, Tried

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


def test_table_of_what_is_answered_is_the_one_of_the_last_outcome() -> None:
    """Nobody edits the table of docs/disclosure.md by hand."""
    page = (REPOSITORY / "docs" / "disclosure.md").read_text()
    assert page.count(BEGIN) == page.count(END) == 1
    assert page == with_table(page, proofs.last_outcomes().get("disclosure"))


def test_table_says_share_and_distance_of_what_is_told() -> None:
    """Of three counts from 5 on two are told: 12 as 10 and 20 as 20; half of the told ones are off by at least 8.3 %."""
    attack = Attacked(cells=0, solved=0, findings=(), seconds=0.0)
    tried = Tried(0, 12, attack, None, {1: {"12>10": 1, "20>20": 1, "7>": 1}, 2: {"6>": 1}, 3: {}}, 0.0)
    lines = table({"tried": [{"answered": answers([tried])}]}).splitlines()
    assert lines[3] == "| 11 to 20 | 1 | 66.7 % of 3, off by 8.3 % | 0.0 % of 1 | no such count |"
    assert table(None) in with_table(f"before\n{BEGIN}\nold\n{END}\nafter\n", None)
