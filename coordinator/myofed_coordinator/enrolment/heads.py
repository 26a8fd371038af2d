"""Co-signing the heads of the sites' audit chains, so that a site cannot shorten or rewrite its own unnoticed."""

from __future__ import annotations

from datetime import datetime

from myofed_coordinator.audit import AuditLog, Deed
from myofed_coordinator.database import Database
from myofed_coordinator.enrolment.models import SiteAuditHeadRow
from myofed_coordinator.enrolment.refusals import refused
from myofed_coordinator.enrolment.service import EnrolmentService
from myofed_coordinator.signing import Signer, verify
from myofed_schemas.audit import SignedAuditHead
from myofed_schemas.clock import utc_text


class AuditHeadsService:
    """The use case of co-signing; one transaction."""

    def __init__(self, database: Database, audit: AuditLog, enrolment: EnrolmentService, signer: Signer) -> None:
        self._database = database
        self._audit = audit
        self._enrolment = enrolment
        self._signer = signer

    def cosign(self, signed: SignedAuditHead, *, site: str, now: datetime) -> SignedAuditHead:
        """The head is kept and entered in our own chain; the answer is the same head with the coordinator's signature.

        Args:
            signed: Where the site's chain stands, signed with its identity key.
            site: Whom the client certificate names.
            now: Aware.

        Raises:
            MyofedError: HEAD_WRONG_SITE; BAD_SIGNATURE; HEAD_WENT_BACK, shorter than or different from the head we
                co-signed before.
        """
        head = signed.head
        if head.owner != site:
            raise refused(
                "HEAD_WRONG_SITE", "the head belongs to another site than the certificate", hint="send your own head"
            )
        verify(head, signature=signed.signature, public_key=self._enrolment.identity_key(site))
        with self._database.write() as session:
            row = session.get(SiteAuditHeadRow, site)
            if row is not None and not _follows(row, head.sequence, head.digest):
                raise refused(
                    "HEAD_WENT_BACK",
                    f"the site's audit chain stands at {head.sequence}, co-signed before at {row.sequence}",
                    hint="the site's audit file was shortened or replaced; compare it with a backup",
                )
            if row is None or row.sequence != head.sequence:
                detail: dict[str, str | int] = {"sequence": head.sequence, "head": head.digest}
                self._audit.append(Deed(site, "AUDIT_HEAD_COSIGNED", site, detail), now=now)
                session.merge(
                    SiteAuditHeadRow(
                        site=site,
                        sequence=head.sequence,
                        digest=head.digest,
                        signature=signed.signature,
                        received_at=utc_text(now),
                    )
                )
        return SignedAuditHead(head=head, signature=self._signer.sign(head))


def _follows(row: SiteAuditHeadRow, sequence: int, digest: str) -> bool:
    return sequence > row.sequence or (sequence == row.sequence and digest == row.digest)
