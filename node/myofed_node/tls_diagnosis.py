"""Why the coordinator's TLS certificate does not hold here, in words that name the mend.

After a handshake that failed, a second connection looks at the certificate without trusting it. It sends a request without
a body, a token or a name, and what comes back decides nothing but the words of the error.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime

import httpx
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.x509.oid import NameOID

from myofed_node.client_certificate import clock_wrong, in_words
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode

TIMEOUT_S = 10.0
PATH = "/health"
WRONG_NAME = frozenset({62, 64})
"""OpenSSL's X509_V_ERR_HOSTNAME_MISMATCH and X509_V_ERR_IP_ADDRESS_MISMATCH (x509_vfy.h)."""
CLOCKS_AGREE = timedelta(minutes=1)
LONGEST_NAME = 64


@dataclass(frozen=True)
class Seen:
    """What a connection without trust showed.

    Attributes:
        certificate: The server's own.
        date: Its clock, from the Date header of its answer (RFC 9110, 6.6.1); None where it told none.
    """

    certificate: x509.Certificate
    date: datetime | None


def look_at_server(url: str, *, proxy: str | None) -> Seen | None:
    """What this server shows; None where it shows nothing. Nothing of the site is sent.

    Args:
        url: `https://HOST:PORT`.
        proxy: The site's outbound proxy.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with (
            httpx.Client(verify=context, proxy=proxy, trust_env=False, timeout=TIMEOUT_S) as client,
            client.stream("GET", url + PATH) as response,
        ):
            tls = response.extensions["network_stream"].get_extra_info("ssl_object")
            der = tls.getpeercert(True)  # httpcore gives the socket or the object below it; one takes no keyword
            return Seen(x509.load_der_x509_certificate(der), server_date(response))
    except (httpx.TransportError, ValueError):
        return None


def server_date(response: httpx.Response) -> datetime | None:
    """The server's clock, by its Date header."""
    try:
        return parsedate_to_datetime(response.headers["date"])
    except (KeyError, ValueError):
        return None


def verify_code(error: BaseException) -> int | None:
    """OpenSSL's code of the certificate fault at the root of this error; None where it is another kind of error."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return cause.verify_code
        cause = cause.__cause__ or cause.__context__
    return None


def diagnosed(seen: Seen | None, *, ca_pem: str, code: int, now: datetime) -> MyofedError:
    """The error that names what is wrong with this certificate.

    Args:
        seen: From `look_at_server`.
        ca_pem: The invite's CA.
        code: From `verify_code`.
        now: This machine's clock, UTC.
    """
    if seen is None:
        return _not_trusted("another", "TLS inspection of the hospital's network, or a wrong address")
    authority = x509.load_pem_x509_certificate(ca_pem.encode())
    if not _is_issued_by(seen.certificate, authority):
        return _of_another_ca(seen.certificate, authority)
    if code in WRONG_NAME:
        return _refused(
            "COORDINATOR_WRONG_NAME",
            f"expected a certificate for the invite's address, found the coordinator's own for '{_name(seen.certificate.subject)}'",
            "the coordinator must be reached by a name that `init --public-name` gave it; ask for a new invite",
        )
    return _of_its_time(seen, authority, now=now)


def _of_its_time(seen: Seen, authority: x509.Certificate, *, now: datetime) -> MyofedError:
    """A clock is wrong, or the certificate has ended: the server's own clock tells which."""
    start = max(seen.certificate.not_valid_before_utc, authority.not_valid_before_utc)
    end = min(seen.certificate.not_valid_after_utc, authority.not_valid_after_utc)
    if start <= now <= end:
        return _not_trusted("one that does not hold", "ask the coordinator to run `doctor`")
    if seen.date is not None and abs(now - seen.date) > CLOCKS_AGREE and start <= seen.date <= end:
        return clock_wrong("behind" if now < seen.date else "ahead of", now - seen.date)
    if now > end:
        return _refused(
            "COORDINATOR_CERTIFICATE_EXPIRED",
            f"expected a certificate that is valid, found that the coordinator's ended {in_words(now - end)} ago",
            "tell the coordinator's people: `doctor` there says the same; this machine's clock agrees with theirs",
        )
    return clock_wrong("behind", start - now, least=True)


def _is_issued_by(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _of_another_ca(certificate: x509.Certificate, authority: x509.Certificate) -> MyofedError:
    if certificate.issuer == authority.subject:
        return _refused(
            "COORDINATOR_OTHER_CA",
            "expected a certificate of the invite's CA, found one of another CA with the same name",
            "the invite is of another coordinator, or of before it was made anew: ask for a new invite",
        )
    return _refused(
        "TLS_INSPECTED",
        f"expected a certificate of the invite's CA, found one issued by '{_name(certificate.issuer)}'",
        "if that is your hospital's proxy or virus scanner, have this address exempted from TLS inspection; else the address "
        "is wrong; nothing was sent",
    )


def _name(name: x509.Name) -> str:
    """The common name alone, in plain characters: the certificate is a stranger's."""
    found = [str(attribute.value) for attribute in name.get_attributes_for_oid(NameOID.COMMON_NAME)] or ["no name"]
    return "".join(c if c.isascii() and c.isprintable() else "?" for c in found[0])[:LONGEST_NAME]


def _not_trusted(found: str, why: str) -> MyofedError:
    return _refused(
        "COORDINATOR_NOT_TRUSTED",
        f"expected a server certificate from the invite's CA, found {found}",
        f"{why}; nothing was sent",
    )


def _refused(code: str, message: str, hint: str) -> MyofedError:
    return MyofedError(code, message, hint=hint, exit_code=ExitCode.REFUSED)
