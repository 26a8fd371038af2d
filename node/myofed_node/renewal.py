"""The next client certificate, before the present one ends: a new key, one request, and a change that a kill cannot halve."""

from __future__ import annotations

import os
from contextlib import suppress
from datetime import datetime

from cryptography import x509

from myofed_node import client_certificate
from myofed_node.audit import SiteAudit
from myofed_node.coordinator_api import CoordinatorApi
from myofed_node.keys import load_tls_key, make_next_tls_key, sign
from myofed_node.site_folder import SiteFolder
from myofed_schemas.clock import utc_text
from myofed_schemas.enrolment import RenewalBody, SignedRenewal
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode
from myofed_schemas.files import fsync_folder, write_atomically

SHARE_LEFT = 3
"""The service renews when less than a third of the certificate's life is left."""


def renew_when_due(folder: SiteFolder, api: CoordinatorApi, *, site: str, now: datetime) -> bool:
    """The site has a certificate that will last; the present one was replaced where little of its life was left.

    The private key of the new one is made here and stays here. Killed at any moment, the next call goes on: it asks with
    the same key and gets the same certificate.

    Args:
        folder: The site's.
        api: The way to the coordinator, under the present certificate.
        site: The site's name.
        now: UTC.

    Returns:
        Whether a new certificate came.

    Raises:
        MyofedError: CERTIFICATE_EXPIRED, the present one has ended; CERTIFICATE_INVALID, CLOCK_AHEAD or CLOCK_BEHIND, what
            came does not hold, and the present one stays; or what the exchange raises.
    """
    settle_renewal(folder)
    start, end = client_certificate.life(folder.tls_certificate.read_bytes())
    if now > end:
        raise MyofedError(
            "CERTIFICATE_EXPIRED",
            f"expected a client certificate that is valid, found one that ended {client_certificate.in_words(now - end)} ago",
            hint="ask the coordinator for a new invite and call join --new-keys; or this machine's clock is ahead",
            exit_code=ExitCode.REFUSED,
        )
    if end - now >= (end - start) / SHARE_LEFT:
        return False
    make_next_tls_key(folder)
    request = client_certificate.make_request(folder.next_tls_key, site=site).decode("ascii")
    body = RenewalBody(site=site, csr_pem=request, asked_at=utc_text(now))
    reply = api.renew(SignedRenewal(body=body, signature=sign(folder, body)))
    certificate, ca = reply.certificate_pem.encode(), folder.consortium_ca.read_bytes()
    client_certificate.check(folder.next_tls_key, certificate, ca=ca, site=site, now=now)
    SiteAudit(folder).append("CERTIFICATE_RENEWED", subject=client_certificate.fingerprint(certificate), now=now)
    write_atomically(folder.next_tls_certificate, certificate)
    settle_renewal(folder)
    return True


def settle_renewal(folder: SiteFolder) -> None:
    """Key and certificate in their places belong together; a change under way, cut short or of another process, is finished.

    The next certificate lies beside until both have changed: while it is there, the present key is either still the old
    one, with its successor beside it, or already the new one.

    Raises:
        MyofedError: KEY_MISSING, KEY_PERMISSIONS or KEY_INVALID.
        OSError: The folder cannot be written.
    """
    with suppress(FileNotFoundError):  # nothing is under way, or another process was faster
        following = x509.load_pem_x509_certificate(folder.next_tls_certificate.read_bytes()).public_key()
        if load_tls_key(folder).public_key() != following:
            os.replace(folder.next_tls_key, folder.tls_key)  # noqa: PTH105  beside fsync, the words of the rule
            fsync_folder(folder.keys)
        os.replace(folder.next_tls_certificate, folder.tls_certificate)  # noqa: PTH105  as above
        fsync_folder(folder.keys)
