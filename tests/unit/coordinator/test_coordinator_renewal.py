"""The next certificate of a site: only for whoever holds certificate and identity key, and only when it is time."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from coordinator_factories import NOW, FakeSite
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from myofed_coordinator.certificates import fingerprint
from myofed_coordinator.services import Services
from myofed_coordinator.signing import new_signer
from myofed_schemas.enrolment import RenewalBody, SignedRenewal
from myofed_schemas.errors import MyofedError

Enrol = Callable[[str], FakeSite]
LATE = NOW + timedelta(days=300)
"""The certificate lasts 365 days."""


def request(site: FakeSite, *, name: str = "") -> SignedRenewal:
    body = RenewalBody(site=name or site.name, csr_pem=site.csr(), asked_at="2026-11-22T12:00:00Z")
    return SignedRenewal(body=body, signature=site.identity.sign(body))


def renew(services: Services, site: FakeSite, *, now: datetime = LATE) -> x509.Certificate:
    reply = services.renewals.renew(request(site), site=site.name, now=now)
    return x509.load_pem_x509_certificate(reply.certificate_pem.encode())


def new_key(site: FakeSite) -> None:
    site.tls = ec.generate_private_key(ec.SECP256R1())


def test_request_of_another_is_refused(services: Services, enrol: Enrol) -> None:
    """Name, identity key and certificate request are those of the site that the certificate names."""
    site, other = enrol("hospital-a"), enrol("hospital-b")
    with pytest.raises(MyofedError, match="ENROL_WRONG_SITE"):
        services.renewals.renew(request(site), site="hospital-b", now=LATE)
    with pytest.raises(MyofedError, match="ENROL_WRONG_SITE"):
        services.renewals.renew(request(other, name="hospital-a"), site="hospital-a", now=LATE)
    site.identity = new_signer()
    with pytest.raises(MyofedError, match="BAD_SIGNATURE"):
        renew(services, site)
    assert "CERTIFICATE_RENEWED" not in {entry.action for entry in services.audit.entries()}


def test_revoked_site_gets_none(services: Services, enrol: Enrol) -> None:
    """Nor does one that never was in."""
    site = enrol("hospital-a")
    services.enrolment.revoke("hospital-a", actor="admin", now=NOW)
    with pytest.raises(MyofedError, match="SITE_REVOKED"):
        renew(services, site)
    site.name = "hospital-z"
    with pytest.raises(MyofedError, match="SITE_UNKNOWN"):
        renew(services, site)


def test_renewal_comes_not_before_half_of_the_life_is_over(services: Services, enrol: Enrol) -> None:
    """A stolen pair of keys makes no heap of certificates."""
    site = enrol("hospital-a")
    new_key(site)
    with pytest.raises(MyofedError, match="RENEWAL_EARLY"):
        renew(services, site, now=NOW + timedelta(days=182))
    renew(services, site, now=NOW + timedelta(days=183))
    new_key(site)
    with pytest.raises(MyofedError, match="RENEWAL_EARLY"):
        renew(services, site, now=NOW + timedelta(days=184))


@pytest.mark.parametrize("same_key", [True, False])
def test_both_certificates_hold_until_the_old_one_ends(services: Services, enrol: Enrol, same_key: bool) -> None:
    """By the same or a new key, bound to the same Flower key; asked again the same one comes; revocation ends both."""
    site = enrol("hospital-a")
    before = services.enrolment.list_sites()[0].certificate_sha256 or ""
    if not same_key:
        new_key(site)
    issued = [renew(services, site), renew(services, site, now=LATE + timedelta(days=1))]
    assert issued[0] == issued[1]
    assert issued[0].public_key() == site.tls.public_key()
    after = fingerprint(issued[0])
    found = [services.enrolment.lookup(each) for each in (before, after)]
    assert found[0] == found[1]
    assert found[0] is not None
    assert not found[0].revoked
    assert services.enrolment.list_sites()[0].certificate_sha256 == after
    renewed = [e for e in services.audit.entries() if e.action == "CERTIFICATE_RENEWED"]
    assert [(e.actor, e.detail) for e in renewed] == [("hospital-a", {"certificate": after, "before": before})]
    services.enrolment.revoke("hospital-a", actor="admin", now=LATE)
    assert [bool(site and site.revoked) for site in map(services.enrolment.lookup, (before, after))] == [True, True]
