"""Enrolment: an invite becomes a request, a request a certificate, and a certificate ends at the next request."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from myofed_coordinator import certificates
from myofed_coordinator.audit import AuditLog, Deed
from myofed_coordinator.certificates import Issued
from myofed_coordinator.config import CoordinatorConfig
from myofed_coordinator.database import Database
from myofed_coordinator.enrolment import refusals
from myofed_coordinator.enrolment.issuing import issue_to
from myofed_coordinator.enrolment.models import CertificateRow, InviteRow, SiteRow
from myofed_coordinator.enrolment.records import record_of, record_of_invited
from myofed_coordinator.signing import verify
from myofed_schemas.canonical import digest
from myofed_schemas.clock import utc_text
from myofed_schemas.enrolment import (
    EnrolmentBody,
    EnrolmentReply,
    EnrolmentRequest,
    Invite,
    SiteRecord,
    as_typed,
    identity_fingerprint,
)
from myofed_schemas.errors import MyofedError
from myofed_schemas.federation import Heartbeat


@dataclass(frozen=True)
class RegisteredSite:
    """What a client certificate stands for.

    Attributes:
        site: Name.
        node_key_sha256: Digest of the only Flower node key that may come with this certificate.
        revoked: The certificate or the site is out; every request is refused.
    """

    site: str
    node_key_sha256: str
    revoked: bool


@dataclass(frozen=True)
class Consortium:
    """What every invite carries and every certificate is signed with; the CA's key stays out of the repr.

    Attributes:
        authority: The CA.
        coordinator_key: Raw Ed25519 public key, hexadecimal.
        config: Addresses and validity.
    """

    authority: Issued
    coordinator_key: str
    config: CoordinatorConfig


@dataclass(frozen=True)
class SeenRequest:
    """What a person who approves looked at; None was not looked at.

    Attributes:
        request_sha256: Of the request that a page showed.
        fingerprint: Of the identity key, as the site's people said it; blanks, colons and capitals do not count.
    """

    request_sha256: str | None = None
    fingerprint: str | None = None


class EnrolmentService:
    """The use cases; each call is one transaction, entered in the audit chain before it commits."""

    def __init__(self, database: Database, audit: AuditLog, consortium: Consortium) -> None:
        self._database = database
        self._audit = audit
        self._consortium = consortium

    def create_invite(
        self, site: str, *, actor: str, now: datetime, valid: timedelta, pre_approved: bool = False
    ) -> Invite:
        """A one-time invite for this site name; only the token's SHA-256 is kept here. Earlier ones that nobody used end.

        Args:
            site: Name the site will have.
            actor: Who invites.
            now: Aware.
            valid: How long the token may be used for the first time.
            pre_approved: The certificate follows without a second decision.

        Raises:
            MyofedError: SITE_ENROLLED, the site is approved; revoke it first.
        """
        token = secrets.token_urlsafe(32)
        consortium = self._consortium
        invite = Invite(
            site=site,
            people_url=consortium.config.people_url,
            sites_url=consortium.config.sites_url,
            ca_pem=consortium.authority.certificate_pem.decode(),
            coordinator_key=consortium.coordinator_key,
            token=token,
            expires_at=utc_text(now + valid),
        )
        with self._database.write() as session:
            row = session.get(SiteRow, site)
            if row is not None and row.state == "approved":
                raise refusals.already_enrolled(site)
            replaced = session.scalars(
                update(InviteRow)
                .where(InviteRow.site == site, InviteRow.request_sha256.is_(None), InviteRow.withdrawn.is_(False))
                .values(withdrawn=True)
                .returning(InviteRow.token_sha256)
            ).all()
            session.add(
                InviteRow(
                    token_sha256=_token_digest(token),
                    site=site,
                    created_at=utc_text(now),
                    expires_at=invite.expires_at,
                    pre_approved=pre_approved,
                )
            )
            detail: dict[str, str | int] = {"expires_at": invite.expires_at, "pre_approved": int(pre_approved)}
            if replaced:
                detail["replaces"] = len(replaced)
            self._audit.append(Deed(actor, "SITE_INVITED", site, detail), now=now)
        return invite

    def receive_request(self, request: EnrolmentRequest, *, now: datetime) -> EnrolmentReply:
        """The request is stored (or was before), and its site knows where it stands.

        The same request sent again gets the same answer, whatever happened to the connection in between.

        Args:
            request: From anybody who reaches the people's port.
            now: Aware.

        Returns:
            `pending`, or `approved` with the certificate, or `refused` with a code.
        """
        try:
            verify(request.body, signature=request.signature, public_key=request.body.identity_key)
            certificates.check_request(request.body.csr_pem, site=request.body.site)
            node_key = certificates.node_key_sha256(request.body.flower_node_key)
            with self._database.write() as session:
                invite = _open_invite(session, request.body, now=now)
                row = self._site_of(session, invite, request.body, node_key=node_key, now=now)
                if row.state == "pending" and invite.pre_approved:
                    self._issue(session, row, actor="system", now=now)
                return _reply(session, row)
        except MyofedError as error:
            return EnrolmentReply(state="refused", code=error.code)

    def approve(self, site: str, *, actor: str, now: datetime, seen: SeenRequest | None = None) -> None:
        """The site has a certificate, which its next `join` fetches; a second call changes nothing.

        Args:
            site: One that asked.
            actor: Who decides.
            now: Aware.
            seen: What the decision is about; None lets in whichever request waits.

        Raises:
            MyofedError: SITE_UNKNOWN, SITE_REVOKED; SITE_REQUEST_CHANGED, SITE_FINGERPRINT: not what was seen.
        """
        with self._database.write() as session:
            row = _site(session, site)
            if row.state == "revoked":
                raise refusals.site_revoked(site)
            _check_seen(row, seen or SeenRequest())
            if row.state == "pending":
                self._issue(session, row, actor=actor, now=now)

    def revoke(self, site: str, *, actor: str, now: datetime) -> None:
        """No certificate of the site is accepted from the next request on, and no invite of it is open.

        A site that was invited and has not asked yet loses its invites alone: whoever found one cannot use it.

        Raises:
            MyofedError: SITE_UNKNOWN, the site neither asked nor has an open invite.
        """
        with self._database.write() as session:
            row = session.get(SiteRow, site)
            if row is None and not _is_invited(session, site):
                raise refusals.unknown_site(site)
            if row is not None and row.state == "revoked" and not _is_invited(session, site):
                return
            if row is not None:
                row.state = "revoked"
            session.execute(
                update(CertificateRow)
                .where(CertificateRow.site == site, CertificateRow.revoked_at.is_(None))
                .values(revoked_at=utc_text(now))
            )
            session.execute(update(InviteRow).where(InviteRow.site == site).values(withdrawn=True))
            self._audit.append(Deed(actor, "SITE_REVOKED", site), now=now)

    def lookup(self, certificate_sha256: str) -> RegisteredSite | None:
        """The site this certificate belongs to, as of now; None when we never issued it.

        Args:
            certificate_sha256: SHA-256 of the certificate's DER, hexadecimal.
        """
        with self._database.read() as session:
            found = session.execute(
                select(CertificateRow, SiteRow.state)
                .join(SiteRow, SiteRow.site == CertificateRow.site)
                .where(CertificateRow.sha256 == certificate_sha256)
            ).one_or_none()
            if found is None:
                return None
            certificate, state = found
            revoked = certificate.revoked_at is not None or state != "approved"
            return RegisteredSite(certificate.site, certificate.node_key_sha256, revoked)

    def approved_node_keys(self) -> list[tuple[str, str]]:
        """(site, OpenSSH public key of its Flower node) of every approved site, sorted: what the engine must know."""
        with self._database.read() as session:
            rows = session.execute(
                select(SiteRow.site, SiteRow.flower_node_key).where(SiteRow.state == "approved").order_by(SiteRow.site)
            )
            return [(site, key) for site, key in rows]

    def identity_key(self, site: str) -> str:
        """The Ed25519 key (hexadecimal) with which an approved site signs.

        Raises:
            MyofedError: SITE_UNKNOWN, SITE_REVOKED.
        """
        with self._database.read() as session:
            row = _site(session, site)
            if row.state != "approved":
                raise refusals.site_revoked(site)
            return row.identity_key

    def list_sites(self) -> list[SiteRecord]:
        """Every site that was invited or asked to join, sorted by name."""
        with self._database.read() as session:
            records = {row.site: record_of(session, row) for row in session.scalars(select(SiteRow))}
            invited = session.scalars(select(InviteRow.site).where(InviteRow.withdrawn.is_(False)).distinct())
            for site in invited:
                records.setdefault(site, record_of_invited(site))
        return [records[site] for site in sorted(records)]

    def note_heartbeat(self, site: str, heartbeat: Heartbeat, *, now: datetime) -> None:
        """The site was seen now, in the state and with the versions it says; not entered in the audit chain.

        Raises:
            MyofedError: SITE_UNKNOWN.
        """
        with self._database.write() as session:
            row = _site(session, site)
            row.last_seen = utc_text(now)
            row.heartbeat = heartbeat.state
            row.myofed_version = heartbeat.myofed_version
            row.flwr_version = heartbeat.flwr_version

    def _site_of(
        self, session: Session, invite: InviteRow, body: EnrolmentBody, *, node_key: str, now: datetime
    ) -> SiteRow:
        """The site's row for this request: as it stands when the request came before, new or renewed when it is the first."""
        row = session.get(SiteRow, body.site)
        if invite.request_sha256 is not None:
            if row is None or row.request_sha256 != invite.request_sha256:
                raise refusals.used_token()
            return row
        if row is not None and row.state == "approved":
            raise refusals.already_enrolled(body.site)
        _check_keys_free(session, body, node_key=node_key)
        invite.request_sha256 = digest(body)
        replaced = row.request_sha256 if row is not None and row.state == "pending" else None
        if row is None:
            row = SiteRow(site=body.site)
            session.add(row)
        row.state, row.requested_at, row.request_sha256 = "pending", utc_text(now), invite.request_sha256
        row.csr_pem, row.identity_key = body.csr_pem, body.identity_key
        row.flower_node_key, row.node_key_sha256 = body.flower_node_key, node_key
        row.certificate_sha256, row.last_seen, row.heartbeat = None, None, None
        row.myofed_version, row.flwr_version = body.myofed_version, body.flwr_version
        session.flush()
        self._note_request(row, replaced=replaced, now=now)
        return row

    def _note_request(self, row: SiteRow, *, replaced: str | None, now: datetime) -> None:
        """The chain has the request, and whether it took the place of one that nobody had decided."""
        detail: dict[str, str | int] = {
            "request": row.request_sha256,
            "identity": identity_fingerprint(row.identity_key),
        }
        if replaced is not None:
            detail["replaces"] = replaced
        action = "SITE_ASKED" if replaced is None else "SITE_REQUEST_REPLACED"
        self._audit.append(Deed(row.site, action, row.site, detail), now=now)

    def _issue(self, session: Session, row: SiteRow, *, actor: str, now: datetime) -> None:
        request = certificates.check_request(row.csr_pem, site=row.site)
        days, authority = self._consortium.config.certificate_days, self._consortium.authority
        issued = issue_to(session, row, request, authority=authority, days=days, now=now)
        row.state = "approved"
        detail: dict[str, str | int] = {
            "certificate": issued.sha256,
            "identity": identity_fingerprint(row.identity_key),
        }
        self._audit.append(Deed(actor, "SITE_APPROVED", row.site, detail), now=now)


def _open_invite(session: Session, body: EnrolmentBody, *, now: datetime) -> InviteRow:
    """The invite of the body's token, if this body may (still) use it."""
    invite = session.get(InviteRow, _token_digest(body.token))
    if invite is None:
        raise refusals.unknown_token()
    if invite.site != body.site:
        raise refusals.wrong_site()
    if invite.withdrawn:
        raise refusals.replaced_token() if _is_invited(session, body.site) else refusals.site_revoked(body.site)
    if invite.request_sha256 is None and utc_text(now) >= invite.expires_at:
        raise refusals.expired_token(invite.expires_at)
    if invite.request_sha256 not in (None, digest(body)):
        raise refusals.used_token()
    return invite


def _check_seen(row: SiteRow, seen: SeenRequest) -> None:
    if seen.request_sha256 is not None and seen.request_sha256 != row.request_sha256:
        raise refusals.request_changed()
    if seen.fingerprint is not None and as_typed(seen.fingerprint) != identity_fingerprint(row.identity_key):
        raise refusals.other_fingerprint()


def _check_keys_free(session: Session, body: EnrolmentBody, *, node_key: str) -> None:
    taken = session.scalar(
        select(SiteRow.site).where(
            SiteRow.site != body.site,
            (SiteRow.identity_key == body.identity_key) | (SiteRow.node_key_sha256 == node_key),
        )
    )
    if taken is not None:
        raise refusals.key_taken()
    retired = select(CertificateRow.sha256).where(
        CertificateRow.node_key_sha256 == node_key, CertificateRow.revoked_at.is_not(None)
    )
    if session.scalar(retired) is not None:
        raise refusals.key_retired()


def _reply(session: Session, row: SiteRow) -> EnrolmentReply:
    if row.state == "revoked":
        return EnrolmentReply(state="refused", code="SITE_REVOKED")
    certificate = session.get(CertificateRow, row.certificate_sha256) if row.certificate_sha256 else None
    if certificate is None:
        return EnrolmentReply(state="pending", code="PENDING")
    return EnrolmentReply(state="approved", code="OK", certificate_pem=certificate.pem)


def _is_invited(session: Session, site: str) -> bool:
    """Whether an invite of this site was not withdrawn."""
    found = select(InviteRow.site).where(InviteRow.site == site, InviteRow.withdrawn.is_(False)).limit(1)
    return session.scalar(found) is not None


def _site(session: Session, site: str) -> SiteRow:
    row = session.get(SiteRow, site)
    if row is None:
        raise refusals.unknown_site(site)
    return row


def _token_digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
