"""Pulls replies from the engine one by one, in place of Flower's `Grid.pull_messages` (flwr 1.41.0; tests/contract).

Flower asks for all replies in one request, waits up to two hours for the objects of each, and takes them apart before it
hands any over: one site's bad or half-sent reply loses or holds up what came beside it. Here each reply stands alone, has a
bound on its objects and bytes, and one that is still on its way is looked at again the next time.
"""

from __future__ import annotations

import tokenize
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from flwr.app import Message
from flwr.proto.message_pb2 import ConfirmMessageReceivedRequest, PullObjectRequest
from flwr.proto.runtime_pb2 import PullAppMessagesRequest
from flwr.serverapp import Grid
from flwr.supercore.inflatable.inflatable_object import iterate_object_tree
from flwr.supercore.inflatable.inflatable_utils import inflate_object_from_contents
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from pydantic import ValidationError

from myofed_schemas.federation import MAX_REPLY_OBJECTS

REPLY_OVERHEAD_BYTES = 1 << 20
"""What a reply holds beside its weights: metrics as JSON (64 Ki characters at most), names, Flower's heads."""
MAX_LOOKS = 40
"""So often a reply's first object was there and another was not; then it is lost."""

UNREADABLE = (
    LookupError,
    TypeError,
    ValueError,
    ValidationError,
    AttributeError,
    EOFError,
    ArithmeticError,
    MemoryError,
    RecursionError,
    SyntaxError,
    tokenize.TokenError,
    zipfile.BadZipFile,
    DecodeError,
)
"""What reading a site's reply can raise, Flower's own taking apart of it included: numpy.load takes empty bytes and zip files
for something else than an array, reads an array's header as Python, and makes room for the shape that it names before it
reads on."""


@dataclass
class _Coming:
    """A reply that the engine announced.

    Attributes:
        message_id: Its own object, which is pushed last.
        objects: All of its objects, that one first.
        looks: How often it was not whole.
    """

    message_id: str
    objects: list[str]
    looks: int = 0


class ReplyPull:
    """Asks the engine for replies.

    Args:
        grid: Flower's; its connection is used.
    """

    def __init__(self, grid: Grid) -> None:
        self._grid: Any = grid
        self._coming: dict[str, _Coming] = {}

    @property
    def _client(self) -> Any:
        return self._grid._runtime_client  # noqa: SLF001  Flower's own connection; tests/contract holds its name

    def __call__(self, tickets: Sequence[str], *, most_bytes: int) -> Iterator[tuple[str, Message | str]]:
        """The replies that are whole by now, each once, in memory one at a time; in place of a bad one its code.

        Args:
            tickets: Ids of the messages that are waited for; what was announced for others is forgotten.
            most_bytes: Largest weights that a reply may carry.
        """
        self._coming = {ticket: coming for ticket, coming in self._coming.items() if ticket in tickets}
        if asked := [ticket for ticket in tickets if ticket not in self._coming]:
            yield from self._announced(asked)
        for ticket in list(self._coming):
            found = self._whole(self._coming[ticket], most_bytes=most_bytes + REPLY_OVERHEAD_BYTES)
            if found is not None:
                self._confirm(self._coming.pop(ticket))
                yield ticket, found

    def _announced(self, tickets: Sequence[str]) -> Iterator[tuple[str, str]]:
        """What the engine has for these tickets is remembered: it says so once only."""
        answer = self._client.PullMessages(PullAppMessagesRequest(message_ids=tickets))
        for head, tree in zip(answer.messages_list, answer.message_object_trees, strict=True):
            ticket = head.metadata.reply_to_message_id
            objects = list(dict.fromkeys(node.object_id for node in iterate_object_tree(tree)))
            coming = _Coming(head.metadata.message_id, objects[::-1])
            if ticket not in tickets:
                continue
            if len(objects) > MAX_REPLY_OBJECTS:
                self._confirm(coming)
                yield ticket, "REPLY_TOO_LARGE"
            else:
                self._coming[ticket] = coming

    def _whole(self, coming: _Coming, *, most_bytes: int) -> Message | str | None:
        """The reply, or the code in place of it; None while it is on its way."""
        contents: dict[str, bytes] = {}
        total = 0
        for object_id in coming.objects:
            request = PullObjectRequest(node=self._grid.node, run_id=self._grid.run.run_id, object_id=object_id)
            answer = self._client.PullObject(request)
            if not answer.object_found:
                return "REPLY_LOST"
            if not answer.object_available:
                coming.looks += bool(contents)
                return "REPLY_LOST" if coming.looks >= MAX_LOOKS else None
            total += len(answer.object_content)
            if total > most_bytes:
                return "REPLY_TOO_LARGE"
            contents[object_id] = answer.object_content
        try:
            message = inflate_object_from_contents(coming.message_id, contents)
        except UNREADABLE:
            return "REPLY_INVALID"
        return message if isinstance(message, Message) else "REPLY_INVALID"

    def _confirm(self, coming: _Coming) -> None:
        """The engine forgets the reply's objects."""
        self._client.ConfirmMessageReceived(
            ConfirmMessageReceivedRequest(
                node=self._grid.node, run_id=self._grid.run.run_id, message_object_id=coming.message_id
            )
        )
