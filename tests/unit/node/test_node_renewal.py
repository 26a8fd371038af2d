"""The next client certificate: asked for in time, kept only when it is ours, and never half in place."""

from __future__ import annotations

import os
import ssl
from datetime import timedelta
from pathlib import Path

import pytest
from consortium_ca import Consortium
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from site_factories import NOW, FakeCoordinator, audited_actions, demo_site, enrol, refusal_code

import myofed_node.renewal
from myofed_node import client_certificate
from myofed_node.coordinator_api import CoordinatorApi
from myofed_node.federation.egress_client import Response
from myofed_node.federation.egress_port import SiteIdentity
from myofed_node.keys import load_identity_key, renew_enrolment_keys
from myofed_node.renewal import renew_when_due, settle_renewal
from myofed_node.site_setup import Site
from myofed_schemas.canonical import canonical_json
from myofed_schemas.enrolment import RenewalReply, SignedRenewal
from myofed_schemas.errors import MyofedError

DUE = NOW + timedelta(days=6)
"""The fixture's certificate lasts a week."""


def key_of(csr: str) -> str:
    """The public key that a request is for; its signature is another each time."""
    key = x509.load_pem_x509_csr(csr.encode()).public_key()
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


class Office(FakeCoordinator):
    """A coordinator that renews: the same request gets the same certificate."""

    def __init__(self) -> None:
        super().__init__()
        self.consortium, self.issued, self.start = Consortium(), dict[str, bytes](), DUE

    def request(self, method: str, path: str, *, body: bytes = b"", study: str = "") -> object:  # type: ignore[override]
        if path != "/site/certificate":
            return super().request(method, path, body=body, study=study)
        self.sent.append((method, path, body, study))
        csr = SignedRenewal.model_validate_json(body).body.csr_pem
        certificate = self.issued.setdefault(key_of(csr), self.consortium.issue(csr.encode(), start=self.start))
        return Response(200, canonical_json(RenewalReply(certificate_pem=certificate.decode())))


@pytest.fixture
def office() -> Office:
    return Office()


@pytest.fixture
def site(tmp_path: Path, office: Office) -> Site:
    made = demo_site(tmp_path / "a")
    enrol(made, office)
    request = client_certificate.make_request(made.folder.tls_key, site="alpha")
    made.folder.tls_certificate.write_bytes(office.consortium.issue(request))
    made.folder.consortium_ca.write_bytes(office.consortium.pem)
    return made


def renew(site: Site, office: Office, *, after: timedelta = DUE - NOW) -> bool:
    api = CoordinatorApi(office)  # type: ignore[arg-type]
    return renew_when_due(site.folder, api, site="alpha", now=NOW + after)


def pair_loads(site: Site) -> bool:
    """OpenSSL takes key and certificate as one."""
    try:
        ssl.create_default_context().load_cert_chain(site.folder.tls_certificate, site.folder.tls_key)
    except ssl.SSLError:
        return False
    return True


def test_certificate_with_time_left_is_not_renewed(site: Site, office: Office) -> None:
    """Nothing is asked until less than a third of its life is left."""
    assert not renew(site, office, after=timedelta(days=4))
    assert office.sent == []


def test_certificate_that_has_ended_needs_a_new_invite(site: Site, office: Office) -> None:
    """It opens nothing any more; how long ago is told."""
    with pytest.raises(MyofedError, match=r"CERTIFICATE_EXPIRED.*ended 2 days ago"):
        renew(site, office, after=timedelta(days=9))
    assert office.sent == []


def test_certificate_that_is_not_ours_changes_nothing(site: Site, office: Office) -> None:
    """Of another CA, or valid at another time: the present one stays, and the next try asks with the same key."""
    before = (site.folder.tls_key.read_bytes(), site.folder.tls_certificate.read_bytes())
    right = office.consortium
    office.consortium = Consortium()
    assert refusal_code(lambda: renew(site, office)) == "CERTIFICATE_INVALID"
    office.consortium, office.start = right, DUE + timedelta(days=1)
    office.issued.clear()
    assert refusal_code(lambda: renew(site, office)) == "CLOCK_BEHIND"
    assert (site.folder.tls_key.read_bytes(), site.folder.tls_certificate.read_bytes()) == before
    asked = {key_of(SignedRenewal.model_validate_json(body).body.csr_pem) for _, _, body, _ in office.sent}
    assert len(asked) == 1


def test_renewed_site_has_a_new_key_that_never_left(site: Site, office: Office) -> None:
    """Request signed with the identity key, an entry in the chain, nothing left beside."""
    before = site.folder.tls_key.read_bytes()
    assert renew(site, office)
    assert site.folder.tls_key.read_bytes() != before
    assert pair_loads(site)
    assert not list(site.folder.keys.glob("tls-next*"))
    (sent,) = [body for _, _, body, _ in office.sent]
    signed = SignedRenewal.model_validate_json(sent)
    key = load_identity_key(site.folder).public_key()
    key.verify(bytes.fromhex(signed.signature), canonical_json(signed.body))
    assert b"PRIVATE" not in sent
    assert audited_actions(site)[-1] == "CERTIFICATE_RENEWED"
    assert not renew(site, office)


@pytest.mark.parametrize("dies_at", range(6))
def test_renewal_killed_at_any_step_is_finished_by_the_next_look(
    site: Site, office: Office, monkeypatch: pytest.MonkeyPatch, dies_at: int
) -> None:
    """Whoever looks next, service or egress, finds key and certificate that belong together, old or new."""

    class Killed(BaseException):
        pass

    steps = [0]

    def counted(real):
        def step(*args: object, **named: object) -> object:
            steps[0] += 1
            if steps[0] == dies_at + 1:
                raise Killed
            return real(*args, **named)

        return step

    with monkeypatch.context() as patch:
        for name in ("make_next_tls_key", "write_atomically", "SiteAudit", "fsync_folder"):
            patch.setattr(myofed_node.renewal, name, counted(getattr(myofed_node.renewal, name)))
        patch.setattr(os, "replace", counted(os.replace))
        with pytest.raises(Killed):
            renew(site, office)
    SiteIdentity(site.folder)
    assert pair_loads(site)
    renew(site, office)
    assert pair_loads(site)
    assert not list(site.folder.keys.glob("tls-next*"))
    start, _ = client_certificate.life(site.folder.tls_certificate.read_bytes())
    assert start == DUE
    assert len(office.issued) == 1


def test_two_that_settle_at_once_do_not_hinder_each_other(site: Site, office: Office) -> None:
    """One finds the files gone that the other has just moved."""
    assert renew(site, office)
    for _ in range(2):
        settle_renewal(site.folder)
    assert pair_loads(site)


def test_egress_takes_the_new_certificate_without_a_restart(
    site: Site, office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is loaded once, when it has changed."""
    identity, loaded = SiteIdentity(site.folder), list[Path]()

    class Context:
        def load_cert_chain(self, certificate: Path, _key: Path) -> None:
            loaded.append(certificate)

    monkeypatch.setattr(identity, "context", Context())
    identity.refresh()
    assert loaded == []
    renew(site, office)
    for _ in range(2):
        identity.refresh()
    assert loaded == [site.folder.tls_certificate]


def test_site_that_enrols_anew_leaves_no_renewal_behind(site: Site, office: Office) -> None:
    """The half of an old renewal would be put over the new keys."""
    site.folder.next_tls_key.write_bytes(b"x")
    site.folder.next_tls_certificate.write_bytes(b"x")
    renew_enrolment_keys(site.folder, now=NOW)
    assert not list(site.folder.keys.glob("tls-next*"))
