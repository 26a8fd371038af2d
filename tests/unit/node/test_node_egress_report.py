"""What left, by kind and study; a broken ledger gives no totals."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from site_factories import NOW

from myofed_node.egress_report import egress_lines, egress_report
from myofed_node.federation.ledger import EgressLedger, Passage
from myofed_schemas.errors import MyofedError

SHA = hashlib.sha256(b"").hexdigest()


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    path = tmp_path / "egress.jsonl"
    writer = EgressLedger(path)
    for kind, study, size in (("enrol", "", 900), ("site", "thigh", 30), ("engine", "", 5000), ("refused", "", 0)):
        writer.append(
            Passage(kind=kind, method="POST", path="/site/x", study=study, status=200, out_bytes=size), now=NOW
        )
    return path


def test_broken_ledger_gives_no_totals(ledger: Path) -> None:
    """A number that cannot be proven is not told."""
    ledger.write_bytes(ledger.read_bytes().replace(b'"out_bytes":30', b'"out_bytes":3'))
    with pytest.raises(MyofedError) as caught:
        egress_report(ledger)
    assert caught.value.code == "LEDGER_BROKEN"


def test_totals_leave_out_what_was_never_sent(ledger: Path) -> None:
    """Refused attempts are counted beside."""
    report = egress_report(ledger)
    assert (report.requests, report.out_bytes, report.refused) == (3, 5930, 1)
    assert report.out_bytes_by_kind["engine"] == 5000
    assert (report.by_study["thigh"].requests, report.by_study["thigh"].out_bytes) == (1, 30)
    assert "study thigh: 30 bytes out" in "\n".join(egress_lines(report))


def test_site_that_never_sent_anything_has_zeros(tmp_path: Path) -> None:
    """No ledger, nothing left."""
    assert egress_report(tmp_path / "egress.jsonl").requests == 0
