"""The egress ledger on disk."""

from __future__ import annotations

from pathlib import Path

import pytest
from site_factories import NOW

from myofed_node.federation.ledger import EgressLedger, Passage, read_ledger, verify_ledger
from myofed_schemas.errors import MyofedError

SENT = Passage("engine", "POST", "/v1/fleet/pull-messages", status=200, out_bytes=5, in_bytes=7)
REFUSED = Passage("refused", "GET", "/docs")


def test_ledger_with_an_altered_line_is_refused_and_nothing_more_is_appended(tmp_path: Path) -> None:
    """A changed count breaks the chain; a destroyed last line stops the egress."""
    path = tmp_path / "egress.jsonl"
    ledger = EgressLedger(path)
    for _ in range(3):
        ledger.append(SENT, now=NOW)
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b'"out_bytes":5', b'"out_bytes":4', 1))
    with pytest.raises(MyofedError) as caught:
        verify_ledger(path)
    assert caught.value.code == "LEDGER_BROKEN"
    path.write_bytes(whole + b"not an entry\n")
    for refused in (lambda: verify_ledger(path), lambda: EgressLedger(path).append(SENT, now=NOW)):
        with pytest.raises(MyofedError) as caught:
            refused()
        assert caught.value.code == "LEDGER_BROKEN"


def test_ledger_adds_up_and_what_was_refused_does_not_count_as_sent(tmp_path: Path) -> None:
    """Two requests left, one did not."""
    ledger = EgressLedger(tmp_path / "egress.jsonl")
    for passage in (SENT, REFUSED, SENT):
        ledger.append(passage, now=NOW)
    summary = verify_ledger(tmp_path / "egress.jsonl")
    assert (summary.requests, summary.refused, summary.out_bytes, summary.in_bytes) == (2, 1, 10, 14)
    assert (tmp_path / "egress.jsonl").stat().st_mode & 0o777 == 0o600


def test_two_writers_keep_one_chain(tmp_path: Path) -> None:
    """`join` and the egress append in turn; each sees what the other wrote."""
    one, two = (EgressLedger(tmp_path / "egress.jsonl") for _ in range(2))
    for number in range(6):
        (one if number % 2 else two).append(SENT, now=NOW)
    assert [e.sequence for e in read_ledger(tmp_path / "egress.jsonl")] == [1, 2, 3, 4, 5, 6]
    assert verify_ledger(tmp_path / "egress.jsonl").requests == 6


def test_line_cut_short_by_a_power_cut_is_dropped(tmp_path: Path) -> None:
    """It was never acknowledged; the chain goes on from the last whole line."""
    path = tmp_path / "egress.jsonl"
    EgressLedger(path).append(SENT, now=NOW)
    with path.open("ab") as stream:
        stream.write(b'{"sequence":2,"at":"20')
    EgressLedger(path).append(SENT, now=NOW)
    assert verify_ledger(path).requests == 2


def test_long_path_and_long_ledger_are_kept(tmp_path: Path) -> None:
    """A path is cut to what an entry holds; the last entry is found behind many."""
    path = tmp_path / "egress.jsonl"
    ledger = EgressLedger(path)
    for _ in range(80):
        ledger.append(Passage("refused", "PROPFIND-LONG", "/" + "x" * 900), now=NOW)
    assert path.stat().st_size > 32 * 1024
    EgressLedger(path).append(SENT, now=NOW)
    assert verify_ledger(path).refused == 80


def test_missing_ledger_is_an_empty_one(tmp_path: Path) -> None:
    """Nothing ever left."""
    assert verify_ledger(tmp_path / "none").requests == 0
