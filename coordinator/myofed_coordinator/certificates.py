"""The consortium's small PKI: a CA, server certificates, and client certificates from a site's own request (RFC 5280)."""

from __future__ import annotations

import hashlib
import ipaddress
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_ssh_public_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode

BACKDATE = timedelta(hours=1)
"""A certificate is valid from an hour ago: clocks of two hospitals differ."""
CA_DAYS = 3650
SERVER_DAYS = 825
CLIENT_CURVES = ("secp256r1", "secp384r1")


@dataclass(frozen=True)
class Issued:
    """A certificate and its private key, both PEM; the key is left out of the repr."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    def __repr__(self) -> str:
        return f"Issued({fingerprint(self.certificate)[:12]})"

    @property
    def key_pem(self) -> bytes:
        """Private key as unencrypted PKCS#8, for a file of mode 0600."""
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    @property
    def certificate_pem(self) -> bytes:
        """The certificate."""
        return pem(self.certificate).encode()


def load_issued(*, key_pem: bytes, certificate_pem: bytes) -> Issued:
    """A certificate and its key, which belong together.

    Raises:
        MyofedError: CERTIFICATE_PAIR, one of them does not parse or they do not match.
    """
    try:
        key = load_pem_private_key(key_pem, password=None)
        certificate = x509.load_pem_x509_certificate(certificate_pem)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise _bad_pair() from error
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != certificate.public_key():
        raise _bad_pair()
    return Issued(key, certificate)


def pem(certificate: x509.Certificate) -> str:
    """The certificate as PEM text."""
    return certificate.public_bytes(Encoding.PEM).decode()


def fingerprint(certificate: x509.Certificate) -> str:
    """SHA-256 of the certificate's DER, hexadecimal: what the sites' port looks up."""
    return certificate.fingerprint(hashes.SHA256()).hex()


def new_authority(name: str, *, now: datetime, days: int = CA_DAYS) -> Issued:
    """A self-signed CA (EC P-384) that may sign leaves only (path length 0).

    Args:
        name: Common name.
        now: Aware.
        days: Validity.
    """
    key = ec.generate_private_key(ec.SECP384R1())
    builder = _builder(name, key.public_key(), now=now, days=days).issuer_name(_name(name))
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(_usage(signs_certificates=True), critical=True)
    builder = builder.add_extension(
        x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False
    )
    return Issued(key, builder.sign(key, hashes.SHA384()))


def issue_server(authority: Issued, *, names: tuple[str, ...], now: datetime, days: int = SERVER_DAYS) -> Issued:
    """A server certificate (EC P-256) for these names, and for 127.0.0.1 and localhost.

    Args:
        authority: The CA that signs.
        names: DNS names and IP addresses.
        now: Aware.
        days: Validity.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    every = tuple(dict.fromkeys((*names, "localhost", "127.0.0.1")))
    builder = _leaf(authority, every[0], key.public_key(), now=now, days=days)
    builder = builder.add_extension(x509.SubjectAlternativeName([_general_name(n) for n in every]), critical=False)
    builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
    return Issued(key, builder.sign(authority.key, hashes.SHA384()))


def check_request(csr_pem: str, *, site: str) -> x509.CertificateSigningRequest:
    """A signing request whose sender holds its private key and which asks for this site's name (RFC 2986).

    Raises:
        MyofedError: ENROL_BAD_CSR (does not parse, wrong curve, signed with another key), ENROL_WRONG_SITE (other name).
    """
    try:
        request = x509.load_pem_x509_csr(csr_pem.encode())
        valid = request.is_signature_valid
        key, subject = request.public_key(), request.subject
    except (ValueError, InvalidSignature, UnsupportedAlgorithm, x509.InvalidVersion) as error:
        raise _bad_request("does not parse") from error
    if not isinstance(key, ec.EllipticCurvePublicKey) or key.curve.name not in CLIENT_CURVES:
        raise _bad_request("key is not on P-256 or P-384")
    if not valid:
        raise _bad_request("is signed with another key than it names")
    if subject != _name(site):
        raise MyofedError(
            "ENROL_WRONG_SITE",
            "the signing request's subject is not exactly the common name of the invited site",
            hint="make the request with `myofed-node join` and the invite of this site",
            exit_code=ExitCode.REFUSED,
        )
    return request


def issue_client(
    authority: Issued, request: x509.CertificateSigningRequest, *, now: datetime, days: int
) -> x509.Certificate:
    """The certificate for a checked request: its key and common name, our extensions, nothing else of the request.

    Args:
        authority: The CA that signs.
        request: From `check_request`.
        now: Aware.
        days: Validity.
    """
    key = request.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    common_name = str(request.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)
    builder = _leaf(authority, common_name, key, now=now, days=days)
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(common_name)]), critical=False)
    builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
    return builder.sign(authority.key, hashes.SHA384())


def node_key_sha256(openssh: str) -> str:
    """SHA-256 of the PEM SubjectPublicKeyInfo of a Flower node's public key: what Flower sends, base64, in its header.

    Args:
        openssh: `ecdsa-sha2-nistp384 AAAA...`.

    Raises:
        MyofedError: ENROL_BAD_NODE_KEY, not an EC P-384 public key.
    """
    try:
        key = load_ssh_public_key(openssh.encode())
    except (ValueError, UnsupportedAlgorithm) as error:
        raise _bad_node_key() from error
    if not isinstance(key, ec.EllipticCurvePublicKey) or key.curve.name != "secp384r1":
        raise _bad_node_key()
    pem = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(pem).hexdigest()


def _leaf(
    authority: Issued, common_name: str, key: ec.EllipticCurvePublicKey, *, now: datetime, days: int
) -> x509.CertificateBuilder:
    issuer_key = authority.key.public_key()
    builder = _builder(common_name, key, now=now, days=days).issuer_name(authority.certificate.subject)
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    builder = builder.add_extension(_usage(signs_certificates=False), critical=True)
    return builder.add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key), critical=False)


def _builder(common_name: str, key: ec.EllipticCurvePublicKey, *, now: datetime, days: int) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(_name(common_name))
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATE)
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _bad_pair() -> MyofedError:
    return MyofedError(
        "CERTIFICATE_PAIR",
        "expected a certificate and its EC private key, found others",
        hint="restore the folder `keys` from a backup",
        exit_code=ExitCode.SITE_FOLDER,
    )


def _bad_request(what: str) -> MyofedError:
    return MyofedError(
        "ENROL_BAD_CSR",
        f"the certificate signing request {what}",
        hint="make it with `myofed-node join`",
        exit_code=ExitCode.REFUSED,
    )


def _bad_node_key() -> MyofedError:
    return MyofedError(
        "ENROL_BAD_NODE_KEY",
        "expected an EC P-384 public key in OpenSSH format as the Flower node's key",
        hint="make it with `myofed-node join`",
        exit_code=ExitCode.REFUSED,
    )
