"""Where a site stands, from its own disk."""

from __future__ import annotations

import json
import os
from pathlib import Path

from consortium_ca import Consortium
from site_factories import NOW, NOW_TEXT, FakeCoordinator, Scan, demo_site, enrol, study, write_image

from myofed_node import client_certificate
from myofed_node.federation.approvals import Approvals
from myofed_node.federation.ledger import EgressLedger, Passage
from myofed_node.service_state import ServiceState, save_service_state
from myofed_node.status import children_of, site_status, status_lines
from myofed_node.store import SeriesRow, SeriesState, SiteStore


def test_damaged_or_left_over_status_file_is_not_running(tmp_path: Path) -> None:
    """What a killed `up` left behind is not believed."""
    folder = demo_site(tmp_path / "a").folder
    for text in ("{", "[]", '{"children": {"a": "fine"}}', '{"children": {"a": "ready"}, "pids": {"a": 4194305}}'):
        folder.status.write_text(text)
        assert children_of(folder) == {}


def test_new_site_says_what_is_missing(tmp_path: Path) -> None:
    """Each line names its state in words."""
    text = "\n".join(status_lines(site_status(demo_site(tmp_path / "a"))))
    for words in ("not enrolled", "nothing ingested yet", "not published", "not running", "DEMO POLICY"):
        assert words in text


def test_running_site_says_what_it_has(tmp_path: Path) -> None:
    """Data, enrolment, card, ledger, services and page."""
    site = demo_site(tmp_path / "a")
    folder, store = site.folder, SiteStore(site.folder.store)
    enrol(site, FakeCoordinator())
    request = client_certificate.make_request(folder.tls_key, site="alpha")
    folder.tls_certificate.write_bytes(Consortium().issue(request))
    write_image(folder.dataset, Scan(1))
    store.begin_ingest("f" * 64, now=NOW_TEXT)
    store.record_outcome(SeriesRow("2.25.1", 1, SeriesState.QUARANTINED, "X1", "", ""))
    store.add_card(1, "{}")
    store.mark_card(1, published_at=NOW_TEXT)
    EgressLedger(folder.ledger).append(Passage("site", "POST", "/site/card"), now=NOW)
    folder.status.write_text(json.dumps({"children": {"egress": "ready"}, "pids": {"egress": os.getpid()}}))
    save_service_state(folder, ServiceState(at=NOW_TEXT, code="OK", last_contact=NOW_TEXT, web="http://127.0.0.1:5/"))
    status = site_status(site)
    assert (status.enrolled, status.certificate_not_after) == (True, "2026-01-08T00:00:00Z")
    assert (status.subjects, status.sessions, status.series) == (1, 1, {"quarantined": 1})
    assert (status.card_version, status.requests_out, status.children) == (1, 1, {"egress": "ready"})
    text = "\n".join(status_lines(status))
    for words in ("1 quarantined", "version 1", "egress ready", "http://127.0.0.1:5/", NOW_TEXT):
        assert words in text


def test_revoked_site_does_not_say_that_it_is_enrolled(tmp_path: Path) -> None:
    """Also while `up` does not run; what was heard before it joined anew does not count."""
    site = demo_site(tmp_path / "a")
    enrol(site, FakeCoordinator())
    save_service_state(site.folder, ServiceState(at=NOW_TEXT, code="SITE_REVOKED"))
    status = site_status(site)
    assert status.revoked_at == NOW_TEXT
    assert "REVOKED" in status_lines(status)[0]
    assert "enrolled" not in status_lines(status)[0]
    save_service_state(site.folder, ServiceState(at="2020-01-01T00:00:00Z", code="SITE_REVOKED"))
    assert site_status(site).revoked_at is None


def test_study_with_privacy_shows_what_it_spent(tmp_path: Path) -> None:
    """In the state and in words; a study without privacy has no such line."""
    site, coordinator = demo_site(tmp_path / "a"), FakeCoordinator()
    enrol(site, coordinator)
    privacy = {"level": "update", "clip_norm": 1.0, "noise_multiplier": 8.0, "delta": 1e-5, "epsilon": 4.0}
    approvals = Approvals(site.folder, site.config)
    approvals.store_manifest(coordinator.offer(study()))
    assert site_status(site).budgets == ()
    approvals.store_manifest(coordinator.offer(study(version=2, privacy=privacy)))
    status = site_status(site)
    assert [(b.study_id, b.spent, b.epsilon) for b in status.budgets] == [("thigh", 0.0, 4.0)]
    assert "0 of epsilon 4 spent here" in "\n".join(status_lines(status))
