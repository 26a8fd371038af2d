"""HTTP of enrolment: `POST /enrol` for everybody who holds an invite, the list of sites for people."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Request
from pydantic import Field

from myofed_coordinator.accounts import gate
from myofed_coordinator.accounts.permissions import Permission, Person
from myofed_coordinator.accounts.throttle import Attempts
from myofed_coordinator.api.login import caller_of
from myofed_coordinator.enrolment.service import EnrolmentService, SeenRequest
from myofed_schemas.enrolment import EnrolmentReply, EnrolmentRequest, Invite, SiteRecord
from myofed_schemas.ids import Sha256, SiteId
from myofed_schemas.wire import WholeNumber, WireModel

Manager = Annotated[Person, Depends(gate.require(Permission.MANAGE_SITES))]


class InviteWish(WireModel):
    """How an invite shall be."""

    valid_hours: WholeNumber = Field(default=72, ge=1, le=24 * 90)
    pre_approve: bool = Field(default=False, strict=True)


class Approval(WireModel):
    """What the decision is about; where the request that waits is another one, nobody is let in."""

    request_sha256: Sha256 | None = None
    """Of the request, as `GET /sites` told it."""
    fingerprint: Sha256 | None = None
    """Of the identity key, as the site's people said it."""


class SiteState(WireModel):
    """What became of a site."""

    site: SiteId
    state: Literal["approved", "revoked"]


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


def sites_router(enrolment: EnrolmentService, *, clock: Callable[[], datetime]) -> APIRouter:
    """`/sites`: the list for everybody, letting in and shutting out for administrators."""
    router = APIRouter(tags=["sites"])

    @router.get("/sites", dependencies=[Depends(gate.require(Permission.SEE_SITES))])
    def sites() -> list[SiteRecord]:
        """Every site that was invited, has asked to join, is in, or was revoked."""
        return enrolment.list_sites()

    @router.post("/sites/{site}/invite", status_code=201)
    def invite(site: SiteId, body: InviteWish, person: Manager) -> Invite:
        """A one-time invite, shown this once; hand it over by a way you trust."""
        valid = timedelta(hours=body.valid_hours)
        return enrolment.create_invite(
            site, actor=person.account, now=clock(), valid=valid, pre_approved=body.pre_approve
        )

    @router.post("/sites/{site}/approve")
    def approve(site: SiteId, person: Manager, body: Approval | None = None) -> SiteState:
        """Lets a site in that has asked: its certificate waits for its next `join`. Compare the key's fingerprint first."""
        seen = SeenRequest(body.request_sha256, body.fingerprint) if body is not None else None
        enrolment.approve(site, actor=person.account, now=clock(), seen=seen)
        return SiteState(site=site, state="approved")

    @router.post("/sites/{site}/revoke")
    def revoke(site: SiteId, person: Manager) -> SiteState:
        """Shuts a site out, from its next request on; it comes back only with a new invite."""
        enrolment.revoke(site, actor=person.account, now=clock())
        return SiteState(site=site, state="revoked")

    return router
