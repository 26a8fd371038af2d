"""What a person asks of a site, and the request that is made of it."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field, ValidationError

from myofed_coordinator.negotiations.refusals import invalid
from myofed_schemas.clock import utc_text
from myofed_schemas.duo import ResearchPurpose
from myofed_schemas.ids import SiteId, StudyId
from myofed_schemas.negotiation import MessageText, ParticipationRequest
from myofed_schemas.wire import WireModel


class AskedParticipation(WireModel):
    """The body of `POST /negotiations`; `ParticipationRequest` says what each field means."""

    site: SiteId
    dataset: str = Field(pattern=r"^[a-z][a-z0-9-]{1,47}$")
    study_id: StudyId
    purpose: ResearchPurpose
    message: MessageText


class WrittenReply(WireModel):
    """The body of a reply."""

    text: MessageText


def request_of(
    asked: AskedParticipation, *, negotiation_id: str, card_version: int, account: str, now: datetime
) -> ParticipationRequest:
    """The request as the site will read it.

    Raises:
        MyofedError: NEGOTIATION_INVALID.
    """
    try:
        return ParticipationRequest(
            negotiation_id=negotiation_id,
            site=asked.site,
            dataset=asked.dataset,
            card_version=card_version,
            study_id=asked.study_id,
            purpose=asked.purpose,
            asked_by=account,
            message=asked.message,
            asked_at=utc_text(now),
        )
    except ValidationError as error:
        raise invalid(error) from error
