"""`/site/negotiations` and `/site/negotiations/ID`: what a site is asked from its cards, and what its people answer."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Request

from myofed_coordinator.api.small_body import small_body
from myofed_coordinator.negotiations.service import NegotiationService
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode
from myofed_schemas.negotiation import NegotiationAnswer, NegotiationId, NegotiationThread

MAX_ANSWER_BYTES = 16_384
"""2000 characters are at most 8 kB."""


async def _answer_in(request: Request) -> NegotiationAnswer:
    return await small_body(request, NegotiationAnswer, most=MAX_ANSWER_BYTES, what="an answer to a request")


Answer = Annotated[NegotiationAnswer, Depends(_answer_in)]


def add_negotiations(
    router: APIRouter,
    negotiations: NegotiationService,
    site_of: Callable[[Request], str],
    *,
    clock: Callable[[], datetime],
) -> None:
    """The router answers the two requests.

    Args:
        router: With prefix `/site`.
        negotiations: The use cases.
        site_of: The site whose certificate the gateway verified.
        clock: Asked once a request.
    """

    @router.get("/negotiations")
    def threads(request: Request) -> list[NegotiationThread]:
        return negotiations.of_site(site_of(request))

    @router.put("/negotiations/{negotiation_id}")
    def answer(negotiation_id: NegotiationId, answer: Answer, request: Request) -> NegotiationThread:
        if answer.negotiation_id != negotiation_id:
            raise MyofedError("MALFORMED", "expected the request of the path", exit_code=ExitCode.BAD_INPUT)
        return negotiations.record(answer, site=site_of(request), now=clock())
