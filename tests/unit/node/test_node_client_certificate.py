"""The client certificate is kept only when it is ours in every respect."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from consortium_ca import Consortium
from site_factories import NOW, demo_site

from myofed_node import client_certificate
from myofed_node.site_setup import Site
from myofed_schemas.errors import MyofedError


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return demo_site(tmp_path / "a")


def _check(site: Site, certificate: bytes, ca: bytes) -> None:
    client_certificate.check(site.folder.tls_key, certificate, ca=ca, site="alpha", now=NOW)


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"name": "beta"}, "another name"),
        ({"client": False}, "not for TLS clients"),
        ({"usage": False}, "not for TLS clients"),
        ({"start": NOW - timedelta(days=9)}, "CLOCK_AHEAD.*at least 2 days ahead"),
        ({"start": NOW + timedelta(days=1, hours=3)}, "CLOCK_BEHIND.*at least 1 days 3 h behind"),
        ({"own_key": True}, "another public key"),
    ],
)
def test_certificate_that_is_not_ours_is_refused(site: Site, changes: dict[str, object], found: str) -> None:
    """Name, use, time and key are each checked."""
    consortium = Consortium()
    request = client_certificate.make_request(site.folder.tls_key, site="alpha")
    with pytest.raises(MyofedError, match=found):
        _check(site, consortium.issue(request, **changes), consortium.pem)


def test_certificate_of_another_ca_is_refused(site: Site) -> None:
    """Also when that CA has the same name."""
    request = client_certificate.make_request(site.folder.tls_key, site="alpha")
    with pytest.raises(MyofedError, match="another CA"):
        _check(site, Consortium().issue(request), Consortium().pem)


def test_text_that_is_no_certificate_is_refused(site: Site) -> None:
    """As certificate and when its end is asked for."""
    with pytest.raises(MyofedError, match="no certificate"):
        _check(site, b"-----BEGIN CERTIFICATE-----\n", Consortium().pem)
    with pytest.raises(MyofedError, match="no certificate"):
        client_certificate.not_after(b"")


def test_issued_certificate_is_ours(site: Site) -> None:
    """What a CA makes of our request passes; its end and its fingerprint are told."""
    consortium = Consortium()
    certificate = consortium.issue(client_certificate.make_request(site.folder.tls_key, site="alpha"))
    _check(site, certificate, consortium.pem)
    assert client_certificate.not_after(certificate) == NOW + timedelta(days=7)
    assert len(client_certificate.fingerprint(certificate)) == 64
