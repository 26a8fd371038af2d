"""HTTP of enrolment: `POST /enrol` for everybody who holds an invite, the list of sites for people."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from fastapi import APIRouter, Depends, Request

from myofed_coordinator.accounts import gate
from myofed_coordinator.accounts.permissions import Permission
from myofed_coordinator.api.login import Attempts, caller_of
from myofed_coordinator.enrolment.service import EnrolmentService
from myofed_schemas.enrolment import EnrolmentReply, EnrolmentRequest, SiteRecord

REFUSALS_ALLOWED = 30
"""Refused enrolments a minute and caller before the port says "later"; a token has 256 bits, this only bounds the work."""


def enrol_router(enrolment: EnrolmentService, *, clock: Callable[[], datetime]) -> APIRouter:
    """`POST /enrol`: needs no login, the token is the admission."""
    router = APIRouter(tags=["enrolment"], dependencies=[Depends(gate.public)])
    attempts = Attempts(REFUSALS_ALLOWED)

    @router.post("/enrol")
    def enrol(body: EnrolmentRequest, request: Request) -> EnrolmentReply:
        """Asks to join with a one-time token; send the same request again to learn the decision."""
        now, caller = clock(), caller_of(request)
        attempts.check(caller, now=now)
        reply = enrolment.receive_request(body, now=now)
        if reply.state == "refused":
            attempts.note_failure(caller, now=now)
        return reply

    return router


def sites_router(enrolment: EnrolmentService) -> APIRouter:
    """`GET /sites`."""
    router = APIRouter(tags=["sites"], dependencies=[Depends(gate.require(Permission.SEE_SITES))])

    @router.get("/sites")
    def sites() -> list[SiteRecord]:
        """Every site that was invited, has asked to join, is in, or was revoked."""
        return enrolment.list_sites()

    return router
