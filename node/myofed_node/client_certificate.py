"""The site's client certificate: the request for it, and the check of what comes back before it is kept."""

from __future__ import annotations

from datetime import datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from myofed_node.keys import load_tls_key
from myofed_node.site_folder import SiteFolder
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode


def make_request(folder: SiteFolder, *, site: str) -> bytes:
    """A PKCS#10 request, PEM, for this site's name, signed with the TLS key (RFC 2986).

    Raises:
        MyofedError: KEY_MISSING, KEY_PERMISSIONS, KEY_INVALID.
    """
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, site)])
    request = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(load_tls_key(folder), hashes.SHA256())
    return request.public_bytes(serialization.Encoding.PEM)


def check(folder: SiteFolder, certificate: bytes, *, ca: bytes, site: str, now: datetime) -> None:
    """The certificate is ours: our key, our name, signed by this CA, for clients, valid now.

    Raises:
        MyofedError: CERTIFICATE_INVALID, saying which of these does not hold.
    """
    try:
        leaf, authority = x509.load_pem_x509_certificate(certificate), x509.load_pem_x509_certificate(ca)
    except ValueError:
        raise _invalid("something that is no certificate") from None
    if leaf.public_key() != load_tls_key(folder).public_key():
        raise _invalid("another public key than ours")
    names = [str(attribute.value) for attribute in leaf.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    if names != [site]:
        raise _invalid("another name than ours")
    try:
        leaf.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature):
        raise _invalid("a signature of another CA than the invite's") from None
    if not _for_clients(leaf):
        raise _invalid("one that is not for TLS clients")
    if not leaf.not_valid_before_utc <= now <= leaf.not_valid_after_utc:
        raise _invalid("one that is not valid now (compare the clocks of both machines)")


def not_after(certificate: bytes) -> datetime:
    """When the certificate ends, UTC.

    Raises:
        MyofedError: CERTIFICATE_INVALID.
    """
    try:
        return x509.load_pem_x509_certificate(certificate).not_valid_after_utc
    except ValueError:
        raise _invalid("something that is no certificate") from None


def fingerprint(certificate: bytes) -> str:
    """SHA-256 of the certificate's DER, 64 hexadecimal digits; the coordinator shows the same."""
    return x509.load_pem_x509_certificate(certificate).fingerprint(hashes.SHA256()).hex()


def _for_clients(leaf: x509.Certificate) -> bool:
    try:
        usage = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return False
    return ExtendedKeyUsageOID.CLIENT_AUTH in usage


def _invalid(found: str) -> MyofedError:
    return MyofedError(
        "CERTIFICATE_INVALID",
        f"expected a client certificate for this site from the invite's CA, found {found}",
        hint="ask the coordinator; if the invite came by mail, compare its digest by telephone",
        exit_code=ExitCode.REFUSED,
    )
