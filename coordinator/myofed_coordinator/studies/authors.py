"""Owners of studies that were written before tables knew of owners: who stands in the audit chain as the author of version 1."""

from __future__ import annotations

from sqlalchemy import inspect, select
from sqlalchemy.orm import Session

from myofed_coordinator.accounts.models import AccountRow
from myofed_coordinator.audit import AuditLog
from myofed_coordinator.studies.leads import Doer, lead_row
from myofed_coordinator.studies.models import LeadRow, StudyRow
from myofed_schemas.audit import AuditEntry
from myofed_schemas.errors import MyofedError


def tells_leads(session: Session) -> bool:
    """Whether the tables as they are say who leads a study: then nobody is adopted, for a lead may have been removed."""
    return inspect(session.connection()).has_table(LeadRow.__tablename__)


def adopt_authors(session: Session, audit: AuditLog) -> int:
    """Studies without a lead have their recorded author as owner; those of which none is recorded stay without.

    A name that an account had then is that account's; every other one was typed at the coordinator's machine. A chain that
    does not hold names nobody: an administrator assigns the leads.

    Args:
        session: In a writing transaction, on the tables of this release.
        audit: Of this coordinator.

    Returns:
        How many studies have an owner by this.
    """
    led = select(LeadRow.study_id)
    orphans = set(session.scalars(select(StudyRow.study_id).where(StudyRow.study_id.not_in(led)).distinct()))
    if not orphans or not _holds(audit):
        return 0
    authors: dict[str, AuditEntry] = {}
    for entry in audit.entries():
        if entry.action == "STUDY_CREATED" and entry.detail.get("version") == 1 and entry.subject in orphans:
            authors.setdefault(entry.subject, entry)
    for study_id, entry in authors.items():
        session.add(lead_row(study_id, _author(session, entry), owner=True, by=entry.actor, at=entry.at))
    return len(authors)


def _author(session: Session, entry: AuditEntry) -> Doer:
    account = session.get(AccountRow, entry.actor)
    was_there = account is not None and account.created_at <= entry.at
    return Doer(entry.actor, "account" if was_there else "machine")


def _holds(audit: AuditLog) -> bool:
    try:
        audit.verify()
    except MyofedError:
        return False
    return True
