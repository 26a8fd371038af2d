"""Four eyes: a run starts once somebody else than who asked for it has confirmed, unless the consortium set that off."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Annotated, Protocol

from pydantic import StringConstraints
from sqlalchemy import select
from sqlalchemy.orm import Session

from myofed_coordinator.accounts.makers import HELD_FOR, accounts_among, hands_on
from myofed_coordinator.accounts.models import AccountRow
from myofed_coordinator.accounts.permissions import Permission, Person, granted
from myofed_coordinator.accounts.service import TOKEN_ACCOUNT, roles_of
from myofed_coordinator.audit import Deed
from myofed_coordinator.runs.models import StartRow
from myofed_coordinator.services import Services
from myofed_coordinator.studies.leads import Doer, Origin, act_as_lead, doer_of
from myofed_schemas.clock import utc_text
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode
from myofed_schemas.federation import RunStatus
from myofed_schemas.run_start import StartRecord
from myofed_schemas.study import SignedManifest

PENDING_FOR = timedelta(days=7)
Reason = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[\w .,:;()/-]+$")]


@dataclass(frozen=True)
class Eyes(Doer):
    """Whose eyes look at a start."""

    def are_those_of(self, other: Eyes) -> bool:
        """The same name, or the machine's operator beside the machine's own token, which every operator can read."""
        return self.name == other.name or {self.origin, other.origin} == {"machine", "token"}


def _are_independent(session: Session, asker: Eyes, confirmer: Eyes, *, now: datetime) -> bool:
    """Neither holds the other's account, and no third account holds both: one person never looks with two pairs of eyes.

    The machine's operators and the token, who let the first people in, count where they ask or confirm themselves.
    """
    hands_of = {eyes: _hands(session, eyes, now=now) for eyes in (asker, confirmer)}
    for one, other in product(hands_of[asker], hands_of[confirmer]):
        counts = one == asker or other == confirmer or one.origin == "account"
        if counts and one.are_those_of(other):
            return False
    return True


def _check_eyes(session: Session, asker: Eyes, confirmer: Eyes, *, now: datetime) -> None:
    if confirmer.are_those_of(asker):
        raise _refused(
            "START_SAME_PERSON",
            "expected the confirmation of another person than who asked for the start",
            hint="another account with the permission confirm-start confirms; the machine's operator and the "
            "administrator's token count as one",
        )
    if not _are_independent(session, asker, confirmer, now=now):
        raise _not_independent()


def _hands(session: Session, eyes: Eyes, *, now: datetime) -> list[Eyes]:
    """These eyes, and those of everybody who holds the account."""
    names = hands_on(session, eyes.name, now=now)
    accounts = accounts_among(session, names)
    makers = (name for name in sorted(names) if name != eyes.name)
    return [eyes, *(Eyes(name, _origin(name, has_account=name in accounts)) for name in makers)]


def _origin(name: str, *, has_account: bool) -> Origin:
    if name == TOKEN_ACCOUNT:
        return "token"
    return "account" if has_account else "machine"


def _not_independent() -> MyofedError:
    return _refused(
        "START_NOT_INDEPENDENT",
        "expected a person whose account is independent of the one that asked, found two accounts that may be in one hand",
        hint=f"within {HELD_FOR.days} days one of the two accounts added, reset or gave roles to the other, or a third one "
        "did so to both; an administrator whom somebody else let in confirms, or at the machine an operator who let "
        "neither in (docs/accounts.md, Four eyes)",
    )


def eyes_of(person: Person) -> Eyes:
    """The eyes of a person who came by the people's port."""
    doer = doer_of(person)
    return Eyes(doer.name, doer.origin, doer.leads_any)


class Starter(Protocol):
    """What starts need of the runs' service."""

    def check_startable(self, study_id: str) -> SignedManifest:
        """The newest version, which a run could be started of now."""

    def start(self, study_id: str, *, actor: str, now: datetime) -> RunStatus:
        """A run of the newest version is ordered."""


class StartsService:
    """The use cases of starting; each call is one transaction, entered in the audit chain before it commits."""

    def __init__(self, services: Services, runs: Starter) -> None:
        self._services = services
        self._runs = runs

    def ask(self, study_id: str, who: Eyes, *, now: datetime) -> StartRecord:
        """The start waits for a second person, or has happened where four eyes are set off.

        A start of the same version that waits already is returned as it is, whoever asked for it.

        Raises:
            MyofedError: STUDY_UNKNOWN, NOT_APPROVED; STUDY_NOT_YOURS; STUDY_NO_LEAD; RUN_ACTIVE where four eyes are set off.
        """
        alone = not self._services.config.four_eyes
        signed = self._runs.check_startable(study_id) if alone else self._services.studies.ready_to_start(study_id)
        with self._services.database.write() as session:
            act_as_lead(session, self._services.audit, study_id, who, deed="start", now=now)
            waiting = _waiting(session, signed.digest, now=now)
            if waiting is not None and not alone:
                return _record(waiting, now=now)
            row = StartRow(
                start_id=f"start-{now.astimezone(UTC):%Y%m%d%H%M%S}{secrets.token_hex(4)}",
                study_id=study_id,
                version=signed.manifest.version,
                manifest_digest=signed.digest,
                state="pending",
                asked_by=who.name,
                asked_from=who.origin,
                asked_at=utc_text(now),
                expires_at=utc_text(now + PENDING_FOR),
            )
            session.add(row)
            detail: dict[str, str | int] = {"study": study_id, "manifest": signed.digest, "from": who.origin}
            self._services.audit.append(Deed(who.name, "START_ASKED", row.start_id, detail), now=now)
            if alone:
                self._start(row, who, now=now)
            return _record(row, now=now)

    def confirm(self, start_id: str, who: Eyes, *, now: datetime) -> StartRecord:
        """The run is ordered; `up` hands it to the engine within seconds.

        Args:
            start_id: A start that waits.
            who: Somebody else than who asked.
            now: Aware.

        Raises:
            MyofedError: START_UNKNOWN; START_DECIDED, or too old; START_SAME_PERSON; START_NOT_INDEPENDENT; START_CHANGED,
                the study has a newer version; NOT_APPROVED; RUN_ACTIVE.
        """
        with self._services.database.write() as session:
            row = _open_start(session, start_id, now=now)
            _check_eyes(session, _asker(row), who, now=now)
            if self._runs.check_startable(row.study_id).digest != row.manifest_digest:
                raise _refused(
                    "START_CHANGED",
                    "the study has a newer version than the one that was asked for",
                    hint="ask for a start of the newest version",
                )
            self._services.audit.append(Deed(who.name, "START_CONFIRMED", start_id, {"from": who.origin}), now=now)
            self._start(row, who, now=now)
            return _record(row, now=now)

    def hindrance(self, start_id: str, who: Eyes, *, now: datetime) -> str:
        """Why these eyes cannot confirm the start, as the code that a confirmation is refused with; empty where they can.

        Raises:
            MyofedError: START_UNKNOWN.
        """
        with self._services.database.read() as session:
            asker = _asker(_start_row(session, start_id))
            try:
                _check_eyes(session, asker, who, now=now)
            except MyofedError as error:
                return error.code
        return ""

    def confirmers(self, start_id: str, *, now: datetime) -> tuple[str, ...]:
        """Accounts that can sign in and whose eyes are independent of those that asked, by name.

        Raises:
            MyofedError: START_UNKNOWN.
        """
        with self._services.database.read() as session:
            asker = _asker(_start_row(session, start_id))
            active = session.scalars(
                select(AccountRow).where(AccountRow.state == "active").order_by(AccountRow.account)
            ).all()
            eyes = [Eyes(row.account) for row in active if Permission.CONFIRM_START in granted(roles_of(row))]
            return tuple(
                each.name
                for each in eyes
                if not each.are_those_of(asker) and _are_independent(session, asker, each, now=now)
            )

    def decline(self, start_id: str, who: Eyes, *, reason: str, now: datetime) -> StartRecord:
        """The start does not happen; who asked for it may decline it too.

        Raises:
            MyofedError: START_UNKNOWN; START_DECIDED, or too old.
        """
        with self._services.database.write() as session:
            row = _open_start(session, start_id, now=now)
            row.state, row.decided_by, row.decided_at, row.reason = "declined", who.name, utc_text(now), reason
            detail: dict[str, str | int] = {"reason_sha256": hashlib.sha256(reason.encode()).hexdigest()}
            self._services.audit.append(Deed(who.name, "START_DECLINED", start_id, detail), now=now)
            return _record(row, now=now)

    def list_starts(self, *, now: datetime) -> list[StartRecord]:
        """Every start that was asked for, newest first."""
        query = select(StartRow).order_by(StartRow.asked_at.desc(), StartRow.start_id.desc())
        with self._services.database.read() as session:
            return [_record(row, now=now) for row in session.scalars(query)]

    def show(self, start_id: str, *, now: datetime) -> StartRecord:
        """One start.

        Raises:
            MyofedError: START_UNKNOWN.
        """
        with self._services.database.read() as session:
            return _record(_start_row(session, start_id), now=now)

    def _start(self, row: StartRow, who: Eyes, *, now: datetime) -> None:
        row.run_id = self._runs.start(row.study_id, actor=row.asked_by, now=now).run_id
        row.state, row.decided_by, row.decided_at = "started", who.name, utc_text(now)


def _waiting(session: Session, manifest_digest: str, *, now: datetime) -> StartRow | None:
    return session.scalar(
        select(StartRow)
        .where(
            StartRow.manifest_digest == manifest_digest,
            StartRow.state == "pending",
            StartRow.expires_at > utc_text(now),
        )
        .limit(1)
    )


def _start_row(session: Session, start_id: str) -> StartRow:
    row = session.get(StartRow, start_id)
    if row is None:
        raise MyofedError(
            "START_UNKNOWN",
            "nobody asked for a start of this id",
            hint="`study starts` shows them",
            exit_code=ExitCode.BAD_INPUT,
        )
    return row


def _open_start(session: Session, start_id: str, *, now: datetime) -> StartRow:
    row = _start_row(session, start_id)
    state = _state(row, now=now)
    if state != "pending":
        raise _refused(
            "START_DECIDED", f"expected a start that waits, found one that is {state}", hint="ask for a new one"
        )
    return row


def _asker(row: StartRow) -> Eyes:
    origin: Origin = "machine" if row.asked_from == "machine" else "token" if row.asked_from == "token" else "account"
    return Eyes(row.asked_by, origin)


def _state(row: StartRow, *, now: datetime) -> str:
    return "expired" if row.state == "pending" and utc_text(now) >= row.expires_at else row.state


def _record(row: StartRow, *, now: datetime) -> StartRecord:
    fields = {name: getattr(row, name) for name in StartRecord.model_fields}
    return StartRecord.model_validate({**fields, "state": _state(row, now=now)})


def _refused(code: str, message: str, *, hint: str) -> MyofedError:
    return MyofedError(code, message, hint=hint, exit_code=ExitCode.REFUSED)
