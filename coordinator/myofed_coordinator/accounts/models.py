"""Tables of people: accounts, sessions, API tokens, recovery codes. No password and no secret stands here as it is."""

from __future__ import annotations

from sqlalchemy import ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from myofed_coordinator.database import Base


class AccountRow(Base):
    """One person who may sign in."""

    __tablename__ = "accounts"
    __table_args__ = (UniqueConstraint("oidc_issuer", "oidc_subject"),)

    account: Mapped[str] = mapped_column(String(48), primary_key=True)
    state: Mapped[str] = mapped_column(String(16))
    """`invited` until the set-up is done, then `active`; `disabled` from the next request on."""
    roles: Mapped[str] = mapped_column(String(80))
    """Sorted, separated by commas."""
    site: Mapped[str | None] = mapped_column(String(32))
    created_at: Mapped[str] = mapped_column(String(20))
    added_by: Mapped[str | None] = mapped_column(String(64))
    """None where the identity provider let the person in."""
    reset_by: Mapped[str | None] = mapped_column(String(64))
    """Who made the last set-up link after the first."""
    reset_at: Mapped[str | None] = mapped_column(String(20))
    roles_by: Mapped[str | None] = mapped_column(String(64))
    """Who last changed the roles."""
    roles_at: Mapped[str | None] = mapped_column(String(20))
    password: Mapped[str | None] = mapped_column(String(160))
    """Argon2id in its encoded form."""
    totp_secret: Mapped[str | None] = mapped_column(String(160))
    """Sealed with the key in keys/accounts.key."""
    totp_step: Mapped[int | None]
    """The last 30 s step whose code was used: none is taken twice."""
    totp_offer: Mapped[str | None] = mapped_column(String(160))
    """A second factor that was offered and not taken yet; sealed as totp_secret."""
    totp_offer_until: Mapped[str | None] = mapped_column(String(20))
    setup_sha256: Mapped[str | None] = mapped_column(String(64), unique=True)
    setup_expires_at: Mapped[str | None] = mapped_column(String(20))
    oidc_issuer: Mapped[str | None] = mapped_column(String(200))
    oidc_subject: Mapped[str | None] = mapped_column(String(255))


class RecoveryCodeRow(Base):
    """One unused recovery code."""

    __tablename__ = "recovery_codes"

    account: Mapped[str] = mapped_column(ForeignKey("accounts.account"), primary_key=True)
    sha256: Mapped[str] = mapped_column(String(64), primary_key=True)


class SessionRow(Base):
    """One login that has not ended; the account may also be `token`, which has no row."""

    __tablename__ = "sessions"

    sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    """Of the id in the cookie."""
    account: Mapped[str] = mapped_column(String(48), index=True)
    opened_at: Mapped[str] = mapped_column(String(20))
    seen_at: Mapped[str] = mapped_column(String(20))


class ApiTokenRow(Base):
    """One personal API token."""

    __tablename__ = "api_tokens"

    token_id: Mapped[str] = mapped_column(String(16), primary_key=True)
    sha256: Mapped[str] = mapped_column(String(64), unique=True)
    account: Mapped[str] = mapped_column(ForeignKey("accounts.account"), index=True)
    title: Mapped[str] = mapped_column(String(60))
    scope: Mapped[str] = mapped_column(String(400))
    """Permissions, sorted, separated by commas."""
    created_at: Mapped[str] = mapped_column(String(20))
    expires_at: Mapped[str] = mapped_column(String(20))
