"""A certificate near its end is renewed by the running node, over the sites' port; revocation ends old and new at once."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from wall_harness import Node, federation, now, until

from myofed_node import client_certificate
from myofed_node.audit import SiteAudit
from myofed_node.join import join_once
from myofed_node.service_state import load_service_state
from myofed_node.settings import initial_config
from myofed_node.site_setup import make_site

pytestmark = [pytest.mark.functional, pytest.mark.slow]


def test_running_node_renews_its_certificate_and_goes_on_with_it(tmp_path: Path) -> None:
    """Approved 300 days ago for a year; within a beat it has the next one, and both sides have it in their chains."""
    with federation(tmp_path, sites=0) as it:
        config = initial_config("site-a", demo=True, settings=["heartbeat_s=1"])
        site = make_site(tmp_path / "site-a", config=config, now=now())
        invite = it.services.enrolment.create_invite("site-a", actor="test", now=now(), valid=timedelta(hours=1))
        assert join_once(site, invite, now=now()).state == "pending"
        it.services.enrolment.approve("site-a", actor="test", now=now() - timedelta(days=300))
        assert join_once(site, invite, now=now()).state == "approved"
        before = site.folder.tls_certificate.read_bytes()
        it.nodes["site-a"] = node = Node(site)
        node.up()
        until(lambda: site.folder.tls_certificate.read_bytes() != before, seconds=60, what="a new certificate")
        after = site.folder.tls_certificate.read_bytes()
        assert client_certificate.not_after(after) - now() > timedelta(days=364)
        assert "CERTIFICATE_RENEWED" in [entry.action for entry in SiteAudit(site.folder).entries()]
        assert "CERTIFICATE_RENEWED" in [entry.action for entry in it.services.audit.entries()]
        shas = [client_certificate.fingerprint(each) for each in (before, after)]
        found = [it.services.enrolment.lookup(sha) for sha in shas]
        assert [bool(each and not each.revoked) for each in found] == [True, True]
        beat = load_service_state(site.folder)
        until(
            lambda: (state := load_service_state(site.folder)) and state.at > beat.at and state.code == "OK",  # type: ignore[union-attr]
            seconds=30,
            what="a beat under the new certificate",
        )
        it.services.enrolment.revoke("site-a", actor="test", now=now())
        until(
            lambda: (state := load_service_state(site.folder)) is not None and state.code == "SITE_REVOKED",
            seconds=30,
            what="revocation at the next request",
        )
