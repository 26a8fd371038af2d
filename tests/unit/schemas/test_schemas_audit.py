"""The audit chain and the egress ledger: any change to a line is found."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from myofed_schemas.audit import GENESIS, AuditEntry, BrokenChainError, verify_chain
from myofed_schemas.ledger import LEDGER_GENESIS, EgressEntry, summarise

NOW = "2026-11-22T10:00:00Z"


def chain(count: int) -> list[AuditEntry]:
    entries: list[AuditEntry] = []
    previous = GENESIS
    for number in range(1, count + 1):
        entries.append(
            AuditEntry(sequence=number, at=NOW, actor="system", action="TESTED", subject=str(number), previous=previous)
        )
        previous = entries[-1].digest()
    return entries


def ledger(kinds: list[str]) -> list[EgressEntry]:
    entries: list[EgressEntry] = []
    previous = LEDGER_GENESIS
    for number, kind in enumerate(kinds, start=1):
        entries.append(
            EgressEntry.model_validate(
                {
                    "sequence": number,
                    "at": NOW,
                    "kind": kind,
                    "study": "",
                    "method": "POST",
                    "path": "/x",
                    "status": 200,
                    "out_bytes": number,
                    "out_sha256": "00" * 32,
                    "in_bytes": 10 * number,
                    "in_sha256": "00" * 32,
                    "previous": previous,
                }
            )
        )
        previous = entries[-1].digest()
    return entries


def test_whole_chain_verifies_and_gives_its_head() -> None:
    """The head names the last entry."""
    entries = chain(3)
    head = verify_chain(entries)
    assert (head.sequence, head.digest) == (3, entries[-1].digest())


def test_empty_chain_stands_at_genesis() -> None:
    """A new chain has a defined head."""
    assert verify_chain([]).digest == GENESIS


@given(st.integers(0, 4), st.sampled_from(["drop", "edit", "swap"]))
def test_any_tampering_with_an_inner_entry_is_found(at: int, how: str) -> None:
    """Dropping, editing or swapping an entry breaks the chain at that place or the next."""
    entries = chain(6)
    if how == "drop":
        del entries[at]
    elif how == "edit":
        entries[at] = entries[at].model_copy(update={"subject": "other"})
    else:
        entries[at], entries[at + 1] = entries[at + 1], entries[at]
    with pytest.raises(BrokenChainError) as found:
        verify_chain(entries)
    assert found.value.sequence in {at + 1, at + 2}


def test_ledger_sums_what_left_and_not_what_was_refused() -> None:
    """A refused request never left: it counts as refused and adds no bytes."""
    summary = summarise(ledger(["engine", "refused", "site"]))
    assert (summary.requests, summary.out_bytes, summary.in_bytes, summary.refused) == (2, 1 + 3, 10 + 30, 1)
    assert summary.by_kind == {"engine": 1, "refused": 1, "site": 1}
    assert summary.out_bytes_by_kind == {"engine": 1, "site": 3}


def test_line_dropped_from_the_ledger_is_found() -> None:
    """A ledger that hides a request does not add up."""
    entries = ledger(["engine", "site", "site"])
    with pytest.raises(ValueError, match="broken at entry 2"):
        summarise([entries[0], entries[2]])


def test_lines_are_json_with_a_line_end() -> None:
    """Both files are one document a line."""
    assert chain(1)[0].line().endswith(b"}\n")
    assert ledger(["site"])[0].line().endswith(b"}\n")
