"""The use cases of negotiation: ask a site from its card, answer, reply, take back; the thread is kept, the audit has digests."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime

from pydantic import ValidationError
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from myofed_coordinator.accounts.permissions import Permission, Person
from myofed_coordinator.audit import AuditLog, Deed
from myofed_coordinator.catalog.search import CatalogSearch
from myofed_coordinator.database import Database
from myofed_coordinator.enrolment.service import EnrolmentService
from myofed_coordinator.negotiations.asked import AskedParticipation, request_of
from myofed_coordinator.negotiations.models import MessageRow, NegotiationRow
from myofed_coordinator.negotiations.refusals import (
    full,
    invalid,
    moved_on,
    refused,
    taken_back,
    unknown_negotiation,
)
from myofed_coordinator.signing import Signer
from myofed_coordinator.studies.leads import act_as_lead, doer_of, is_written
from myofed_schemas.canonical import canonical_json, digest
from myofed_schemas.clock import utc_text
from myofed_schemas.duo import DuoMatch, match
from myofed_schemas.negotiation import (
    MAX_MESSAGES,
    MAX_THREADS,
    MessageKind,
    NegotiationAnswer,
    NegotiationThread,
    SignedParticipationRequest,
    ThreadMessage,
)

MAX_UNANSWERED = 50
"""Requests of one person that no site has answered yet: a site is not flooded."""
PER_PAGE = 50


@dataclass(frozen=True)
class ThreadPage:
    """One page of threads, the latest change first.

    Attributes:
        total: Threads that the person may see.
        threads: Those of this page.
    """

    total: int
    threads: tuple[NegotiationThread, ...]


@dataclass(frozen=True)
class NegotiationPlace:
    """What a negotiation refers to: the cards, and who is enrolled."""

    search: CatalogSearch
    enrolment: EnrolmentService
    signer: Signer


class NegotiationService:
    """The use cases; each call is one transaction, entered in the audit chain before it commits."""

    def __init__(self, database: Database, audit: AuditLog, place: NegotiationPlace) -> None:
        self._database = database
        self._audit = audit
        self._place = place

    def ask(self, asked: AskedParticipation, *, person: Person, now: datetime) -> NegotiationThread:
        """The site sees a new request from its card, signed.

        Args:
            asked: What the person wants.
            person: Who may ask for participation; the route has checked it.
            now: Aware.

        Raises:
            MyofedError: CARD_UNKNOWN; STUDY_NOT_YOURS, STUDY_NO_LEAD, of a study that is written already; NEGOTIATION_OPEN,
                the same study asked for this data set already; NEGOTIATION_TOO_MANY, too many of the person's requests wait; NEGOTIATION_INVALID.
        """
        card = self._place.search.card(asked.site, asked.dataset).card
        request = request_of(
            asked,
            negotiation_id=f"ask-{now.astimezone(UTC):%Y%m%d%H%M%S}{secrets.token_hex(4)}",
            card_version=card.version,
            account=person.account,
            now=now,
        )
        signer = self._place.signer
        signed = SignedParticipationRequest(
            request=request, sha256=digest(request), signature=signer.sign(request), signer=signer.public_key
        )
        judged = match(card.duo, request.purpose, diagnoses=card.diagnoses)
        with self._database.write() as session:
            if is_written(session, asked.study_id):
                act_as_lead(session, self._audit, asked.study_id, doer_of(person), deed="ask-participation", now=now)
            _check_room(session, asked, person)
            deed = Deed(person.account, "PARTICIPATION_ASKED", request.negotiation_id, {"request": signed.sha256})
            self._audit.append(deed, now=now)
            session.add(
                NegotiationRow(
                    negotiation_id=request.negotiation_id,
                    site=request.site,
                    dataset=request.dataset,
                    study_id=request.study_id,
                    account=person.account,
                    state="open",
                    changed_at=utc_text(now),
                    document=canonical_json(signed).decode(),
                    match=canonical_json(judged).decode(),
                )
            )
        return NegotiationThread(signed=signed, match=judged)

    def reply(self, negotiation_id: str, text: str, *, person: Person, now: datetime) -> NegotiationThread:
        """The thread has one more message of the person who asked.

        Raises:
            MyofedError: NEGOTIATION_UNKNOWN, also for another's; NEGOTIATION_OVER; NEGOTIATION_FULL; NEGOTIATION_INVALID.
        """
        return self._say(negotiation_id, "reply", text, person=person, now=now)

    def withdraw(self, negotiation_id: str, *, person: Person, now: datetime) -> NegotiationThread:
        """The request is taken back; a second call is refused.

        Raises:
            MyofedError: As `reply`.
        """
        return self._say(negotiation_id, "withdrawn", None, person=person, now=now)

    def show(self, negotiation_id: str, *, person: Person) -> NegotiationThread:
        """One thread that this person may see.

        Raises:
            MyofedError: NEGOTIATION_UNKNOWN.
        """
        with self._database.read() as session:
            row = session.get(NegotiationRow, negotiation_id)
            if row is None or not _may_see(row, person):
                raise unknown_negotiation()
            return _thread(session, row)

    def list_threads(self, page: int, *, person: Person) -> ThreadPage:
        """One page of the threads that this person may see: one's own, one's site's, or all for who reads the audit chain."""
        statement = select(NegotiationRow)
        if not person.may(Permission.SEE_AUDIT):
            statement = statement.where(
                (NegotiationRow.account == person.account) | (NegotiationRow.site == (person.site or ""))
            )
        latest = statement.order_by(NegotiationRow.changed_at.desc(), NegotiationRow.negotiation_id)
        with self._database.read() as session:
            total = session.scalar(select(func.count()).select_from(statement.subquery())) or 0
            rows = session.scalars(latest.offset((page - 1) * PER_PAGE).limit(PER_PAGE)).all()
            return ThreadPage(total, tuple(_thread(session, row) for row in rows))

    def of_site(self, site: str) -> list[NegotiationThread]:
        """The threads of this site, the latest change first, MAX_THREADS at most."""
        statement = (
            select(NegotiationRow)
            .where(NegotiationRow.site == site)
            .order_by(NegotiationRow.changed_at.desc(), NegotiationRow.negotiation_id)
            .limit(MAX_THREADS)
        )
        with self._database.read() as session:
            return [_thread(session, row) for row in session.scalars(statement).all()]

    def record(self, answer: NegotiationAnswer, *, site: str, now: datetime) -> NegotiationThread:
        """The thread has the site's answer; the same one sent again changes nothing.

        Args:
            answer: As the site's person wrote it.
            site: Whom the client certificate names.
            now: Aware.

        Raises:
            MyofedError: NEGOTIATION_WRONG_SITE; SITE_REVOKED; NEGOTIATION_UNKNOWN; NEGOTIATION_WRONG_DIGEST, about another
                request than we signed; NEGOTIATION_MOVED_ON, there are messages that the site had not read;
                NEGOTIATION_OVER, the asker took it back.
        """
        if answer.site != site:
            raise refused("NEGOTIATION_WRONG_SITE", "the answer names another site than the certificate")
        if site not in {name for name, _ in self._place.enrolment.approved_node_keys()}:
            raise refused("SITE_REVOKED", "the site is not enrolled")
        with self._database.write() as session:
            row = session.get(NegotiationRow, answer.negotiation_id)
            if row is None or row.site != site:
                raise unknown_negotiation()
            thread = _thread(session, row)
            if answer.request_sha256 != thread.signed.sha256:
                raise refused("NEGOTIATION_WRONG_DIGEST", "the answer is about another request than the one we signed")
            kept = session.get(MessageRow, (answer.negotiation_id, answer.number))
            if kept is not None and kept.answer_sha256 == digest(answer):
                return thread
            _check_open(thread)
            if answer.number != len(thread.messages) + 1:
                raise moved_on()
            message = _message(thread, answer.answer, answer.text, now=now)
            self._append(session, row, message, actor=site, now=now, answer_sha256=digest(answer))
            return _thread(session, row)

    def _say(
        self, negotiation_id: str, kind: MessageKind, text: str | None, *, person: Person, now: datetime
    ) -> NegotiationThread:
        with self._database.write() as session:
            row = session.get(NegotiationRow, negotiation_id)
            if row is None or row.account != person.account:
                raise unknown_negotiation()
            thread = _thread(session, row)
            _check_open(thread)
            message = _message(thread, kind, text, now=now)
            self._append(session, row, message, actor=person.account, now=now)
            return _thread(session, row)

    def _append(
        self,
        session: Session,
        row: NegotiationRow,
        message: ThreadMessage,
        *,
        actor: str,
        now: datetime,
        answer_sha256: str | None = None,
    ) -> None:
        """The message is the thread's last; the audit chain has its digest."""
        detail: dict[str, str | int] = {"message": digest(message), "number": message.number}
        action = f"PARTICIPATION_{message.kind.upper()}"
        self._audit.append(Deed(actor, action, row.negotiation_id, detail), now=now)
        session.add(
            MessageRow(
                negotiation_id=row.negotiation_id,
                number=message.number,
                answer_sha256=answer_sha256,
                document=canonical_json(message).decode(),
            )
        )
        session.flush()
        row.state, row.changed_at = _thread(session, row).state, utc_text(now)


def _message(thread: NegotiationThread, kind: MessageKind, text: str | None, *, now: datetime) -> ThreadMessage:
    if len(thread.messages) >= MAX_MESSAGES:
        raise full()
    fields = {
        "number": len(thread.messages) + 1,
        "sender": "consortium" if kind in {"reply", "withdrawn"} else "site",
        "kind": kind,
        "text": text,
        "at": utc_text(now),
    }
    try:
        return ThreadMessage.model_validate(fields)
    except ValidationError as error:
        raise invalid(error) from error


def _thread(session: Session, row: NegotiationRow) -> NegotiationThread:
    messages = session.scalars(
        select(MessageRow.document).where(MessageRow.negotiation_id == row.negotiation_id).order_by(MessageRow.number)
    )
    return NegotiationThread(
        signed=SignedParticipationRequest.model_validate_json(row.document),
        match=DuoMatch.model_validate_json(row.match),
        messages=tuple(ThreadMessage.model_validate_json(document) for document in messages),
    )


def _may_see(row: NegotiationRow, person: Person) -> bool:
    return person.may(Permission.SEE_AUDIT) or row.account == person.account or row.site == person.site


def _check_open(thread: NegotiationThread) -> None:
    if thread.state == "withdrawn":
        raise taken_back()


def _check_room(session: Session, asked: AskedParticipation, person: Person) -> None:
    same = select(NegotiationRow.negotiation_id).where(
        NegotiationRow.site == asked.site,
        NegotiationRow.dataset == asked.dataset,
        NegotiationRow.study_id == asked.study_id,
        NegotiationRow.state != "withdrawn",
    )
    if session.scalars(same).first() is not None:
        raise refused("NEGOTIATION_OPEN", "this study asked for this data set already; write into that thread")
    waiting = select(func.count()).where(NegotiationRow.account == person.account, NegotiationRow.state == "open")
    if (session.scalar(waiting) or 0) >= MAX_UNANSWERED:
        raise refused("NEGOTIATION_TOO_MANY", f"{MAX_UNANSWERED} of your requests wait for an answer")
