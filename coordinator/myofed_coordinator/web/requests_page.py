"""Asking a site for participation, from its card: the request, the thread of messages, and taking it back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse
from pydantic import ValidationError

from myofed_coordinator.accounts import gate
from myofed_coordinator.accounts.permissions import Permission, Person
from myofed_coordinator.catalog.query_parameters import PathDataset, PathSite
from myofed_coordinator.negotiations.asked import AskedParticipation, WrittenReply
from myofed_coordinator.negotiations.service import PER_PAGE
from myofed_coordinator.services import Services
from myofed_coordinator.web.forms import Form, form_of
from myofed_coordinator.web.render import Asked, Renderer, done
from myofed_schemas.catalog import DatasetCard
from myofed_schemas.duo import DUO_TERMS
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode
from myofed_schemas.negotiation import NegotiationId, NegotiationThread

AT = "/requests"
Asker = Annotated[Person, Depends(gate.page(Permission.ASK_PARTICIPATION))]
Reader = Annotated[Person, Depends(gate.page(Permission.SEE_STUDIES))]
Posted = Annotated[Form, Depends(form_of)]
PageNumber = Annotated[int, Query(ge=1, le=100_000)]

PURPOSES = {
    "health": "health, medical or biomedical research",
    "methods": "methods are developed, for example a segmentation network",
    "genetic": "genotypes are studied",
    "ancestry": "population origins or ancestry are studied",
    "care": "results are used in the care of patients",
    "commercial": "use for commercial ends",
    "for_profit": "our organisation works for profit",
}
"""The boxes of the form; docs/catalog.md, Terms of use, says what each means."""
ACCEPTED = ("DUO:0000019", "DUO:0000020", "DUO:0000021", "DUO:0000029")
"""Conditions that an asker can agree to keep: PUB, COL, IRB, RTN."""
VERDICTS = {
    "allowed": "The purpose is within the terms on the card, as far as rules can tell.",
    "needs-a-person": "Rules cannot decide it; a person at the site must.",
    "not-allowed": "A term on the card speaks against this purpose.",
}


@dataclass(frozen=True)
class Box:
    """One box of the form."""

    value: str
    name: str
    ticked: bool = False


@dataclass(frozen=True)
class AskView:
    """The form for a request."""

    card: DatasetCard
    purposes: tuple[Box, ...]
    accepted: tuple[Box, ...]


@dataclass(frozen=True)
class ThreadsView:
    """Threads that the person may see, and neighbouring pages (0: none)."""

    total: int
    threads: tuple[NegotiationThread, ...]
    newer: int
    older: int


@dataclass(frozen=True)
class ThreadView:
    """One thread; `own` where the visitor asked and may go on writing."""

    thread: NegotiationThread
    verdict: str
    own: bool


def add_requests(router: APIRouter, renderer: Renderer, services: Services, *, clock: Callable[[], datetime]) -> None:
    """The router serves the pages of requests for participation."""
    negotiations = services.negotiations

    @router.get("/requests")
    def every(request: Request, person: Reader, page: PageNumber = 1) -> HTMLResponse:
        found = negotiations.list_threads(page, person=person)
        view = ThreadsView(found.total, found.threads, page - 1, page + 1 if page * PER_PAGE < found.total else 0)
        return renderer.page(Asked(request, person), "requests.html", at=AT, view=view)

    @router.get("/catalog/{site}/{dataset}/ask")
    def form(site: PathSite, dataset: PathDataset, request: Request, person: Asker) -> HTMLResponse:
        view = ask_view(services.catalog_reading.search.card(site, dataset).card)
        return renderer.page(Asked(request, person), "ask.html", at="/catalog", view=view)

    @router.post("/catalog/{site}/{dataset}/ask")
    def ask(site: PathSite, dataset: PathDataset, sent: Posted, person: Asker) -> RedirectResponse:
        thread = negotiations.ask(asked_of(sent, site=site, dataset=dataset), person=person, now=clock())
        return done(f"{AT}/{thread.signed.request.negotiation_id}", "request-sent")

    @router.get("/requests/{negotiation_id}")
    def one(negotiation_id: NegotiationId, request: Request, person: Reader) -> HTMLResponse:
        thread = negotiations.show(negotiation_id, person=person)
        own = thread.signed.request.asked_by == person.account and thread.state != "withdrawn"
        view = ThreadView(thread, VERDICTS[thread.match.verdict], own and person.may(Permission.ASK_PARTICIPATION))
        return renderer.page(Asked(request, person), "request.html", at=AT, view=view)

    @router.post("/requests/{negotiation_id}/reply")
    def reply(negotiation_id: NegotiationId, sent: Posted, person: Asker) -> RedirectResponse:
        negotiations.reply(negotiation_id, text_of(sent), person=person, now=clock())
        return done(f"{AT}/{negotiation_id}", "reply-sent")

    @router.post("/requests/{negotiation_id}/withdraw")
    def withdraw(negotiation_id: NegotiationId, person: Asker) -> RedirectResponse:
        negotiations.withdraw(negotiation_id, person=person, now=clock())
        return done(f"{AT}/{negotiation_id}", "request-withdrawn")


def ask_view(card: DatasetCard) -> AskView:
    """The empty form; research on health is what most ask for."""
    accepted = (Box(code, f"{DUO_TERMS[code].label} ({DUO_TERMS[code].shorthand})") for code in ACCEPTED)
    return AskView(
        card, tuple(Box(n, text, n in {"health", "methods"}) for n, text in PURPOSES.items()), tuple(accepted)
    )


def asked_of(form: Form, *, site: str, dataset: str) -> AskedParticipation:
    """What the form asks of the site.

    Raises:
        MyofedError: REQUEST_FORM.
    """
    purpose = {
        **{name: name in form.many("purpose") for name in PURPOSES},
        "diseases": form.many("disease"),
        "accepts": form.many("accept"),
    }
    fields = {
        "site": site,
        "dataset": dataset,
        "study_id": form.text("study_id"),
        "purpose": purpose,
        "message": one_line(form.text("message")),
    }
    try:
        return AskedParticipation.model_validate(fields)
    except ValidationError as error:
        raise _wrong() from error


def text_of(form: Form) -> str:
    """The reply.

    Raises:
        MyofedError: REQUEST_FORM.
    """
    try:
        return WrittenReply(text=one_line(form.text("text"))).text
    except ValidationError as error:
        raise _wrong() from error


def one_line(text: str) -> str:
    """A message is one line on the wire; line breaks of the form become blanks."""
    return " ".join(text.split())


def _wrong() -> MyofedError:
    return MyofedError(
        "REQUEST_FORM",
        "expected the id of a study and a message of printable Latin letters, at most 2000",
        hint="the id is like thigh-muscles; the message has no other alphabets, emoji or control signs",
        exit_code=ExitCode.BAD_INPUT,
    )
