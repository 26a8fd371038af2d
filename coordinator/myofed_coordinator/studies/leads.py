"""Whose study it is: who wrote its first version, and whom the owner added. Nobody else changes it, starts it or asks for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from sqlalchemy import select
from sqlalchemy.orm import Session

from myofed_coordinator.accounts.permissions import Permission, Person, Role
from myofed_coordinator.accounts.service import TOKEN_ACCOUNT, account_row, roles_of
from myofed_coordinator.audit import AuditLog, Deed
from myofed_coordinator.database import Database
from myofed_coordinator.studies.models import LeadRow, StudyRow
from myofed_coordinator.studies.refusals import unknown_study
from myofed_schemas.clock import utc_text
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode
from myofed_schemas.ids import StudyId, UtcTime
from myofed_schemas.wire import WireModel

Origin = Literal["account", "token", "machine"]
LeadDeed = Literal["write", "start", "stop", "ask-participation"]


@dataclass(frozen=True)
class Doer:
    """Who does something to a study.

    Attributes:
        name: Account, or login at this machine.
        origin: `machine` for a command typed on it, `token` for the administrator's token, which lies on it.
        leads_any: Stands in for the leads of any study, which is entered in the audit chain.
    """

    name: str
    origin: Origin = "account"
    leads_any: bool = field(default=False, compare=False)

    @property
    def stands_in(self) -> bool:
        """An administrator, or the machine's operator, who holds everything there anyway."""
        return self.leads_any or self.origin != "account"


def doer_of(person: Person) -> Doer:
    """Who came by the people's port."""
    origin: Origin = "token" if person.account == TOKEN_ACCOUNT else "account"
    return Doer(person.account, origin, person.may(Permission.LEAD_ANY_STUDY))


class StudyLead(WireModel):
    """Somebody who leads a study, as people see it."""

    study_id: StudyId
    name: str
    origin: Origin
    owner: bool
    added_by: str
    added_at: UtcTime


class LeadsService:
    """The use cases; each call is one transaction, entered in the audit chain before it commits."""

    def __init__(self, database: Database, audit: AuditLog) -> None:
        self._database = database
        self._audit = audit

    def of_study(self, study_id: str) -> tuple[StudyLead, ...]:
        """Who leads it, the owner first; nobody where no author was ever recorded.

        Raises:
            MyofedError: STUDY_UNKNOWN.
        """
        with self._database.read() as session:
            _check_known(session, study_id)
            return _leads(session, study_id)

    def may(self, study_id: str, doer: Doer, *, deed: LeadDeed) -> bool:
        """Whether this person could do this to a study that is written."""
        with self._database.read() as session:
            rows = _rows(session, study_id)
        return _is_among(rows, doer) or (doer.stands_in and (bool(rows) or deed == "stop"))

    def owns(self, study_id: str, doer: Doer) -> bool:
        """Whether this person may say who leads the study."""
        with self._database.read() as session:
            return doer.stands_in or _is_among([row for row in _rows(session, study_id) if row.owner], doer)

    def check(self, study_id: str, doer: Doer) -> None:
        """This person could write the study's next version, or its first one.

        Raises:
            MyofedError: STUDY_NOT_YOURS; STUDY_NO_LEAD.
        """
        with self._database.read() as session:
            if is_written(session, study_id):
                check_lead(session, study_id, doer)

    def add(self, study_id: str, account: str, *, by: Doer, now: datetime) -> tuple[StudyLead, ...]:
        """The account leads the study too; the first one of a study without an owner owns it. A second call changes nothing.

        Args:
            study_id: The study.
            account: A study lead who is not shut out.
            by: Its owner, or who stands in for leads.
            now: Aware.

        Raises:
            MyofedError: STUDY_UNKNOWN; STUDY_NOT_OWNER; STUDY_NO_LEAD; ACCOUNT_UNKNOWN; STUDY_LEAD_ROLE.
        """
        with self._database.write() as session:
            _check_known(session, study_id)
            rows = _rows(session, study_id)
            _check_owner(study_id, rows, by)
            row = account_row(session, account)
            if row.state == "disabled" or Role.STUDY_LEAD not in roles_of(row):
                raise _refused(
                    "STUDY_LEAD_ROLE",
                    "expected an account with the role study-lead that is not disabled, found another one",
                    hint="an administrator gives the role: `accounts roles`, docs/accounts.md",
                )
            if not _is_among(rows, Doer(account)):
                owner = not any(lead.owner for lead in rows)
                detail: dict[str, str | int] = {"lead": account, "origin": "account", "owner": int(owner)}
                self._audit.append(Deed(by.name, "STUDY_LEAD_ADDED", study_id, detail), now=now)
                session.add(lead_row(study_id, Doer(account), owner=owner, by=by.name, at=utc_text(now)))
                session.flush()
            return _leads(session, study_id)

    def remove(self, study_id: str, name: str, *, by: Doer, now: datetime) -> tuple[StudyLead, ...]:
        """The account, or the machine's login, leads the study no more; one may remove oneself.

        Raises:
            MyofedError: STUDY_UNKNOWN; STUDY_NOT_OWNER; STUDY_NO_LEAD; STUDY_LEAD_UNKNOWN; STUDY_LAST_LEAD.
        """
        with self._database.write() as session:
            _check_known(session, study_id)
            rows = _rows(session, study_id)
            if not (by.name == name and _is_among(rows, by)):
                _check_owner(study_id, rows, by)
            named = [row for row in rows if row.name == name]
            if not named:
                raise MyofedError(
                    "STUDY_LEAD_UNKNOWN",
                    "expected somebody who leads this study, found another name",
                    hint="`study lead list` shows them",
                    exit_code=ExitCode.BAD_INPUT,
                )
            if len(named) == len(rows):
                raise _refused(
                    "STUDY_LAST_LEAD",
                    "expected another lead who stays, found the last one",
                    hint="add another one first: `study lead add`",
                )
            for row in named:
                detail: dict[str, str | int] = {"lead": name, "origin": row.origin, "owner": int(row.owner)}
                self._audit.append(Deed(by.name, "STUDY_LEAD_REMOVED", study_id, detail), now=now)
                session.delete(row)
            session.flush()
            return _leads(session, study_id)


def act_as_lead(session: Session, audit: AuditLog, study_id: str, doer: Doer, *, deed: LeadDeed, now: datetime) -> None:
    """The doer leads this study, or stands in for its leads and the audit chain says so.

    A stop also stands open to who stands in where nobody leads the study or no version of it is left: stopping protects.

    Args:
        session: Of the deed's own transaction.
        audit: Gets STUDY_TAKEN_OVER.
        study_id: A study that exists, but for a stop.
        doer: Who wants it.
        deed: What is to be done.
        now: Aware.

    Raises:
        MyofedError: STUDY_NOT_YOURS; STUDY_NO_LEAD.
    """
    rows = _rows(session, study_id)
    if rows or not (deed == "stop" and doer.stands_in):
        _check_lead(study_id, rows, doer)
    if _is_among(rows, doer):
        return
    detail: dict[str, str | int] = {"for": deed, "from": doer.origin}
    audit.append(Deed(doer.name, "STUDY_TAKEN_OVER", study_id, detail), now=now)


def check_lead(session: Session, study_id: str, doer: Doer) -> None:
    """The doer leads this study or stands in for its leads; nothing is entered, for nothing is done.

    Raises:
        MyofedError: STUDY_NOT_YOURS; STUDY_NO_LEAD.
    """
    _check_lead(study_id, _rows(session, study_id), doer)


def is_written(session: Session, study_id: str) -> bool:
    """Whether the study has a version."""
    return session.scalar(select(StudyRow.study_id).where(StudyRow.study_id == study_id).limit(1)) is not None


def lead_row(study_id: str, lead: Doer, *, owner: bool, by: str, at: str) -> LeadRow:
    """The row of a new lead; the administrator's token is the machine's."""
    origin = "account" if lead.origin == "account" else "machine"
    return LeadRow(study_id=study_id, name=lead.name, origin=origin, owner=owner, added_by=by, added_at=at)


def _rows(session: Session, study_id: str) -> Sequence[LeadRow]:
    of_study = select(LeadRow).where(LeadRow.study_id == study_id)
    return session.scalars(of_study.order_by(LeadRow.owner.desc(), LeadRow.added_at, LeadRow.name)).all()


def _leads(session: Session, study_id: str) -> tuple[StudyLead, ...]:
    fields = StudyLead.model_fields
    return tuple(
        StudyLead.model_validate({name: getattr(row, name) for name in fields}) for row in _rows(session, study_id)
    )


def _is_among(rows: Sequence[LeadRow], doer: Doer) -> bool:
    return any((row.name, row.origin) == (doer.name, doer.origin) for row in rows)


def _check_known(session: Session, study_id: str) -> None:
    if not is_written(session, study_id):
        raise unknown_study(study_id)


def _check_lead(study_id: str, rows: Sequence[LeadRow], doer: Doer) -> None:
    if not rows:
        raise _no_lead(study_id)
    if not (doer.stands_in or _is_among(rows, doer)):
        raise _refused(
            "STUDY_NOT_YOURS",
            f"expected somebody who leads {study_id}, found another person",
            hint="its owner or an administrator adds you (`study lead add`, or the study's page); "
            "a study of your own needs another study_id",
        )


def _check_owner(study_id: str, rows: Sequence[LeadRow], doer: Doer) -> None:
    if doer.stands_in or _is_among([row for row in rows if row.owner], doer):
        return
    if not rows:
        raise _no_lead(study_id)
    raise _refused(
        "STUDY_NOT_OWNER",
        f"expected the owner of {study_id} or an administrator, found another person",
        hint="`study lead list` and the study's page show who owns it",
    )


def _no_lead(study_id: str) -> MyofedError:
    return _refused(
        "STUDY_NO_LEAD",
        f"expected a study that somebody leads, found {study_id}, of which no author was recorded",
        hint=f"an administrator assigns one: `study lead add {study_id} ACCOUNT`, or the study's page",
    )


def _refused(code: str, message: str, *, hint: str) -> MyofedError:
    return MyofedError(code, message, hint=hint, exit_code=ExitCode.REFUSED)
