"""The site's client certificate: the request for it, and the check of what comes back before it is kept."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from myofed_node.keys import load_tls_key_at
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode


def make_request(key_file: Path, *, site: str) -> bytes:
    """A PKCS#10 request, PEM, for this site's name, signed with the TLS key in this file (RFC 2986).

    Raises:
        MyofedError: KEY_MISSING, KEY_PERMISSIONS, KEY_INVALID.
    """
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, site)])
    request = (
        x509.CertificateSigningRequestBuilder().subject_name(subject).sign(load_tls_key_at(key_file), hashes.SHA256())
    )
    return request.public_bytes(serialization.Encoding.PEM)


def check(key_file: Path, certificate: bytes, *, ca: bytes, site: str, now: datetime) -> None:
    """The certificate is ours: our key, our name, signed by this CA, for clients, valid now.

    Raises:
        MyofedError: CERTIFICATE_INVALID, saying which of these does not hold.
    """
    try:
        leaf, authority = x509.load_pem_x509_certificate(certificate), x509.load_pem_x509_certificate(ca)
    except ValueError:
        raise _invalid("something that is no certificate") from None
    if leaf.public_key() != load_tls_key_at(key_file).public_key():
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
    _check_time(leaf, now=now)


def _check_time(leaf: x509.Certificate, *, now: datetime) -> None:
    """A certificate that was made this moment is valid in this moment, unless a clock is wrong."""
    if now < leaf.not_valid_before_utc:
        raise clock_wrong("behind", leaf.not_valid_before_utc - now, least=True)
    if now > leaf.not_valid_after_utc:
        raise clock_wrong("ahead of", now - leaf.not_valid_after_utc, least=True)


def clock_wrong(side: Literal["behind", "ahead of"], by: timedelta, *, least: bool = False) -> MyofedError:
    """This machine's clock and the coordinator's differ so far that no certificate is valid on both.

    Args:
        side: Where this machine's clock is.
        by: How far.
        least: It is known only that it is at least so far.
    """
    return MyofedError(
        "CLOCK_BEHIND" if side == "behind" else "CLOCK_AHEAD",
        f"expected the coordinator's time, found this machine's clock {'at least ' if least else ''}"
        f"{in_words(by)} {side} it",
        hint="set the clock of the machine that is wrong (timedatectl set-ntp true) and call join again",
        exit_code=ExitCode.REFUSED,
    )


def in_words(span: timedelta) -> str:
    """E.g. `3 days 4 h`, `12 min`, `40 s`: the two largest parts."""
    seconds = int(abs(span).total_seconds())
    parts = ((seconds // 86_400, "days"), (seconds // 3600 % 24, "h"), (seconds // 60 % 60, "min"), (seconds % 60, "s"))
    return " ".join([f"{number} {unit}" for number, unit in parts if number][:2]) or "0 s"


def life(certificate: bytes) -> tuple[datetime, datetime]:
    """Beginning and end of the certificate, UTC.

    Raises:
        MyofedError: CERTIFICATE_INVALID.
    """
    try:
        found = x509.load_pem_x509_certificate(certificate)
    except ValueError:
        raise _invalid("something that is no certificate") from None
    return found.not_valid_before_utc, found.not_valid_after_utc


def not_after(certificate: bytes) -> datetime:
    """When the certificate ends, UTC.

    Raises:
        MyofedError: CERTIFICATE_INVALID.
    """
    return life(certificate)[1]


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
