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
from myofed_schemas.audit import AuditHead, CosignedHead, ProvenHead, SignedAuditHead, WitnessedHead
from myofed_schemas.audit_lines import anchors_of
from myofed_schemas.audit_proof import proves
from myofed_schemas.clock import utc_text


class AuditHeadsService:
    """The use case of co-signing; one transaction."""

    def __init__(self, database: Database, audit: AuditLog, enrolment: EnrolmentService, signer: Signer) -> None:
        self._database = database
        self._audit = audit
        self._enrolment = enrolment
        self._signer = signer

    def last_cosigned(self, site: str) -> CosignedHead:
        """What the site's next head has to go on from.

        Args:
            site: Whom the client certificate names.
        """
        with self._database.read() as session:
            row = session.get(SiteAuditHeadRow, site)
            return CosignedHead(head=None if row is None else _head_of(row, site))

    def cosign(self, shown: ProvenHead, *, site: str, now: datetime) -> SignedAuditHead:
        """The head is kept and entered in our own chain; the answer is the same head with the coordinator's signature.

        A node of an earlier release shows heads without a root: taken while none with a root was co-signed.

        Args:
            shown: Where the site's chain stands, signed with its identity key, and the proof that it goes on from the head
                that we co-signed last.
            site: Whom the client certificate names.
            now: Aware.

        Raises:
            MyofedError: HEAD_WRONG_SITE; BAD_SIGNATURE; HEAD_WENT_BACK, shorter than or different from the head we
                co-signed before; HEAD_UNPROVEN, no proof from that head; HEAD_HISTORY_CHANGED, the proof does not hold.
                The earlier head is kept in all of them.
        """
        head = shown.head
        if head.owner != site or site == OWNER:  # what we sign as our own head no site may have signed
            raise refused(
                "HEAD_WRONG_SITE", "the head belongs to another site than the certificate", hint="send your own head"
            )
        verify(head, signature=shown.signature, public_key=self._enrolment.identity_key(site))
        with self._database.write() as session:
            row = session.get(SiteAuditHeadRow, site)
            earlier = None if row is None else _head_of(row, site)
            _check_goes_on(shown, earlier)
            if earlier != head:
                detail: dict[str, str | int] = {"sequence": head.sequence, "head": head.digest}
                if head.root is not None:
                    detail["root"] = head.root
                self._audit.append(Deed(site, "AUDIT_HEAD_COSIGNED", site, detail), now=now)
                session.merge(
                    SiteAuditHeadRow(
                        site=site,
                        sequence=head.sequence,
                        digest=head.digest,
                        root=head.root,
                        signature=shown.signature,
                        received_at=utc_text(now),
                    )
                )
        return SignedAuditHead(head=head, signature=self._signer.sign(head))

    def accept_history(self, site: str, *, actor: str, now: datetime) -> AuditHead:
        """The site's next head is taken without a proof, as a first one; the head that bound it stands in our chain.

        Args:
            site: Whose people have said why its chain is another one, e.g. that it was restored from a backup.
            actor: Who takes it.
            now: Aware.

        Returns:
            The head that is given up.

        Raises:
            MyofedError: SITE_UNKNOWN; HEAD_NONE, none was co-signed.
        """
        self._enrolment.identity_key(site)
        with self._database.write() as session:
            row = session.get(SiteAuditHeadRow, site)
            if row is None:
                raise refused("HEAD_NONE", f"no head of {site} was co-signed", hint="nothing has to be accepted")
            earlier = _head_of(row, site)
            detail: dict[str, str | int] = {
                "sequence": row.sequence,
                "head": row.digest,
                "signature": row.signature,
            }
            if row.root is not None:
                detail["root"] = row.root
            self._audit.append(Deed(actor, "SITE_HISTORY_ACCEPTED", site, detail), now=now)
            session.delete(row)
        return earlier

    def own_head(self, *, since: int = 0) -> ProvenHead:
        """Where the coordinator's own chain stands, signed, with the proof: what a site is asked to witness.

        Args:
            since: Sequence of the head that the site witnessed last; 0 where it witnessed none.

        Raises:
            MyofedError: AUDIT_BROKEN.
        """
        head, proof = self._audit.prove(since=since)
        return ProvenHead(head=head, signature=self._signer.sign(head), proof=proof)

    def record_witness(self, witnessed: WitnessedHead, *, site: str, now: datetime) -> None:
        """The site vouches for this head of ours; the furthest one is kept.

        Not entered in the chain: each entry would make a new head to witness.

        Args:
            witnessed: A head that this coordinator signed before, with the site's signature.
            site: Whom the client certificate names.
            now: Aware.

        Raises:
            MyofedError: BAD_SIGNATURE, ours or the site's does not hold; AUDIT_REWRITTEN, our chain has another entry or root
                where the site witnessed one before: the earlier head is kept, it is the evidence.
        """
        head, key = witnessed.head, self._enrolment.identity_key(site)
        verify(head, signature=witnessed.signature, public_key=self._signer.public_key)
        verify(head, signature=witnessed.witness, public_key=key)
        with self._database.write() as session:
            row = session.get(WitnessedHeadRow, site)
            if row is not None:
                if (row.sequence, row.root is not None) >= (head.sequence, head.root is not None):
                    return
                if not self._audit.stands_for(_head_of(row, OWNER)):
                    raise rewritten(row.sequence)
            session.merge(
                WitnessedHeadRow(
                    site=site,
                    sequence=head.sequence,
                    digest=head.digest,
                    root=head.root,
                    witness=witnessed.witness,
                    identity_key=key,
                    received_at=utc_text(now),
                )
            )

    def witnessed(self) -> dict[int, AuditHead]:
        """By sequence, every head of ours that a site vouches for; one with its root before one without.

        Raises:
            MyofedError: BAD_SIGNATURE, a row was altered; AUDIT_REWRITTEN, two sites vouch for different entries or roots.
        """
        found: dict[int, AuditHead] = {}
        with self._database.read() as session:
            for row in session.scalars(select(WitnessedHeadRow)):
                head = _head_of(row, OWNER)
                verify(head, signature=row.witness, public_key=row.identity_key)
                other = found.get(row.sequence, head)
                if other.digest != head.digest or len({other.root, head.root} - {None}) > 1:
                    raise rewritten(row.sequence)
                found[row.sequence] = other if head.root is None else head
        return found

    def verify_own(self) -> AuditHead:
        """The head of the coordinator's chain, which holds and is the one that the sites co-signed.

        Raises:
            MyofedError: AUDIT_BROKEN, AUDIT_REWRITTEN, BAD_SIGNATURE.
        """
        return self._audit.verify(**anchors_of(self.witnessed().values()))

    def export(self, out: BinaryIO) -> SignedAuditHead:
        """The coordinator's whole chain is in `out`, verified as it was written; the head is signed.

        Raises:
            MyofedError: As `verify_own`; what is in `out` is worth nothing then.
        """
        head = self._audit.export(out, **anchors_of(self.witnessed().values()))
        return SignedAuditHead(head=head, signature=self._signer.sign(head))


def _head_of(row: SiteAuditHeadRow | WitnessedHeadRow, owner: str) -> AuditHead:
    return AuditHead(owner=owner, sequence=row.sequence, digest=row.digest, root=row.root)


def _check_goes_on(shown: ProvenHead, earlier: AuditHead | None) -> None:
    """The site's chain holds all that we co-signed.

    Raises:
        MyofedError: HEAD_WENT_BACK, HEAD_UNPROVEN, HEAD_HISTORY_CHANGED.
    """
    head, proof = shown.head, shown.proof
    if earlier is not None:
        if head.went_back_from(earlier):
            raise refused(
                "HEAD_WENT_BACK",
                f"the site's audit chain stands at {head.sequence}, co-signed before at {earlier.sequence}",
                hint="the site's audit file was shortened or replaced; compare it with a backup",
            )
        if head == earlier:
            return
    if head.root is None and (earlier is None or earlier.root is None):
        return  # a node of an earlier release
    since = earlier.sequence if earlier else 0
    if head.root is None or proof is None or proof.since != since:
        raise refused(
            "HEAD_UNPROVEN",
            f"expected a proof that the site's audit chain goes on from entry {since}, found none from there",
            hint="the node sends one by itself at its next sign of life; one of an earlier release cannot any more",
        )
    if not proves(proof, head, earlier=earlier):
        raise refused(
            "HEAD_HISTORY_CHANGED",
            f"the site's audit chain at {head.sequence} does not go on from the one co-signed at {since}",
            hint="the site's audit file was rewritten or restored; ask, compare both chains, then `sites accept-history`",
        )
