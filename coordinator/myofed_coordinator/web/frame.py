"""What every page has around its content: who looks at it, where they may go, and what was just done."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from myofed_coordinator.accounts.permissions import Permission, Person


@dataclass(frozen=True)
class Visitor:
    """Who asks for a page.

    Attributes:
        person: Signed in.
        csrf: What each of this session's forms must send back; empty where nothing can be changed.
    """

    person: Person
    csrf: str = ""

    def may(self, permission: str) -> bool:
        """Whether this person may do what the permission of that name allows; templates ask this."""
        return self.person.may(Permission(permission))


@dataclass(frozen=True)
class Link:
    """One entry of the navigation."""

    href: str
    text: str
    current: bool = False


@dataclass(frozen=True)
class Section:
    """A part of the site that a person sees when they hold the permission."""

    href: str
    text: str
    permission: Permission


@dataclass(frozen=True)
class Frame:
    """Around a page's content.

    Attributes:
        consortium: Its name.
        demo: The coordinator is one of a demonstration.
        links: What this person may open.
        visitor: None on the pages before the login.
        notice: What the last form did, as a sentence; empty where nothing was done.
    """

    consortium: str
    demo: bool
    links: tuple[Link, ...]
    visitor: Visitor | None
    notice: str = ""


NOTICES: Mapping[str, str] = {
    "site-approved": "The site is approved. Its next `join` fetches the certificate.",
    "site-revoked": "The site is revoked. Its next request is refused.",
    "roles-changed": "The account has these roles from the next request on.",
    "account-disabled": "The account is shut out. Its sessions and tokens open nothing any more.",
    "account-enabled": "The account opens again with what it opened with before.",
    "token-revoked": "The token opens nothing any more.",
    "password-changed": "The password is changed and every session of yours has ended. Log in with the new one.",
    "start-asked": "Somebody else must confirm before the run starts. Who may confirm sees it on the overview.",
    "start-declined": "The run does not start. Who asked for it reads your reason here.",
    "run-started": "The run is ordered; the engine takes it within seconds.",
    "request-sent": "The request is signed and sent; the site's node fetches it within a minute.",
    "reply-sent": "Your reply is in the thread.",
    "request-withdrawn": "The request is taken back; the thread stays.",
    "study-offered": "The study is signed and offered; its sites see it within a minute.",
    "lead-added": "The account leads this study too.",
    "lead-removed": "The study is out of these hands.",
    "draft-discarded": "The draft is gone.",
    "run-stopping": "The run was asked to stop; it ends at its next look.",
}
"""What a form's address says after it was carried out (`?done=`); any other word says nothing."""


def links_for(sections: tuple[Section, ...], person: Person, *, current: str) -> tuple[Link, ...]:
    """The sections this person may see, in order."""
    return tuple(Link(s.href, s.text, s.href == current) for s in sections if person.may(s.permission))
