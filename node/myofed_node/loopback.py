"""TLS between the processes of one machine: a CA that signs one certificate and whose key is then thrown away."""

from __future__ import annotations

import ipaddress
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from myofed_node.site_folder import SiteFolder
from myofed_schemas.files import write_atomically

VALIDITY = timedelta(days=730)
RENEW_BEFORE = timedelta(days=60)
CLOCK_TOLERANCE = timedelta(hours=1)


def make_loopback_certificate(folder: SiteFolder, *, now: datetime) -> None:
    """The egress has a server certificate for 127.0.0.1 that is valid for at least two more months.

    A valid one is left as it is. CA, certificate and key are replaced together; the CA is written last, so that a kill
    in between is seen and repaired by the next call.

    Raises:
        OSError: The keys' folder cannot be written.
    """
    if _still_valid(folder, now=now):
        return
    folder.loopback_ca.unlink(missing_ok=True)
    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    ca = _authority(ca_key, now=now)
    certificate = _server(key, ca_key=ca_key, now=now)
    write_atomically(folder.loopback_key, _private_pem(key))
    write_atomically(folder.loopback_certificate, certificate.public_bytes(serialization.Encoding.PEM))
    write_atomically(folder.loopback_ca, ca.public_bytes(serialization.Encoding.PEM))


def _still_valid(folder: SiteFolder, *, now: datetime) -> bool:
    if not (folder.loopback_ca.exists() and folder.loopback_certificate.exists() and folder.loopback_key.exists()):
        return False
    certificate = x509.load_pem_x509_certificate(folder.loopback_certificate.read_bytes())
    return certificate.not_valid_after_utc - RENEW_BEFORE > now


def _builder(common_name: str, *, issuer: str, now: datetime) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCK_TOLERANCE)
        .not_valid_after(now + VALIDITY)
    )


def _authority(key: ec.EllipticCurvePrivateKey, *, now: datetime) -> x509.Certificate:
    name = "myofed loopback CA"
    return (
        _builder(name, issuer=name, now=now)
        .public_key(key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )


def _server(key: ec.EllipticCurvePrivateKey, *, ca_key: ec.EllipticCurvePrivateKey, now: datetime) -> x509.Certificate:
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    authority_key = x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key())
    return (
        _builder("myofed egress", issuer="myofed loopback CA", now=now)
        .public_key(key.public_key())
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(authority_key, critical=False)
        .sign(ca_key, hashes.SHA256())
    )


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
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


def _private_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
