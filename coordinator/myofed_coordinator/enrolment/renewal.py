"""The next certificate of a site that is in: asked for under the present one, which stays valid until its own end."""

from __future__ import annotations

from datetime import datetime

from cryptography import x509
from sqlalchemy import select
from sqlalchemy.orm import Session

from myofed_coordinator import certificates
from myofed_coordinator.audit import AuditLog, Deed
from myofed_coordinator.database import Database
from myofed_coordinator.enrolment.issuing import issue_to
from myofed_coordinator.enrolment.models import CertificateRow, SiteRow
from myofed_coordinator.enrolment.refusals import refused, site_revoked, unknown_site
from myofed_coordinator.enrolment.service import Consortium
from myofed_coordinator.signing import verify
from myofed_schemas.enrolment import RenewalReply, SignedRenewal


class RenewalService:
    """The use case; one transaction, entered in the audit chain."""

    def __init__(self, database: Database, audit: AuditLog, consortium: Consortium) -> None:
        self._database = database
        self._audit = audit
        self._consortium = consortium

    def renew(self, signed: SignedRenewal, *, site: str, now: datetime) -> RenewalReply:
        """The site has its next certificate; the same request sent again gets the same one.

        Args:
            signed: Signed with the identity key that was enrolled.
            site: Whom the present certificate names.
            now: Aware.

        Raises:
            MyofedError: ENROL_WRONG_SITE; BAD_SIGNATURE; ENROL_BAD_CSR; SITE_UNKNOWN or SITE_REVOKED; RENEWAL_EARLY, the
                newest certificate has more than half of its life left.
        """
        if signed.body.site != site:
            raise refused(
                "ENROL_WRONG_SITE", "the request names another site than the certificate", hint="ask as yourself"
            )
        request = certificates.check_request(signed.body.csr_pem, site=site)
        with self._database.write() as session:
            row = session.get(SiteRow, site)
            if row is None:
                raise unknown_site(site)
            if row.state != "approved":
                raise site_revoked(site)
            verify(signed.body, signature=signed.signature, public_key=row.identity_key)
            newest = _newest(session, row)
            if not _is_young(newest, now=now):
                return RenewalReply(certificate_pem=self._issue(session, row, request, now=now))
            if newest.public_key() != request.public_key():
                raise refused(
                    "RENEWAL_EARLY",
                    "the newest certificate of the site has more than half of its life left",
                    hint="the node asks by itself when less than a third is left; compare the clocks",
                )
            return RenewalReply(certificate_pem=certificates.pem(newest))

    def _issue(self, session: Session, row: SiteRow, request: x509.CertificateSigningRequest, *, now: datetime) -> str:
        days, authority = self._consortium.config.certificate_days, self._consortium.authority
        before = row.certificate_sha256 or ""
        issued = issue_to(session, row, request, authority=authority, days=days, now=now)
        detail: dict[str, str | int] = {"certificate": issued.sha256, "before": before}
        self._audit.append(Deed(row.site, "CERTIFICATE_RENEWED", row.site, detail), now=now)
        return issued.pem


def _newest(session: Session, row: SiteRow) -> x509.Certificate:
    pem = session.scalars(select(CertificateRow.pem).where(CertificateRow.sha256 == row.certificate_sha256)).one()
    return x509.load_pem_x509_certificate(pem.encode())


def _is_young(certificate: x509.Certificate, *, now: datetime) -> bool:
    """More than half of its life is left."""
    start, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    return end - now > (end - start) / 2
