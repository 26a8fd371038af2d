"""Asking a site for participation: a signed request from a card, and the thread of messages that follows it.

Text is written by people and read by people, never by a program. It holds printable Latin characters on one line: nothing that
a terminal or a page could take for an order, nothing that runs from right to left.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from myofed_schemas.duo import DuoMatch, ResearchPurpose
from myofed_schemas.ids import Sha256, SiteId, StudyId, UtcTime
from myofed_schemas.study import HexPublicKey, HexSignature
from myofed_schemas.wire import WireModel

MAX_MESSAGES = 50
"""Of one thread; after that the two telephone."""
MAX_THREADS = 500
"""That a site is sent, the latest ones."""

NegotiationId = Annotated[str, StringConstraints(pattern=r"^ask-[a-z0-9]{8,32}$")]
"""A request for participation, e.g. `ask-202611301612000a1b2c3d`."""

_PRINTABLE = r"^[ -~À-ÖØ-öø-ɏ–—‘’“”„…€]+$"  # noqa: RUF001  the usual dashes and quotation marks are meant
MessageText = Annotated[str, StringConstraints(min_length=1, max_length=2000, pattern=_PRINTABLE)]
"""ASCII, Latin letters with accents, and the usual dashes and quotation marks."""

AccountName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$")]
"""Login name of a person at the coordinator."""

Answer = Literal["interested", "declined", "question"]
MessageKind = Literal["interested", "declined", "question", "reply", "withdrawn"]
State = Literal["open", "question", "interested", "declined", "withdrawn"]


class ParticipationRequest(WireModel):
    """What a study lead asks of a site, from one version of one of its cards.

    Attributes:
        negotiation_id: Made by the coordinator.
        site: Who is asked.
        dataset: Whose card was read.
        card_version: Which version of it.
        study_id: Id of the study that is being drafted.
        purpose: What the data are to be used for, in the words of DUO.
        asked_by: Login name of the person who asks.
        message: What they write.
        asked_at: UTC.
    """

    schema_version: Literal["myofed-participation-request-1"] = "myofed-participation-request-1"
    negotiation_id: NegotiationId
    site: SiteId
    dataset: str = Field(pattern=r"^[a-z][a-z0-9-]{1,47}$")
    card_version: int = Field(ge=1)
    study_id: StudyId
    purpose: ResearchPurpose
    asked_by: AccountName
    message: MessageText
    asked_at: UtcTime


class SignedParticipationRequest(WireModel):
    """A request as the coordinator sends it: Ed25519 over the canonical JSON of `request`, both in hexadecimal."""

    request: ParticipationRequest
    sha256: Sha256
    signature: HexSignature
    signer: HexPublicKey


class ThreadMessage(WireModel):
    """One message after the request.

    Attributes:
        number: From 1, without a gap.
        sender: Which side wrote it.
        kind: A site says `interested`, `declined` or `question`; the asker `reply` or `withdrawn`.
        text: What was written; none where a decision or the end of the matter speaks for itself.
        at: When the coordinator had it, UTC.
    """

    number: int = Field(ge=1, le=MAX_MESSAGES)
    sender: Literal["consortium", "site"]
    kind: MessageKind
    text: MessageText | None = None
    at: UtcTime

    @model_validator(mode="after")
    def _each_side_its_own(self) -> Self:
        if (self.kind in {"reply", "withdrawn"}) != (self.sender == "consortium"):
            msg = "a message of this kind is not this side's"
            raise ValueError(msg)
        if self.text is None and self.kind in {"question", "reply"}:
            msg = "a question or reply says something"
            raise ValueError(msg)
        return self


class NegotiationThread(WireModel):
    """A request and all that was said to it, oldest first.

    Attributes:
        signed: The request.
        match: The purpose against the terms of use on the card that was read, by rules; it decides nothing.
        messages: After the request.
    """

    schema_version: Literal["myofed-negotiation-1"] = "myofed-negotiation-1"
    signed: SignedParticipationRequest
    match: DuoMatch
    messages: tuple[ThreadMessage, ...] = Field(default=(), max_length=MAX_MESSAGES)

    @model_validator(mode="after")
    def _counted(self) -> Self:
        if [message.number for message in self.messages] != list(range(1, len(self.messages) + 1)):
            msg = "messages are numbered from 1 without a gap"
            raise ValueError(msg)
        return self

    @property
    def state(self) -> State:
        """Where it stands: what the site said last, or that the asker took it back."""
        said: State = "open"
        for message in self.messages:
            if message.kind != "reply":
                said = message.kind
            elif said == "question":
                said = "open"
        return said


class NegotiationAnswer(WireModel):
    """What a site's person answers; bound to the request and to the messages that were read before.

    Attributes:
        negotiation_id: The request.
        request_sha256: Which request, exactly.
        site: Who answers.
        number: Of this message in the thread: one more than the messages that were read.
        answer: `interested` binds to nothing: a study still asks for its own approval.
        text: What is written beside.
    """

    schema_version: Literal["myofed-negotiation-answer-1"] = "myofed-negotiation-answer-1"
    negotiation_id: NegotiationId
    request_sha256: Sha256
    site: SiteId
    number: int = Field(ge=1, le=MAX_MESSAGES)
    answer: Answer
    text: MessageText | None = None

    @model_validator(mode="after")
    def _question_asks(self) -> Self:
        if self.answer == "question" and self.text is None:
            msg = "a question says what is asked"
            raise ValueError(msg)
        return self
