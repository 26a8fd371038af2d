"""How negotiation says no."""

from __future__ import annotations

from pydantic import ValidationError

from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode


def unknown_negotiation() -> MyofedError:
    """No such request, or none that the asker may see."""
    return MyofedError(
        "NEGOTIATION_UNKNOWN",
        "no request for participation of this name here",
        hint="the list of requests shows them",
        exit_code=ExitCode.BAD_INPUT,
    )


def refused(code: str, message: str) -> MyofedError:
    """A refusal without a hint."""
    return MyofedError(code, message, exit_code=ExitCode.REFUSED)


def taken_back() -> MyofedError:
    """The asker withdrew the request."""
    return MyofedError(
        "NEGOTIATION_OVER", "the request was taken back", hint="ask anew from the card", exit_code=ExitCode.REFUSED
    )


def moved_on() -> MyofedError:
    """The thread has messages that the site had not read."""
    return MyofedError(
        "NEGOTIATION_MOVED_ON",
        "the thread has other messages than were read before this answer",
        hint="read the thread again, then answer",
        exit_code=ExitCode.REFUSED,
    )


def full() -> MyofedError:
    """The thread takes no more messages."""
    return MyofedError(
        "NEGOTIATION_FULL",
        "the thread has as many messages as one may have",
        hint="go on by telephone, or ask anew from the card",
        exit_code=ExitCode.REFUSED,
    )


def invalid(error: ValidationError) -> MyofedError:
    """What a person wrote does not hold; fields are named, never what stood in them."""
    names = sorted({".".join(map(str, fault["loc"])) or "request" for fault in error.errors()})
    return MyofedError(
        "NEGOTIATION_INVALID",
        f"not of the expected form: {', '.join(names)}",
        hint="docs/catalog.md, Asking a site, says what a request holds; text is one line of printable Latin characters",
        exit_code=ExitCode.USAGE,
    )
