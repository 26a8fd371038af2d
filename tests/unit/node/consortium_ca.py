"""A tiny CA that signs sites' requests, rightly or wrongly, for the tests of enrolment."""

from __future__ import annotations

from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from site_factories import NOW


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


class Consortium:
    """A CA of its own key; every one has the same name."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        builder = self._builder("consortium", NOW - timedelta(days=1)).public_key(self._key.public_key())
        self._certificate = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True).sign(
            self._key, hashes.SHA256()
        )

    @property
    def pem(self) -> bytes:
        """The CA's certificate."""
        return self._certificate.public_bytes(serialization.Encoding.PEM)

    def issue(
        self,
        request: bytes,
        *,
        name: str = "alpha",
        client: bool = True,
        usage: bool = True,
        start: datetime = NOW,
        own_key: bool = False,
    ) -> bytes:
        """A certificate for the request, valid for a week, wrong in the ways asked for."""
        asked = x509.load_pem_x509_csr(request)
        key = ec.generate_private_key(ec.SECP256R1()).public_key() if own_key else asked.public_key()
        builder = self._builder(name, start).public_key(key)
        if usage:
            purpose = ExtendedKeyUsageOID.CLIENT_AUTH if client else ExtendedKeyUsageOID.SERVER_AUTH
            builder = builder.add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
        return builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    def _builder(self, name: str, start: datetime) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(_name(name))
            .issuer_name(_name("consortium"))
            .serial_number(x509.random_serial_number())
            .not_valid_before(start)
            .not_valid_after(start + timedelta(days=7))
        )
