"""The audit chain, newest entry first: filtered, page by page, and verified on request."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse
from pydantic import ValidationError

from myofed_coordinator.accounts import gate
from myofed_coordinator.accounts.permissions import Permission, Person
from myofed_coordinator.services import Services
from myofed_coordinator.web.render import Asked, Renderer
from myofed_schemas.audit import AuditEntry
from myofed_schemas.errors import MyofedError

AT = "/audit"
PAGE = 50
_BLOCK = 1 << 16
_SEQUENCE = re.compile(rb'"sequence":(\d+)')
Seer = Annotated[Person, Depends(gate.page(Permission.SEE_AUDIT))]
Word = Annotated[str, Query(max_length=128)]
Before = Annotated[int | None, Query(ge=1)]


@dataclass(frozen=True)
class AuditFilter:
    """What to look for; an empty text asks for nothing in particular.

    Attributes:
        actor: Exactly this one.
        action: Exactly this code.
        subject: Anything that holds this text.
        before: Only entries with a smaller number.
    """

    actor: str = ""
    action: str = ""
    subject: str = ""
    before: int | None = None

    def matches(self, entry: AuditEntry) -> bool:
        """Whether the entry is looked for."""
        return (
            (not self.actor or entry.actor == self.actor)
            and (not self.action or entry.action == self.action)
            and self.subject in entry.subject
        )

    def address(self, before: int) -> str:
        """The next page of the same filter."""
        words = {"actor": self.actor, "action": self.action, "subject": self.subject, "before": before}
        return f"{AT}?{urlencode({name: word for name, word in words.items() if word})}"


@dataclass(frozen=True)
class AuditView:
    """One page of entries.

    Attributes:
        entries: Newest first.
        asked: The filter.
        older: Address of the next page; empty on the last one.
        verified: What a verification that was asked for said; empty where none was.
        broken: That verification found a fault.
    """

    entries: tuple[AuditEntry, ...]
    asked: AuditFilter
    older: str
    verified: str = ""
    broken: bool = False


def add_audit(router: APIRouter, renderer: Renderer, services: Services) -> None:
    """The router serves the page of the audit chain."""

    @router.get("/audit")
    def entries(
        request: Request, person: Seer, actor: Word = "", action: Word = "", subject: Word = "", before: Before = None
    ) -> HTMLResponse:
        view = audit_view(services.home.audit, AuditFilter(actor.strip(), action.strip(), subject.strip(), before))
        return renderer.page(Asked(request, person), "audit.html", at=AT, view=view)

    @router.get("/audit/verify")
    def verify(request: Request, person: Seer) -> HTMLResponse:
        plain = audit_view(services.home.audit, AuditFilter())
        said, broken = verdict(services)
        view = AuditView(plain.entries, plain.asked, plain.older, said, broken)
        return renderer.page(Asked(request, person), "audit.html", at=AT, view=view)


def audit_view(chain: Path, asked: AuditFilter) -> AuditView:
    """One page; the chain is read from its end, so that the newest entries of a long one are there at once."""
    found: list[AuditEntry] = []
    for entry in _newest_first(chain, asked.before):
        if asked.matches(entry):
            found.append(entry)
        if len(found) > PAGE:
            break
    shown = tuple(found[:PAGE])
    return AuditView(shown, asked, asked.address(shown[-1].sequence) if len(found) > PAGE else "")


def verdict(services: Services) -> tuple[str, bool]:
    """What the verification of the whole chain says, and whether it found a fault."""
    try:
        head = services.audit.verify()
    except MyofedError as error:
        return f"The chain does not hold: {error.code}. {error.message}. {error.hint}.", True
    return f"The chain holds: {head.sequence} entries, head {head.digest}.", False


def _newest_first(chain: Path, before: int | None) -> Iterator[AuditEntry]:
    for line in _lines_backwards(chain):
        if before is not None:
            number = _SEQUENCE.search(line)
            if number is None or int(number[1]) >= before:
                continue
        try:
            yield AuditEntry.model_validate_json(line)
        except ValidationError:
            continue  # the verification names it; what can be read is still shown


def _lines_backwards(path: Path) -> Iterator[bytes]:
    """Whole lines from the last to the first, read block by block."""
    if not path.exists():
        return
    with path.open("rb") as stream:
        at = stream.seek(0, os.SEEK_END)
        rest = b""
        while at:
            step = min(_BLOCK, at)
            at = stream.seek(at - step)
            lines = (stream.read(step) + rest).split(b"\n")
            rest = lines[0]
            yield from (line for line in reversed(lines[1:]) if line)
        if rest:
            yield rest
