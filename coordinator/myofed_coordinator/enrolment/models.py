"""Tables of enrolment: invites, sites and their certificates."""

from __future__ import annotations

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from myofed_coordinator.database import Base


class InviteRow(Base):
    """A one-time token for one site; only its digest is kept."""

    __tablename__ = "invites"

    token_sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    site: Mapped[str] = mapped_column(String(32), index=True)
    created_at: Mapped[str] = mapped_column(String(20))
    expires_at: Mapped[str] = mapped_column(String(20))
    pre_approved: Mapped[bool]
    request_sha256: Mapped[str | None] = mapped_column(String(64))
    """Digest of the one request that used the token; the same request may be sent again."""
    withdrawn: Mapped[bool] = mapped_column(default=False)


class SiteRow(Base):
    """One site and the public keys of its current enrolment."""

    __tablename__ = "sites"

    site: Mapped[str] = mapped_column(String(32), primary_key=True)
    state: Mapped[str] = mapped_column(String(16))
    """`pending`, `approved` or `revoked`."""
    request_sha256: Mapped[str] = mapped_column(String(64))
    csr_pem: Mapped[str]
    identity_key: Mapped[str] = mapped_column(String(64), unique=True)
    flower_node_key: Mapped[str]
    node_key_sha256: Mapped[str] = mapped_column(String(64), unique=True)
    requested_at: Mapped[str] = mapped_column(String(20))
    certificate_sha256: Mapped[str | None] = mapped_column(String(64))
    last_seen: Mapped[str | None] = mapped_column(String(20))
    heartbeat: Mapped[str | None] = mapped_column(String(64))
    myofed_version: Mapped[str] = mapped_column(String(32))
    flwr_version: Mapped[str] = mapped_column(String(32))


class CertificateRow(Base):
    """One certificate ever issued to a site, bound to the Flower node key enrolled with it."""

    __tablename__ = "certificates"

    sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    site: Mapped[str] = mapped_column(ForeignKey("sites.site"), index=True)
    pem: Mapped[str]
    node_key_sha256: Mapped[str] = mapped_column(String(64))
    not_after: Mapped[str] = mapped_column(String(20))
    revoked_at: Mapped[str | None] = mapped_column(String(20))


class SiteAuditHeadRow(Base):
    """The last head of a site's audit chain that the coordinator co-signed: the next one has to go on from it."""

    __tablename__ = "site_audit_heads"

    site: Mapped[str] = mapped_column(ForeignKey("sites.site"), primary_key=True)
    sequence: Mapped[int]
    digest: Mapped[str] = mapped_column(String(64))
    signature: Mapped[str] = mapped_column(String(128))
    received_at: Mapped[str] = mapped_column(String(20))
    root: Mapped[str | None] = mapped_column(String(64))
    """Of the tree over all entries; none in a head of a node of an earlier release."""


class WitnessedHeadRow(Base):
    """The last head of the coordinator's own chain that a site co-signed: a shorter or other chain shows against it."""

    __tablename__ = "witnessed_heads"

    site: Mapped[str] = mapped_column(ForeignKey("sites.site"), primary_key=True)
    sequence: Mapped[int]
    digest: Mapped[str] = mapped_column(String(64))
    witness: Mapped[str] = mapped_column(String(128))
    identity_key: Mapped[str] = mapped_column(String(64))
    """With which the site signed; it has another after it enrolled anew."""
    received_at: Mapped[str] = mapped_column(String(20))
    root: Mapped[str | None] = mapped_column(String(64))
    """Of the tree over all entries; none in a head that was witnessed before an upgrade."""
