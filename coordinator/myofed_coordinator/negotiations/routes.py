"""HTTP of negotiation for people; the sites' half is `api/site_negotiations.py`."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Body, Depends, Query
from fastapi.openapi.models import Example
from pydantic import Field

from myofed_coordinator.accounts import gate
from myofed_coordinator.accounts.permissions import Permission, Person
from myofed_coordinator.negotiations.asked import AskedParticipation, WrittenReply
from myofed_coordinator.negotiations.service import PER_PAGE, NegotiationService
from myofed_schemas.negotiation import NegotiationId, NegotiationThread
from myofed_schemas.wire import WireModel

Asker = Annotated[Person, Depends(gate.require(Permission.ASK_PARTICIPATION))]
Reader = Annotated[Person, Depends(gate.require(Permission.SEE_STUDIES))]
EXAMPLES = {
    "fshd": Example(
        summary="A segmentation study asks for thighs of FSHD",
        value={
            "site": "hospital-a",
            "dataset": "thigh-dixon",
            "study_id": "thigh-muscles",
            "purpose": {"diseases": ["ORPHA:269"], "methods": True, "accepts": ["DUO:0000021"]},
            "message": "We plan a segmentation of single thigh muscles. Would you take part?",
        },
    )
}
Asked = Annotated[AskedParticipation, Body(openapi_examples=EXAMPLES)]


class Threads(WireModel):
    """A page of threads, the latest change first."""

    total: int = Field(ge=0)
    page: int = Field(ge=1)
    per_page: int = PER_PAGE
    threads: tuple[NegotiationThread, ...]


def negotiations_router(negotiations: NegotiationService, *, clock: Callable[[], datetime]) -> APIRouter:
    """`/negotiations` and below."""
    router = APIRouter(tags=["negotiations"])

    @router.get("/negotiations")
    def every(person: Reader, page: Annotated[int, Query(ge=1, le=100_000, examples=[1])] = 1) -> Threads:
        """Threads that you may see: your own, your site's, or all for administrators and auditors."""
        found = negotiations.list_threads(page, person=person)
        return Threads(total=found.total, page=page, threads=found.threads)

    @router.post("/negotiations", status_code=201)
    def ask(asked: Asked, person: Asker) -> NegotiationThread:
        """Asks a site for participation, from one of its cards; the answer has the purpose judged by the card's DUO terms."""
        return negotiations.ask(asked, person=person, now=clock())

    @router.get("/negotiations/{negotiation_id}")
    def one(negotiation_id: NegotiationId, person: Reader) -> NegotiationThread:
        """One thread."""
        return negotiations.show(negotiation_id, person=person)

    @router.post("/negotiations/{negotiation_id}/messages", status_code=201)
    def reply(negotiation_id: NegotiationId, written: WrittenReply, person: Asker) -> NegotiationThread:
        """One more message of the person who asked."""
        return negotiations.reply(negotiation_id, written.text, person=person, now=clock())

    @router.delete("/negotiations/{negotiation_id}")
    def withdraw(negotiation_id: NegotiationId, person: Asker) -> NegotiationThread:
        """The request is taken back; the thread stays."""
        return negotiations.withdraw(negotiation_id, person=person, now=clock())

    return router
