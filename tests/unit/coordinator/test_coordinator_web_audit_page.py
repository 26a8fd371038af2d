"""The page of the audit chain: newest first, filtered, in pages, also where a line is broken."""

from __future__ import annotations

from pathlib import Path

import pytest
from coordinator_factories import NOW

from myofed_coordinator.audit import AuditLog, Deed
from myofed_coordinator.services import Services
from myofed_coordinator.web import audit_page
from myofed_coordinator.web.audit_page import PAGE, AuditFilter, audit_view, verdict


@pytest.fixture
def chain(tmp_path: Path) -> Path:
    """120 entries of two people."""
    log = AuditLog(tmp_path / "audit.jsonl")
    for number in range(120):
        log.append(Deed(("ada", "ben")[number % 2], f"DEED_{number % 3}", f"site-{number}", {"n": number}), now=NOW)
    return tmp_path / "audit.jsonl"


@pytest.mark.parametrize("block", [7, 1 << 16])
def test_pages_give_every_entry_once_newest_first(chain: Path, monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    """Whatever the size of the blocks in which the file is read."""
    monkeypatch.setattr(audit_page, "_BLOCK", block)
    seen: list[int] = []
    before: int | None = None
    while True:
        view = audit_view(chain, AuditFilter(before=before))
        seen += [entry.sequence for entry in view.entries]
        if not view.older:
            break
        before = view.entries[-1].sequence
        assert len(view.entries) == PAGE
    assert seen == list(range(120, 0, -1))


def test_filter_narrows_and_goes_with_to_the_next_page(chain: Path) -> None:
    """Actor and action exactly, subject in part."""
    view = audit_view(chain, AuditFilter(actor="ada"))
    assert {entry.actor for entry in view.entries} == {"ada"}
    assert view.older == f"/audit?actor=ada&before={view.entries[-1].sequence}"
    both = audit_view(chain, AuditFilter(actor="ben", action="DEED_0", subject="-9"))
    assert [entry.subject for entry in both.entries] == ["site-99", "site-93", "site-9"]
    assert audit_view(chain, AuditFilter(actor="nobody")).entries == ()


def test_missing_chain_is_an_empty_page(tmp_path: Path) -> None:
    """Nothing is made up."""
    assert audit_view(tmp_path / "none", AuditFilter()).entries == ()


def test_broken_line_is_named_by_the_verification_and_the_rest_still_read(services: Services) -> None:
    """The page shows what can be read; the verdict says where the chain breaks."""
    assert verdict(services)[1] is False
    services.home.audit.write_bytes(services.home.audit.read_bytes() + b"not an entry\n")
    said, broken = verdict(services)
    assert broken
    assert "AUDIT_BROKEN" in said
    assert len(audit_view(services.home.audit, AuditFilter()).entries) == 1
