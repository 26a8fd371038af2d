"""The consortium's PKI: what is refused, and that a strict TLS stack accepts what we issue."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from coordinator_factories import NOW, make_site
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from myofed_coordinator import certificates
from myofed_coordinator.certificates import Issued
from myofed_schemas.errors import MyofedError


def client_of(authority: Issued, name: str, *, now: datetime) -> Issued:
    site = make_site(name)
    request = certificates.check_request(site.csr(), site=name)
    return Issued(site.tls, certificates.issue_client(authority, request, now=now, days=30))


def context(folder: Path, side: Issued, *, trusts: Issued, server: bool) -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if server else ssl.PROTOCOL_TLS_CLIENT)
    made.minimum_version = ssl.TLSVersion.TLSv1_3
    made.verify_mode = ssl.CERT_REQUIRED
    made.verify_flags |= ssl.VERIFY_X509_STRICT
    made.load_verify_locations(cadata=trusts.certificate_pem.decode())
    pair = folder / f"{certificates.fingerprint(side.certificate)}.pem"
    pair.write_bytes(side.key_pem + side.certificate_pem)
    made.load_cert_chain(pair)
    return made


def handshake(server: ssl.SSLContext, client: ssl.SSLContext, *, name: str) -> dict[str, object]:
    """Both sides finish in memory; what the server knows of the client's certificate."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    one = server.wrap_bio(to_server, to_client, server_side=True)
    other = client.wrap_bio(to_client, to_server, server_hostname=name)
    for _ in range(4):
        for side in (other, one):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
    return one.getpeercert() or {}


def test_certificates_pass_a_strict_handshake_in_both_directions(tmp_path: Path) -> None:
    """TLS 1.3 with RFC 5280 checks on: the server's name and the site's name are what the certificates say."""
    now = datetime.now(UTC)
    authority = certificates.new_authority("test CA", now=now)
    server = certificates.issue_server(authority, names=("myofed.example.org", "10.0.0.5"), now=now)
    client = client_of(authority, "hospital-a", now=now)
    for name in ("myofed.example.org", "10.0.0.5", "127.0.0.1", "localhost"):
        seen = handshake(
            context(tmp_path, server, trusts=authority, server=True),
            context(tmp_path, client, trusts=authority, server=False),
            name=name,
        )
        assert seen["subject"] == ((("commonName", "hospital-a"),),)


@pytest.mark.parametrize("case", ["other name", "rogue authority", "server certificate as client", "expired"])
def test_certificate_that_should_not_pass_does_not(tmp_path: Path, case: str) -> None:
    """Wrong host, another CA of the same name, the wrong use and an old certificate all end the handshake."""
    now = datetime.now(UTC)
    authority, rogue = (certificates.new_authority("test CA", now=now) for _ in range(2))
    server = certificates.issue_server(authority, names=(), now=now)
    client = client_of(rogue if case == "rogue authority" else authority, "hospital-a", now=now)
    if case == "server certificate as client":
        client = server
    if case == "expired":
        client = client_of(authority, "hospital-a", now=now - timedelta(days=31))
    with pytest.raises(ssl.SSLError):
        handshake(
            context(tmp_path, server, trusts=authority, server=True),
            context(tmp_path, client, trusts=authority, server=False),
            name="elsewhere.example.org" if case == "other name" else "127.0.0.1",
        )


def test_rsa_request_is_refused() -> None:
    """Sites have EC keys; another kind is refused by code."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "hospital-a")])
    csr = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
    with pytest.raises(MyofedError, match="ENROL_BAD_CSR"):
        certificates.check_request(csr.public_bytes(Encoding.PEM).decode(), site="hospital-a")
    with pytest.raises(MyofedError, match="ENROL_BAD_CSR"):
        certificates.check_request("-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n", site="hospital-a")


def test_extensions_of_the_request_are_not_taken_over() -> None:
    """A site that asks to be a CA gets an ordinary client certificate."""
    site = make_site("hospital-a")
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "hospital-a")])
    wish = x509.BasicConstraints(ca=True, path_length=None)
    csr = x509.CertificateSigningRequestBuilder().subject_name(name).add_extension(wish, critical=True)
    text = csr.sign(site.tls, hashes.SHA256()).public_bytes(Encoding.PEM).decode()
    authority = certificates.new_authority("test CA", now=NOW)
    issued = certificates.issue_client(authority, certificates.check_request(text, site="hospital-a"), now=NOW, days=1)
    assert not issued.extensions.get_extension_for_class(x509.BasicConstraints).value.ca


def test_key_of_another_certificate_is_refused() -> None:
    """A home whose CA key and certificate do not match does not open; neither appears in text."""
    one, other = (certificates.new_authority("test CA", now=NOW) for _ in range(2))
    for key in (other.key_pem, b"nonsense"):
        with pytest.raises(MyofedError, match="CERTIFICATE_PAIR"):
            certificates.load_issued(key_pem=key, certificate_pem=one.certificate_pem)
    assert "PRIVATE" not in repr(one)
    assert "BEGIN" not in repr(one)
