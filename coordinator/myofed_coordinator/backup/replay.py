"""What was shut out after a backup is shut out in what comes back of it. Replaying closes and never opens."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from sqlalchemy import Delete, Update, delete, update
from sqlalchemy.orm import Session

from myofed_coordinator.accounts.models import AccountRow, ApiTokenRow, RecoveryCodeRow, SessionRow
from myofed_coordinator.accounts.permissions import Role
from myofed_coordinator.accounts.service import forget_ways_in, roles_of, roles_text
from myofed_coordinator.catalog.service import take_back
from myofed_coordinator.enrolment.models import CertificateRow, InviteRow, SiteRow
from myofed_coordinator.runs.models import StartRow
from myofed_coordinator.studies.models import LeadRow
from myofed_schemas.audit import AuditEntry


def end_sessions(session: Session) -> None:
    """Nobody is signed in: a session that ended after the backup would be open again."""
    session.execute(delete(SessionRow))


def replay(session: Session, entries: tuple[AuditEntry, ...]) -> tuple[AuditEntry, ...]:
    """Nothing that these entries closed is open in the database.

    Where an entry does not say what opens now, less opens than before: a changed password or second factor and a used
    recovery code cannot be known, so that the person needs a new set-up link, or has no recovery codes.

    Args:
        session: In a writing transaction, on the tables of this release, with a backup's rows.
        entries: Of `read_newer`, in order.

    Returns:
        Those that closed something.
    """
    replaying = _Replay(session)
    done = []
    for entry in entries:
        if replaying.take(entry):
            session.flush()
            done.append(entry)
    return tuple(done)


@dataclass
class _Replay:
    """One pass.

    Attributes:
        session: Of the transaction.
        disabled: Accounts of the backup that were disabled after it: these an enabling takes back.
        added: Accounts that came after the backup, with their roles.
    """

    session: Session
    disabled: set[str] = field(default_factory=set)
    added: dict[str, str] = field(default_factory=dict)

    def take(self, entry: AuditEntry) -> bool:
        """Whether the entry closed something."""
        if entry.action in _OF_ACCOUNTS:
            return self._of_account(entry)
        match entry.action:
            case "SITE_REVOKED":
                closed = self._revoke(entry)
            case "SITE_ASKED":
                closed = self._withdraw_invites(entry.subject)
            case "TOKEN_REVOKED":
                closed = self._hit(delete(ApiTokenRow).where(ApiTokenRow.token_id == entry.subject))
            case "CARD_WITHDRAWN":
                closed = bool(take_back(self.session, entry.actor, entry.subject, at=entry.at))
            case "STUDY_LEAD_REMOVED":
                closed = self._unlead(entry)
            case _:
                declined = {"state": "declined", "decided_by": entry.actor, "decided_at": entry.at}
                waiting = (StartRow.start_id == entry.subject, StartRow.state == "pending")
                closed = self._hit(update(StartRow).where(*waiting).values(declined))
        return closed

    def _of_account(self, entry: AuditEntry) -> bool:
        row = self.session.get(AccountRow, entry.subject)
        if row is None:
            return self._of_newcomer(entry)
        return _OF_ACCOUNTS[entry.action](self, row, entry)

    def _of_newcomer(self, entry: AuditEntry) -> bool:
        """An account made after the backup is gone; where it was disabled, its name stays taken, so that no provider brings it back."""
        if entry.action == "ACCOUNT_ADDED":
            self.added[entry.subject] = str(entry.detail.get("roles", ""))
        if entry.action != "ACCOUNT_DISABLED":
            return False
        before = self.added.setdefault(entry.subject, "").split(",")
        roles = frozenset(role for role in Role if role in before)
        self.session.add(
            AccountRow(
                account=entry.subject,
                state="disabled",
                roles=roles_text(roles or frozenset({Role.AUDITOR})),
                created_at=entry.at,
            )
        )
        return True

    def _revoke(self, entry: AuditEntry) -> bool:
        site = self.session.get(SiteRow, entry.subject)
        closed = self._withdraw_invites(entry.subject)
        valid = (CertificateRow.site == entry.subject, CertificateRow.revoked_at.is_(None))
        closed |= self._hit(update(CertificateRow).where(*valid).values(revoked_at=entry.at))
        if site is not None and site.state != "revoked":
            site.state, closed = "revoked", True
        return closed

    def _unlead(self, entry: AuditEntry) -> bool:
        """Also where the study is nobody's then: an administrator assigns its owner."""
        lead = (LeadRow.name == entry.detail.get("lead"), LeadRow.origin == entry.detail.get("origin"))
        return self._hit(delete(LeadRow).where(LeadRow.study_id == entry.subject, *lead))

    def _withdraw_invites(self, site: str) -> bool:
        """Also where one of them was used after the backup: it would open once more."""
        open_ones = (InviteRow.site == site, InviteRow.withdrawn.is_(False))
        return self._hit(update(InviteRow).where(*open_ones).values(withdrawn=True))

    def disable(self, row: AccountRow, _entry: AuditEntry) -> bool:
        if row.state == "disabled":
            return False
        self.disabled.add(row.account)
        row.state, row.setup_sha256, row.setup_expires_at = "disabled", None, None
        return True

    def enable(self, row: AccountRow, _entry: AuditEntry) -> bool:
        """Takes back what was disabled since the backup, and nothing that was before."""
        if row.account in self.added:  # gone with the backup, as everybody who came after it
            self.session.delete(row)
            self.session.flush()
        elif row.account in self.disabled:
            self.disabled.discard(row.account)
            row.state = "active" if row.password or row.oidc_subject else "invited"
        return False

    def start_anew(self, row: AccountRow, _entry: AuditEntry) -> bool:
        """A reset, and what cannot be known: the person needs a new set-up link."""
        forget_ways_in(self.session, row)
        row.setup_sha256 = row.setup_expires_at = None
        row.state = "invited" if row.state == "active" else row.state
        return True

    def take_roles(self, row: AccountRow, entry: AuditEntry) -> bool:
        """The roles that were there before and after; whoever has none of them is disabled, or waits for the provider.

        Who was moved to another site speaks for none: the role goes, and nothing is opened at the new one.
        """
        after = str(entry.detail.get("to", "")).split(",")
        kept = frozenset(role for role in roles_of(row) if role in after)
        if entry.detail.get("to_site", row.site) != row.site:
            kept -= {Role.SITE_REPRESENTATIVE}
        if kept == roles_of(row):
            return False
        if kept:
            row.roles = roles_text(kept)
            row.site = row.site if Role.SITE_REPRESENTATIVE in kept else None
            return True
        return self.lose_tokens(row, entry) if row.oidc_subject else self.disable(row, entry)

    def lose_tokens(self, row: AccountRow, _entry: AuditEntry) -> bool:
        self._hit(delete(ApiTokenRow).where(ApiTokenRow.account == row.account))
        return True

    def use_link(self, row: AccountRow, _entry: AuditEntry) -> bool:
        """The set-up link was used after the backup: it would open once more."""
        used = row.setup_sha256 is not None
        row.setup_sha256 = row.setup_expires_at = None
        return used

    def use_recovery_codes(self, row: AccountRow, _entry: AuditEntry) -> bool:
        """Which one was used the entry does not say: none opens any more."""
        return self._hit(delete(RecoveryCodeRow).where(RecoveryCodeRow.account == row.account))

    def _hit(self, statement: Delete | Update) -> bool:
        return self.session.connection().execute(statement).rowcount > 0


_OF_ACCOUNTS: dict[str, Callable[[_Replay, AccountRow, AuditEntry], bool]] = {
    "ACCOUNT_ADDED": lambda *_: False,
    "ACCOUNT_DISABLED": _Replay.disable,
    "ACCOUNT_ENABLED": _Replay.enable,
    "ACCOUNT_RESET": _Replay.start_anew,
    "PASSWORD_CHANGED": _Replay.start_anew,
    "SECOND_FACTOR_SET": _Replay.start_anew,
    "ACCOUNT_ROLES": _Replay.take_roles,
    "ACCOUNT_LOST_ROLES": _Replay.lose_tokens,
    "ACCOUNT_SET_UP": _Replay.use_link,
    "RECOVERY_CODE_USED": _Replay.use_recovery_codes,
}
