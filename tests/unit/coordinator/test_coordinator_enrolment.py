"""Enrolment: refusals first, then the way from invite to certificate and out again."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from datetime import timedelta

import pytest
from coordinator_factories import HOUR, NOW, FakeSite, make_site
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from myofed_coordinator.certificates import fingerprint
from myofed_coordinator.enrolment.service import RegisteredSite, SeenRequest
from myofed_coordinator.services import Services
from myofed_coordinator.signing import new_signer
from myofed_schemas.enrolment import EnrolmentRequest, Invite, for_reading_aloud, identity_fingerprint
from myofed_schemas.errors import MyofedError
from myofed_schemas.federation import Heartbeat


def invite_for(services: Services, name: str = "hospital-a", *, pre_approved: bool = False) -> Invite:
    return services.enrolment.create_invite(name, actor="admin", now=NOW, valid=HOUR, pre_approved=pre_approved)


def code_of(services: Services, request: EnrolmentRequest, *, later: timedelta = timedelta()) -> str:
    reply = services.enrolment.receive_request(request, now=NOW + later)
    assert reply.state == "refused"
    assert reply.certificate_pem is None
    return reply.code


def test_request_with_an_unknown_token_is_refused(services: Services) -> None:
    """A token that was never given out opens nothing."""
    request = make_site("hospital-a").request(invite_for(services), token="x" * 43)
    assert code_of(services, request) == "ENROL_TOKEN_UNKNOWN"
    assert services.enrolment.list_sites()[0].state == "invited"


def test_token_used_by_another_request_is_refused(services: Services) -> None:
    """Whoever comes second with the same token, but other keys, gets nothing."""
    invite = invite_for(services)
    services.enrolment.receive_request(make_site("hospital-a").request(invite), now=NOW)
    assert code_of(services, make_site("hospital-a").request(invite)) == "ENROL_TOKEN_USED"


def test_expired_token_is_refused(services: Services) -> None:
    """At the moment of expiry the token is void."""
    request = make_site("hospital-a").request(invite_for(services))
    assert code_of(services, request, later=HOUR) == "ENROL_TOKEN_EXPIRED"


def test_token_of_another_site_is_refused(services: Services) -> None:
    """An invite works only for the name it was made for."""
    request = make_site("hospital-b").request(invite_for(services, "hospital-a"))
    assert code_of(services, request) == "ENROL_WRONG_SITE"


def test_certificate_request_for_another_name_is_refused(services: Services) -> None:
    """The common name in the signing request must be the invited site's."""
    site = make_site("hospital-a")
    request = site.request(invite_for(services), csr_pem=site.csr(common_name="hospital-b"))
    assert code_of(services, request) == "ENROL_WRONG_SITE"


def test_certificate_request_signed_with_another_key_is_refused(services: Services) -> None:
    """A signing request whose signature is not by the key it names proves no possession."""
    site = make_site("hospital-a")
    der = bytearray(x509.load_pem_x509_csr(site.csr().encode()).public_bytes(Encoding.DER))
    public = site.tls.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    other = make_site("x").tls.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    start = der.find(public)
    der[start : start + len(public)] = other
    forged = x509.load_der_x509_csr(bytes(der)).public_bytes(Encoding.PEM).decode()
    assert code_of(services, site.request(invite_for(services), csr_pem=forged)) == "ENROL_BAD_CSR"


@pytest.mark.parametrize("curve", [ec.SECP256R1(), ec.SECP521R1()])
def test_flower_key_of_another_curve_is_refused(services: Services, curve: ec.EllipticCurve) -> None:
    """Flower's node authentication needs P-384; a key under that name on another curve is found out."""
    key = ec.generate_private_key(curve).public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    disguised = "ecdsa-sha2-nistp384 " + key.split(" ")[1]
    request = make_site("hospital-a").request(invite_for(services), flower_node_key=disguised)
    assert code_of(services, request) == "ENROL_BAD_NODE_KEY"


def test_request_signed_with_another_identity_is_refused(services: Services) -> None:
    """The body must be signed with the identity key it names."""
    body = make_site("hospital-a").body(invite_for(services))
    request = EnrolmentRequest(body=body, signature=new_signer().sign(body))
    assert code_of(services, request) == "BAD_SIGNATURE"


def test_flower_key_of_another_site_is_refused(services: Services, enrol: Callable[[str], FakeSite]) -> None:
    """Two sites never share a node key, else one could speak as the other."""
    first, second = enrol("hospital-a"), make_site("hospital-b")
    second.flower = first.flower
    assert code_of(services, second.request(invite_for(services, "hospital-b"))) == "ENROL_KEY_TAKEN"


def test_approved_site_is_not_invited_again(services: Services, enrol: Callable[[str], FakeSite]) -> None:
    """An enrolled site keeps its keys until it is revoked."""
    enrol("hospital-a")
    with pytest.raises(MyofedError) as caught:
        invite_for(services, "hospital-a")
    assert caught.value.code == "SITE_ENROLLED"


def test_later_invite_ends_earlier_ones_that_nobody_used(services: Services) -> None:
    """Of several invites of one name the last one opens; the chain says how many it ended."""
    first, second, last = (invite_for(services, pre_approved=True) for _ in range(3))
    for early in (first, second):
        assert code_of(services, make_site("hospital-a").request(early)) == "ENROL_TOKEN_REPLACED"
    assert services.enrolment.receive_request(make_site("hospital-a").request(last), now=NOW).state == "approved"
    made = [entry for entry in services.audit.entries() if entry.action == "SITE_INVITED"]
    assert [entry.detail.get("replaces") for entry in made] == [None, 1, 1]


def test_later_invite_leaves_a_request_that_waits(services: Services) -> None:
    """The site that asked first is answered as before; a revocation ends all."""
    first = invite_for(services)
    request = make_site("hospital-a").request(first)
    assert services.enrolment.receive_request(request, now=NOW).state == "pending"
    second = invite_for(services)
    assert services.enrolment.receive_request(request, now=NOW).state == "pending"
    services.enrolment.revoke("hospital-a", actor="admin", now=NOW)
    assert code_of(services, make_site("hospital-a").request(second)) == "SITE_REVOKED"


def test_invite_is_void_once_its_site_is_in(services: Services) -> None:
    """A request that waited and was approved leaves the later invite without use."""
    request = make_site("hospital-a").request(invite_for(services))
    services.enrolment.receive_request(request, now=NOW)
    second = invite_for(services)
    services.enrolment.approve("hospital-a", actor="admin", now=NOW)
    assert code_of(services, make_site("hospital-a").request(second)) == "SITE_ENROLLED"


def test_revoked_site_cannot_sign_any_more(services: Services, enrol: Callable[[str], FakeSite]) -> None:
    """Its identity key is not given out for checking anything new."""
    site = enrol("hospital-a")
    assert services.enrolment.identity_key("hospital-a") == site.identity.public_key
    services.enrolment.revoke("hospital-a", actor="admin", now=NOW)
    services.enrolment.revoke("hospital-a", actor="admin", now=NOW)
    with pytest.raises(MyofedError, match="SITE_REVOKED"):
        services.enrolment.identity_key("hospital-a")


def test_site_waits_until_a_person_approves(services: Services) -> None:
    """The same request is pending before the approval and gets the certificate after it, also past the token's expiry."""
    site = make_site("hospital-a")
    request = site.request(invite_for(services))
    assert services.enrolment.receive_request(request, now=NOW).state == "pending"
    services.enrolment.approve("hospital-a", actor="admin", now=NOW)
    services.enrolment.approve("hospital-a", actor="admin", now=NOW)
    replies = [services.enrolment.receive_request(request, now=NOW + 2 * HOUR) for _ in range(2)]
    assert replies[0] == replies[1]
    certificate = x509.load_pem_x509_certificate((replies[0].certificate_pem or "").encode())
    assert certificate.public_key() == site.tls.public_key()
    assert certificate.subject.rfc4514_string() == "CN=hospital-a"


def test_other_key_than_the_one_compared_is_not_let_in(services: Services) -> None:
    """Neither one whose fingerprint somebody read aloud, nor one that took the place of the request that was shown."""
    first, second = make_site("hospital-a"), make_site("hospital-a")
    services.enrolment.receive_request(first.request(invite_for(services)), now=NOW)
    shown = services.enrolment.list_sites()[0]
    services.enrolment.receive_request(second.request(invite_for(services)), now=NOW)
    for seen, code in (
        (SeenRequest(request_sha256=shown.request_sha256), "SITE_REQUEST_CHANGED"),
        (SeenRequest(request_sha256=""), "SITE_REQUEST_CHANGED"),
        (SeenRequest(fingerprint=shown.identity_sha256), "SITE_FINGERPRINT"),
        (SeenRequest(fingerprint=(shown.identity_sha256 or "")[:12]), "SITE_FINGERPRINT"),
        (SeenRequest(fingerprint=""), "SITE_FINGERPRINT"),
    ):
        with pytest.raises(MyofedError, match=code):
            services.enrolment.approve("hospital-a", actor="admin", now=NOW, seen=seen)
    assert services.enrolment.list_sites()[0].state == "pending"
    aloud = for_reading_aloud(identity_fingerprint(second.identity.public_key)).upper()
    services.enrolment.approve("hospital-a", actor="admin", now=NOW, seen=SeenRequest(fingerprint=aloud))
    assert services.enrolment.identity_key("hospital-a") == second.identity.public_key


def test_second_request_for_a_name_that_waits_is_in_the_chain_and_counted(services: Services) -> None:
    """With what it replaced and whose key it brought; a revocation begins the count anew."""
    for expected in (1, 2):
        site = make_site("hospital-a")
        services.enrolment.receive_request(site.request(invite_for(services)), now=NOW)
        record = services.enrolment.list_sites()[0]
        assert record.requests == expected
        assert record.identity_sha256 == hashlib.sha256(bytes.fromhex(site.identity.public_key)).hexdigest()
    asked = [e for e in services.audit.entries() if e.action in ("SITE_ASKED", "SITE_REQUEST_REPLACED")]
    assert [e.action for e in asked] == ["SITE_ASKED", "SITE_REQUEST_REPLACED"]
    assert asked[1].detail == {
        "request": record.request_sha256,
        "identity": record.identity_sha256,
        "replaces": asked[0].detail["request"],
    }
    services.enrolment.revoke("hospital-a", actor="admin", now=NOW)
    services.enrolment.receive_request(make_site("hospital-a").request(invite_for(services)), now=NOW)
    assert services.enrolment.list_sites()[0].requests == 1


def test_certificate_is_bound_to_the_node_key_enrolled_with_it(
    services: Services, enrol: Callable[[str], FakeSite]
) -> None:
    """The lookup names site and node key; a certificate we never issued is unknown."""
    enrol("hospital-a")
    record = services.enrolment.list_sites()[0]
    assert record.certificate_sha256 is not None
    found = services.enrolment.lookup(record.certificate_sha256)
    assert isinstance(found, RegisteredSite)
    assert (found.site, found.revoked) == ("hospital-a", False)
    assert services.enrolment.lookup("0" * 64) is None


def test_revoked_site_is_out_at_the_next_lookup(services: Services, enrol: Callable[[str], FakeSite]) -> None:
    """Revocation needs no restart: lookup, node keys and the same request all know at once."""
    enrol("hospital-a")
    certificate = services.enrolment.list_sites()[0].certificate_sha256
    services.enrolment.revoke("hospital-a", actor="admin", now=NOW)
    found = services.enrolment.lookup(certificate or "")
    assert found is not None
    assert found.revoked
    assert services.enrolment.approved_node_keys() == []
    with pytest.raises(MyofedError, match="SITE_REVOKED"):
        services.enrolment.approve("hospital-a", actor="admin", now=NOW)


def test_revoked_site_comes_back_only_with_a_new_invite(services: Services, enrol: Callable[[str], FakeSite]) -> None:
    """After a new invite there is a new certificate, and the old one stays revoked."""
    site = enrol("hospital-a")
    old = services.enrolment.list_sites()[0].certificate_sha256 or ""
    services.enrolment.revoke("hospital-a", actor="admin", now=NOW)
    invite = invite_for(services, pre_approved=True)
    assert code_of(services, site.request(invite)) == "ENROL_KEY_RETIRED"  # the engine never takes a revoked key again
    reply = services.enrolment.receive_request(make_site("hospital-a").request(invite), now=NOW)
    new = fingerprint(x509.load_pem_x509_certificate((reply.certificate_pem or "").encode()))
    assert services.enrolment.lookup(old).revoked
    assert not services.enrolment.lookup(new).revoked


def test_request_of_a_revoked_site_is_refused(services: Services) -> None:
    """The request that once was approved gets no certificate after the revocation."""
    request = make_site("hospital-a").request(invite_for(services, pre_approved=True))
    assert services.enrolment.receive_request(request, now=NOW).state == "approved"
    services.enrolment.revoke("hospital-a", actor="admin", now=NOW)
    assert code_of(services, request) == "SITE_REVOKED"


def test_heartbeat_is_remembered_for_a_known_site_only(services: Services, enrol: Callable[[str], FakeSite]) -> None:
    """A heartbeat sets when and in which state the site was seen; an unknown site has none."""
    enrol("hospital-a")
    beat = Heartbeat(myofed_version="0.1.0", flwr_version="1.41.0", state="READY", sent_at="2026-11-22T12:00:00Z")
    services.enrolment.note_heartbeat("hospital-a", beat, now=NOW)
    record = services.enrolment.list_sites()[0]
    assert (record.last_seen, record.heartbeat) == ("2026-11-22T12:00:00Z", "READY")
    with pytest.raises(MyofedError, match="SITE_UNKNOWN"):
        services.enrolment.note_heartbeat("hospital-z", beat, now=NOW)


def test_everything_decided_is_in_the_audit_chain(services: Services, enrol: Callable[[str], FakeSite]) -> None:
    """Invite, request, approval and revocation each leave one entry; a token or key never does."""
    enrol("hospital-a")
    services.enrolment.revoke("hospital-a", actor="admin", now=NOW)
    actions = [entry.action for entry in services.audit.entries()]
    assert actions == ["HOME_MADE", "SITE_INVITED", "SITE_ASKED", "SITE_APPROVED", "SITE_REVOKED"]
    assert services.audit.verify().sequence == 5


def test_only_the_digest_of_a_token_is_kept(services: Services) -> None:
    """The token itself is in neither database, audit chain nor any other file of the home."""
    invite = invite_for(services)
    services.close()
    kept = [path.read_bytes() for path in services.home.root.rglob("*") if path.is_file()]
    assert kept
    assert not any(invite.token.encode() in content for content in kept)


@pytest.mark.parametrize("pre_approved", [False, True])
def test_invite_of_a_site_that_never_asked_can_be_withdrawn(services: Services, pre_approved: bool) -> None:
    """An invite that went to the wrong person opens nothing after `sites revoke`."""
    invite = invite_for(services, pre_approved=pre_approved)
    services.enrolment.revoke("hospital-a", actor="admin", now=NOW)
    assert code_of(services, make_site("hospital-a").request(invite)) == "SITE_REVOKED"
    assert services.enrolment.list_sites() == []


def test_new_invite_of_a_revoked_site_can_be_withdrawn(services: Services, enrol: Callable[[str], FakeSite]) -> None:
    """Revoking again closes the invite that was made after the first time."""
    enrol("hospital-a")
    services.enrolment.revoke("hospital-a", actor="admin", now=NOW)
    invite = invite_for(services)
    services.enrolment.revoke("hospital-a", actor="admin", now=NOW)
    assert code_of(services, make_site("hospital-a").request(invite)) == "SITE_REVOKED"


def test_site_that_was_never_invited_cannot_be_revoked(services: Services) -> None:
    """A mistyped name is told, not silently accepted."""
    with pytest.raises(MyofedError) as refusal:
        services.enrolment.revoke("hospital-q", actor="admin", now=NOW)
    assert refusal.value.code == "SITE_UNKNOWN"


def test_certificate_request_of_an_unknown_version_is_refused(services: Services) -> None:
    """Its parser raises an error of its own kind; the caller still gets a code and no defect of the server."""
    invite = invite_for(services)
    site = make_site("hospital-a")
    der = bytearray(x509.load_pem_x509_csr(site.csr().encode()).public_bytes(Encoding.DER))
    version = der.index(b"\x02\x01\x00") + 2
    der[version] = 1
    body = base64.encodebytes(bytes(der)).decode()
    changed = f"-----BEGIN CERTIFICATE REQUEST-----\n{body}-----END CERTIFICATE REQUEST-----\n"
    assert code_of(services, site.request(invite, csr_pem=changed)) == "ENROL_BAD_CSR"
