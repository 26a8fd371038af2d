"""Sites as people see them: state, certificate, and the key and request that an approval is about."""

from __future__ import annotations

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from myofed_coordinator.enrolment.models import CertificateRow, InviteRow, SiteRow
from myofed_schemas.enrolment import SiteRecord, identity_fingerprint


def record_of(session: Session, row: SiteRow) -> SiteRecord:
    """The site that asked, with the request that counts now."""
    certificate = session.get(CertificateRow, row.certificate_sha256) if row.certificate_sha256 else None
    return SiteRecord.model_validate(
        {
            "site": row.site,
            "state": row.state,
            "certificate_sha256": row.certificate_sha256,
            "certificate_not_after": certificate.not_after if certificate else None,
            "last_seen": row.last_seen,
            "heartbeat": row.heartbeat,
            "identity_sha256": identity_fingerprint(row.identity_key),
            "request_sha256": row.request_sha256,
            "requests": _requests_of(session, row.site),
        }
    )


def _requests_of(session: Session, site: str) -> int:
    """Invites that a request used and no revocation has withdrawn since."""
    used = select(func.count()).where(
        InviteRow.site == site, InviteRow.request_sha256.is_not(None), InviteRow.withdrawn.is_(False)
    )
    return session.scalar(used) or 0


def record_of_invited(site: str) -> SiteRecord:
    """A site that has an invite and never asked."""
    return SiteRecord(
        site=site, state="invited", certificate_sha256=None, certificate_not_after=None, last_seen=None, heartbeat=None
    )
