"""The page shows the site's state, escapes what others wrote, and shows a code where something is broken."""

from __future__ import annotations

from pathlib import Path

from site_factories import NOW, NOW_TEXT, FakeCoordinator, demo_site, enrol, study

from myofed_node.federation.approvals import Approvals
from myofed_node.federation.ledger import EgressLedger, Passage
from myofed_node.store import SeriesRow, SeriesState, SiteStore
from myofed_node.web.page import render_login, render_site, stylesheet


def test_title_that_a_coordinator_wrote_is_escaped(tmp_path: Path) -> None:
    """Text from outside never becomes markup."""
    site, coordinator = demo_site(tmp_path / "a"), FakeCoordinator()
    enrol(site, coordinator)
    Approvals(site.folder, site.config).store_manifest(coordinator.offer(study(title="<script>alert(1)</script>")))
    page = render_site(site)
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    assert "waiting for you" in page


def test_broken_part_shows_its_code(tmp_path: Path) -> None:
    """The page stands when the ledger does not hold."""
    site = demo_site(tmp_path / "a")
    site.folder.ledger.write_bytes(b"{}\n")
    assert "LEDGER_BROKEN" in render_site(site)


def test_held_back_series_are_counted_by_reason(tmp_path: Path) -> None:
    """Quarantined and held, with their codes; what left, with its bytes; the demo's mark."""
    site = demo_site(tmp_path / "a")
    store = SiteStore(site.folder.store)
    store.begin_ingest("f" * 64, now=NOW_TEXT)
    for number, state in enumerate((SeriesState.QUARANTINED, SeriesState.HELD, SeriesState.STORED)):
        store.record_outcome(SeriesRow(f"2.25.{number}", 1, state, f"CODE_{number}", "", ""))
    EgressLedger(site.folder.ledger).append(Passage("site", "POST", "/site/card", out_bytes=77), now=NOW)
    page = render_site(site)
    assert "CODE_0" in page
    assert "CODE_1" in page
    assert "CODE_2" not in page
    assert "<td>77</td>" in page
    assert "DEMO POLICY" in page


def test_login_page_says_when_the_token_was_wrong() -> None:
    """And needs nothing from elsewhere."""
    assert "not the token" in render_login(wrong=True)
    assert "not the token" not in render_login(wrong=False)
    assert "http" not in stylesheet() + render_login(wrong=False).replace("http-equiv", "")
