"""Co-signing audit heads both ways, so that neither a site nor the coordinator can shorten or rewrite its chain unnoticed."""

from __future__ import annotations

from datetime import datetime
from typing import BinaryIO

from sqlalchemy import select

from myofed_coordinator.audit import OWNER, AuditLog, Deed, rewritten
from myofed_coordinator.database import Database
from myofed_coordinator.enrolment.models import SiteAuditHeadRow, WitnessedHeadRow
from myofed_coordinator.enrolment.refusals import refused
from myofed_coordinator.enrolment.service import EnrolmentService
from myofed_coordinator.signing import Signer, verify
from myofed_schemas.audit import AuditHead, SignedAuditHead, WitnessedHead
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
        if head.owner != site or site == OWNER:  # what we sign as our own head no site may have signed
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

    def own_head(self) -> SignedAuditHead:
        """Where the coordinator's own chain stands, signed: what a site is asked to witness.

        Raises:
            MyofedError: AUDIT_BROKEN.
        """
        head = self._audit.head()
        return SignedAuditHead(head=head, signature=self._signer.sign(head))

    def record_witness(self, witnessed: WitnessedHead, *, site: str, now: datetime) -> None:
        """The site vouches for this head of ours; the furthest one is kept.

        Not entered in the chain: each entry would make a new head to witness.

        Args:
            witnessed: A head that this coordinator signed before, with the site's signature.
            site: Whom the client certificate names.
            now: Aware.

        Raises:
            MyofedError: BAD_SIGNATURE, ours or the site's does not hold; AUDIT_REWRITTEN, our chain has another entry where
                the site witnessed one before: the earlier head is kept, it is the evidence.
        """
        head, key = witnessed.head, self._enrolment.identity_key(site)
        verify(head, signature=witnessed.signature, public_key=self._signer.public_key)
        verify(head, signature=witnessed.witness, public_key=key)
        with self._database.write() as session:
            row = session.get(WitnessedHeadRow, site)
            if row is not None and row.sequence >= head.sequence:
                return
            if row is not None and not self._audit.has(row.sequence, row.digest):
                raise rewritten(row.sequence)
            session.merge(
                WitnessedHeadRow(
                    site=site,
                    sequence=head.sequence,
                    digest=head.digest,
                    witness=witnessed.witness,
                    identity_key=key,
                    received_at=utc_text(now),
                )
            )

    def witnessed(self) -> dict[int, str]:
        """Sequence -> digest of every head of ours that a site vouches for.

        Raises:
            MyofedError: BAD_SIGNATURE, a row was altered; AUDIT_REWRITTEN, two sites vouch for different entries.
        """
        found: dict[int, str] = {}
        with self._database.read() as session:
            for row in session.scalars(select(WitnessedHeadRow)):
                head = AuditHead(owner=OWNER, sequence=row.sequence, digest=row.digest)
                verify(head, signature=row.witness, public_key=row.identity_key)
                if found.setdefault(row.sequence, row.digest) != row.digest:
                    raise rewritten(row.sequence)
        return found

    def verify_own(self) -> AuditHead:
        """The head of the coordinator's chain, which holds and is the one that the sites co-signed.

        Raises:
            MyofedError: AUDIT_BROKEN, AUDIT_REWRITTEN, BAD_SIGNATURE.
        """
        return self._audit.verify(cosigned=self.witnessed())

    def export(self, out: BinaryIO) -> SignedAuditHead:
        """The coordinator's whole chain is in `out`, verified as it was written; the head is signed.

        Raises:
            MyofedError: As `verify_own`; what is in `out` is worth nothing then.
        """
        head = self._audit.export(out, cosigned=self.witnessed())
        return SignedAuditHead(head=head, signature=self._signer.sign(head))


def _follows(row: SiteAuditHeadRow, sequence: int, digest: str) -> bool:
    return sequence > row.sequence or (sequence == row.sequence and digest == row.digest)
