"""The site's desk for requests for participation: fetched when genuine, judged by the site's own terms, answered by a person."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from pydantic import ValidationError

from myofed_node.audit import SiteAudit
from myofed_node.coordinator_api import CoordinatorApi
from myofed_node.federation.approvals import demo_mark
from myofed_node.federation.negotiation_files import NegotiationFiles, refused
from myofed_node.mids.dataset import open_dataset
from myofed_node.site_setup import Site
from myofed_schemas.canonical import digest
from myofed_schemas.duo import DuoMatch, match
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode
from myofed_schemas.ids import Sha256, StudyId
from myofed_schemas.negotiation import Answer, NegotiationAnswer, NegotiationId, NegotiationThread, State
from myofed_schemas.wire import WireModel

_WORD = re.compile(r"[A-Za-z0-9]+")
MOVED_ON = frozenset({"NEGOTIATION_MOVED_ON", "NEGOTIATION_OVER"})
"""Refusals after which the answer is to be written anew."""


class RequestItem(WireModel):
    """One request as `requests list --json` shows it."""

    negotiation_id: NegotiationId
    study_id: StudyId
    dataset: str
    asked_by: str
    state: State
    sent: bool
    """Everything that was written here has reached the coordinator."""


class RequestList(WireModel):
    """What `requests list --json` prints."""

    requests: tuple[RequestItem, ...]


class RequestShown(WireModel):
    """What `requests show` and `answer` print.

    Attributes:
        thread: The request and its messages.
        own_match: The purpose against the terms of use in this site's own settings; decides nothing.
        unsent: An answer that was written here and has not reached the coordinator.
        unsent_sha256: Its digest.
    """

    thread: NegotiationThread
    own_match: DuoMatch
    unsent: NegotiationAnswer | None = None
    unsent_sha256: Sha256 | None = None


@dataclass(frozen=True)
class Written:
    """What a person at the site decides: the answer, and words beside it (none is empty)."""

    answer: Answer
    text: str


@dataclass(frozen=True)
class NegotiationDesk:
    """The use cases of negotiation at one site."""

    site: Site
    api: CoordinatorApi

    @property
    def files(self) -> NegotiationFiles:
        """Threads and answers on disk."""
        return NegotiationFiles(self.site.folder)

    def fetch(self) -> int:
        """Every thread of this site lies here as it is now; one that is refused holds no other back.

        Returns:
            Number of threads in which something was new.

        Raises:
            MyofedError: Of the exchange, or of the first thread that is not genuine, after all were tried.
        """
        new, wrong = 0, list[MyofedError]()
        for thread in self.api.negotiations():
            try:
                new += self.files.store(thread, site=self.site.config.site)
            except MyofedError as error:
                wrong.append(error)
        if wrong:
            raise wrong[0]
        return new

    def list(self) -> RequestList:
        """All requests to this site."""
        return RequestList(requests=tuple(self._item(self.files.thread(name)) for name in self.files.ids()))

    def show(self, negotiation_id: str) -> RequestShown:
        """One request, its thread, and what waits to be sent; nothing is sent.

        Raises:
            MyofedError: NEGOTIATION_*.
        """
        return self._shown(self.files.thread(negotiation_id))

    def answer(self, negotiation_id: str, written: Written, *, by: str, now: datetime) -> RequestShown:
        """The coordinator has this site's answer to the thread as it lies here; the same one as the thread's last word is not sent again.

        Killed between keeping and sending, the same call sends what was kept.

        Args:
            negotiation_id: The request.
            written: What the person decided.
            by: Login of the person.
            now: UTC.

        Raises:
            MyofedError: NEGOTIATION_UNKNOWN; NEGOTIATION_OVER; NEGOTIATION_TEXT, not one line of printable Latin characters;
                NEGOTIATION_SUBJECT, the text names a subject; NEGOTIATION_UNSENT, another answer waits to be sent;
                NEGOTIATION_MOVED_ON, the asker wrote meanwhile: `show`, then answer again; or of the exchange.
        """
        thread = self.files.thread(negotiation_id)
        if thread.state == "withdrawn":
            raise refused("NEGOTIATION_OVER", "a request that stands", "one that was taken back")
        answer = _document(thread, written, site=self.site.config.site)
        self._check_text(written.text)
        if _already_said(thread, answer):
            return self._shown(thread)
        kept = self.files.answer(negotiation_id, answer.number)
        if kept is not None and kept != answer:
            raise refused("NEGOTIATION_UNSENT", "the answer that waits to be sent", "another one")
        if kept is None:
            SiteAudit(self.site.folder).append(
                f"PARTICIPATION_{answer.answer.upper()}",
                subject=negotiation_id,
                now=now,
                actor=by,
                detail={
                    "request": answer.request_sha256,
                    "answer": digest(answer),
                    **demo_mark(self.site.config.policy),
                },
            )
            self.files.keep(answer)
        return self._send(answer)

    def _send(self, answer: NegotiationAnswer) -> RequestShown:
        study = self.files.thread(answer.negotiation_id).signed.request.study_id
        try:
            thread = self.api.answer_negotiation(answer, study=study)
        except MyofedError as error:
            if error.code in MOVED_ON:
                self.files.forget(answer)
            raise
        self.files.store(thread, site=self.site.config.site)
        return self._shown(self.files.thread(answer.negotiation_id))

    def _check_text(self, text: str) -> None:
        """No word of it is the label of a subject here: a pseudonym stays at the site, whoever types it."""
        words = set(_WORD.findall(text))
        if not words or not self.site.folder.dataset.is_dir():
            return
        labels = {subject.label for subject in open_dataset(self.site.folder.dataset).subjects}
        if words & (labels | {f"sub{label}" for label in labels}):
            raise refused("NEGOTIATION_SUBJECT", "a text that names no subject", "the label of one")

    def _shown(self, thread: NegotiationThread) -> RequestShown:
        config, request = self.site.config.dataset, thread.signed.request
        unsent = self.files.answer(request.negotiation_id, len(thread.messages) + 1)
        return RequestShown(
            thread=thread,
            own_match=match(config.duo, request.purpose, diagnoses=config.diagnoses),
            unsent=unsent,
            unsent_sha256=digest(unsent) if unsent else None,
        )

    def _item(self, thread: NegotiationThread) -> RequestItem:
        request = thread.signed.request
        return RequestItem(
            negotiation_id=request.negotiation_id,
            study_id=request.study_id,
            dataset=request.dataset,
            asked_by=request.asked_by,
            state=thread.state,
            sent=self.files.answer(request.negotiation_id, len(thread.messages) + 1) is None,
        )


def _already_said(thread: NegotiationThread, answer: NegotiationAnswer) -> bool:
    """This very answer is the last word of the thread: the command was called twice."""
    if not thread.messages:
        return False
    last = thread.messages[-1]
    return (last.sender, last.kind, last.text) == ("site", answer.answer, answer.text)


def _document(thread: NegotiationThread, written: Written, *, site: str) -> NegotiationAnswer:
    request = thread.signed.request
    fields = {
        "negotiation_id": request.negotiation_id,
        "request_sha256": thread.signed.sha256,
        "site": site,
        "number": len(thread.messages) + 1,
        "answer": written.answer,
        "text": written.text or None,
    }
    try:
        return NegotiationAnswer.model_validate(fields)
    except ValidationError:
        raise MyofedError(
            "NEGOTIATION_TEXT",
            "expected one line of at most 2000 printable Latin characters, and one with every question",
            hint="write it again without line ends, tabs and other scripts",
            exit_code=ExitCode.BAD_INPUT,
        ) from None
