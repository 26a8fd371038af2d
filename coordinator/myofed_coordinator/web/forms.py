"""A posted form, read without any framework's magic: bounded, ASCII-encoded, names and texts."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import parse_qs

from fastapi import Request

MAX_FIELDS = 400


@dataclass(frozen=True)
class Form:
    """What a browser sent."""

    fields: dict[str, list[str]] = field(default_factory=dict)

    def text(self, name: str) -> str:
        """The field's text without white space around it; empty where it was not sent."""
        return self.fields.get(name, [""])[0].strip()

    def secret(self, name: str) -> str:
        """The field's text as it was typed."""
        return self.fields.get(name, [""])[0]

    def many(self, name: str) -> tuple[str, ...]:
        """Every text sent under this name, as ticked boxes are."""
        return tuple(self.fields.get(name, []))

    def is_ticked(self, name: str) -> bool:
        """Whether the box was ticked."""
        return name in self.fields


async def form_of(request: Request) -> Form:
    """The form in the request's body; the port bounds its length, and a form with too many fields is an empty one."""
    body = (await request.body()).decode("ascii", errors="replace")
    try:
        return Form(parse_qs(body, keep_blank_values=True, max_num_fields=MAX_FIELDS))
    except ValueError:
        return Form()
