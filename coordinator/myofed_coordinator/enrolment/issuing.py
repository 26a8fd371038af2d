"""A certificate for a site: issued for its request, and in the table with the Flower node key enrolled beside it."""

from __future__ import annotations

from datetime import datetime

from cryptography import x509
from sqlalchemy.orm import Session

from myofed_coordinator import certificates
from myofed_coordinator.certificates import Issued
from myofed_coordinator.enrolment.models import CertificateRow, SiteRow
from myofed_schemas.clock import utc_text


def issue_to(
    session: Session,
    site: SiteRow,
    request: x509.CertificateSigningRequest,
    *,
    authority: Issued,
    days: int,
    now: datetime,
) -> CertificateRow:
    """The site's newest certificate is a new one; the caller enters it in the audit chain.

    Args:
        session: In a transaction.
        site: Whose.
        request: Checked.
        authority: The CA.
        days: Validity.
        now: Aware.
    """
    certificate = certificates.issue_client(authority, request, now=now, days=days)
    issued = CertificateRow(
        sha256=certificates.fingerprint(certificate),
        site=site.site,
        pem=certificates.pem(certificate),
        node_key_sha256=site.node_key_sha256,
        not_after=utc_text(certificate.not_valid_after_utc),
    )
    session.add(issued)
    site.certificate_sha256 = issued.sha256
    return issued
