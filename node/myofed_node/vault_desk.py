"""The vault's two use cases: who stands behind a pseudonym, and who asked so far."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from myofed_node.audit import SiteAudit
from myofed_node.key_custody import login_of, vault_of
from myofed_node.site_setup import Site
from myofed_schemas.audit import AuditHead
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode
from myofed_schemas.wire import WireModel

if TYPE_CHECKING:
    from myofed_anonymization.vault import Vault

LOGIN_RECORD = Path("/proc/self/loginuid")
"""Linux: the user who logged in, kept through su and sudo; set once by PAM and not changed without a capability."""
NOBODY_LOGGED_IN = 2**32 - 1
LONGEST_ACTOR = 64
LOOKED_UP = "VAULT_LOOKED_UP"
"""Audit action of the site: the vault's record has this head now; the coordinator co-signs the site's chain."""


class FoundPatient(WireModel):
    """What a look-up answers; printed for the person who asked, kept nowhere."""

    pseudonym: str
    issuer: str
    patient_id: str

    def line(self) -> str:
        """For a screen; what a terminal would obey (a scanner's file may hold it) is shown escaped."""
        text = f"PatientID {self.patient_id}, issuer {self.issuer or '(none)'}"
        return "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in text)


class LookUp(WireModel):
    """One entry of the vault's record."""

    at: str
    who: str
    pseudonym: str
    outcome: str
    reason: str


class LookUps(WireModel):
    """The whole record of a vault, which holds, and its head."""

    head: str
    look_ups: tuple[LookUp, ...]

    def lines(self) -> list[str]:
        """For a screen: every entry, then that the record holds."""
        entries = [f"{e.at} {e.who} {e.pseudonym} {e.outcome}: {e.reason or '(not noted)'}" for e in self.look_ups]
        return [*entries, f"record of look-ups holds: {len(entries)} entries, head {self.head}"]


def look_up(site: Site, pseudonym: str, *, reason: str, who: str, now: datetime) -> FoundPatient:
    """Whom the pseudonym stands for; on record in the vault before, and with the record's head in the site's chain.

    Args:
        site: A site whose vault is on.
        pseudonym: With or without `sub-`.
        reason: 10 to 500 characters.
        who: Login of the person who asks.
        now: UTC.

    Raises:
        MyofedError: VAULT_OFF, VAULT_REASON, VAULT_UNKNOWN, VAULT_DAMAGED, VAULT_AUDIT_BROKEN.
    """
    from myofed_anonymization.vault import verify_audit

    vault, label = _vault(site), pseudonym.removeprefix("sub-")
    _check_noted(site, vault.folder)
    try:
        found = vault.look_up(label, reason=reason, who=who, now=now)
    finally:
        head = verify_audit(vault.folder)
        detail: dict[str, str | int] = {"entries": head.sequence}
        SiteAudit(site.folder).append(LOOKED_UP, subject=head.digest, now=now, actor=who, detail=detail)
    return FoundPatient(pseudonym=label, issuer=found.issuer, patient_id=found.patient_id)


def look_ups(site: Site) -> LookUps:
    """Every look-up so far, from a record that holds and that has grown from what the site's chain noted.

    Raises:
        MyofedError: VAULT_OFF, VAULT_AUDIT_BROKEN, AUDIT_BROKEN.
    """
    from myofed_anonymization.vault import verify_audit
    from myofed_anonymization.vault_audit import AuditTrail

    vault = _vault(site)
    head = verify_audit(vault.folder)
    _check_noted(site, vault.folder)
    entries = AuditTrail(vault.folder).entries()
    found = (
        LookUp(
            at=entry.at,
            who=entry.actor,
            pseudonym=entry.subject,
            outcome=str(entry.detail["outcome"]),
            reason=str(entry.detail["reason"]),
        )
        for entry in entries
    )
    return LookUps(head=head.digest, look_ups=tuple(found))


def person(*, login_record: Path = LOGIN_RECORD) -> str:
    """Who runs this process: the login, and the account it became (sudo), as the kernel keeps them.

    The environment (USER, LOGNAME) is not asked: whoever asks could write another name there.
    """
    account = login_of(os.getuid())
    try:
        login = int(login_record.read_text())
    except (OSError, ValueError):
        login = NOBODY_LOGGED_IN
    if login in {NOBODY_LOGGED_IN, os.getuid()}:
        return account[:LONGEST_ACTOR]
    return f"{login_of(login)} as {account}"[:LONGEST_ACTOR]


def _vault(site: Site) -> Vault:
    vault = vault_of(site)
    if vault is None:
        raise MyofedError(
            "VAULT_OFF",
            "expected a vault, found it switched off (the default)",
            hint="docs/key-custody.md says what it is for and how it is switched on; it knows nothing from before",
            exit_code=ExitCode.NOT_RUNNING,
        )
    return vault


def _check_noted(site: Site, folder: Path) -> None:
    """The vault's record holds the last head that the site's own chain noted."""
    from myofed_anonymization.vault_audit import AuditTrail

    noted = [entry for entry in SiteAudit(site.folder).entries() if entry.action == LOOKED_UP]
    if not noted:
        return
    head = AuditHead(owner="vault", sequence=int(noted[-1].detail["entries"]), digest=noted[-1].subject)
    if not AuditTrail(folder).holds(head):
        raise MyofedError(
            "VAULT_AUDIT_REWRITTEN",
            "expected the record of look-ups that the site's audit chain noted, found another",
            hint="keep the vault's folder as evidence, restore it from the backup, and ask who changed it",
            exit_code=ExitCode.UNHEALTHY,
        )
