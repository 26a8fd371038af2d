"""Threads of a negotiation: each side says only what is its own, in order."""

from __future__ import annotations

import pytest
from wire_examples import WIRE_EXAMPLES

from myofed_schemas.negotiation import NegotiationAnswer, NegotiationThread, ThreadMessage

AT = "2026-11-22T10:00:00Z"
THREAD = NegotiationThread.model_validate(WIRE_EXAMPLES["negotiation-thread"].model_dump())


def message(number: int, kind: str, **changes: object) -> ThreadMessage:
    sender = "consortium" if kind in {"reply", "withdrawn"} else "site"
    fields = {"number": number, "sender": sender, "kind": kind, "text": "x", "at": AT}
    return ThreadMessage.model_validate({**fields, **changes})


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        ("reply", {"sender": "site"}),
        ("interested", {"sender": "consortium"}),
        ("question", {"text": None}),
        ("reply", {"text": None}),
    ],
)
def test_message_of_the_wrong_side_or_without_words_is_refused(kind: str, changes: dict[str, object]) -> None:
    """A site does not reply for the asker; a question asks something."""
    with pytest.raises(ValueError, match="validation error"):
        message(1, kind, **changes)


def test_messages_have_no_gap() -> None:
    """A message that was taken out is noticed."""
    with pytest.raises(ValueError, match="without a gap"):
        NegotiationThread(signed=THREAD.signed, match=THREAD.match, messages=(message(2, "reply"),))


def test_question_of_a_site_says_what_is_asked() -> None:
    """Without text it is refused before it leaves."""
    with pytest.raises(ValueError, match="says what is asked"):
        NegotiationAnswer(
            negotiation_id="ask-0123abcd", request_sha256="0" * 64, site="hospital-a", number=1, answer="question"
        )


@pytest.mark.parametrize(
    ("kinds", "state"),
    [
        ("", "open"),
        ("question", "question"),
        ("question reply", "open"),
        ("interested reply", "interested"),
        ("interested declined", "declined"),
        ("declined withdrawn", "withdrawn"),
    ],
)
def test_state_is_what_the_site_said_last(kinds: str, state: str) -> None:
    """A reply opens a question again and leaves a decision as it is."""
    messages = tuple(message(n, kind) for n, kind in enumerate(kinds.split(), start=1))
    assert NegotiationThread(signed=THREAD.signed, match=THREAD.match, messages=messages).state == state
