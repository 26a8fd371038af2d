"""Replies are pulled one by one: what one site sent wrong or only in part costs nobody else anything."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from flwr.app import ConfigRecord, Message, RecordDict
from flwr.app.message import make_message
from flwr.app.metadata import Metadata
from flwr.proto.message_pb2 import Message as ProtoMessage
from flwr.proto.message_pb2 import Metadata as ProtoMetadata
from flwr.proto.message_pb2 import ObjectTree
from flwr.proto.node_pb2 import Node
from flwr.supercore.inflatable.inflatable_object import get_all_nested_objects, get_object_tree

from myofed_coordinator.federation.reply_pull import MAX_LOOKS, REPLY_OVERHEAD_BYTES, ReplyPull
from myofed_schemas.federation import MAX_REPLY_OBJECTS


def reply(text: str = "hello") -> Message:
    metadata = Metadata(
        run_id=1,
        message_id="",
        src_node_id=7,
        dst_node_id=1,
        reply_to_message_id="whatever the site wrote",
        group_id="1",
        created_at=0.0,
        ttl=10.0,
        message_type="train",
        src_task_id=0,
        dst_task_id=0,
    )
    return make_message(metadata=metadata, content=RecordDict({"result": ConfigRecord({"metrics": text})}))


@dataclass
class FakeLink:
    """The engine's side: announces a reply once, has its objects or not."""

    announced: list[tuple[str, str, ObjectTree]] = field(default_factory=list)
    objects: dict[str, bytes] = field(default_factory=dict)
    missing: set[str] = field(default_factory=set)
    asked: list[list[str]] = field(default_factory=list)
    pulled: int = 0
    confirmed: list[str] = field(default_factory=list)

    @property
    def grid(self) -> Any:
        return SimpleNamespace(_runtime_client=self, node=Node(node_id=1), run=SimpleNamespace(run_id=5))

    def arrives(self, ticket: str, message: Message) -> list[str]:
        """All of it; returns its objects, the message's own last."""
        for object_id, item in get_all_nested_objects(message).items():
            self.objects[object_id] = item.deflate()
        self.announced.append((ticket, message.object_id, get_object_tree(message)))
        return list(get_all_nested_objects(message))

    def PullMessages(self, request: Any) -> Any:
        self.asked.append(list(request.message_ids))
        now = [entry for entry in self.announced if entry[0] in request.message_ids]
        self.announced = [entry for entry in self.announced if entry not in now]
        heads = [
            ProtoMessage(metadata=ProtoMetadata(message_id=number, reply_to_message_id=ticket))
            for ticket, number, _ in now
        ]
        return SimpleNamespace(messages_list=heads, message_object_trees=[tree for _, _, tree in now])

    def PullObject(self, request: Any) -> Any:
        assert (request.run_id, request.node.node_id) == (5, 1)
        self.pulled += 1
        content = self.objects.get(request.object_id)
        there = content is not None and request.object_id not in self.missing
        return SimpleNamespace(
            object_found=content is not None, object_available=there, object_content=content if there else b""
        )

    def ConfirmMessageReceived(self, request: Any) -> None:
        self.confirmed.append(request.message_object_id)


@pytest.fixture
def link() -> FakeLink:
    return FakeLink()


def looked(pull: ReplyPull, *tickets: str, most_bytes: int = 0) -> dict[str, str]:
    """Ticket -> text of the reply, or the code in place of it."""
    came = {}
    for ticket, found in pull(tickets, most_bytes=most_bytes):
        came[ticket] = found if isinstance(found, str) else str(found.content["result"]["metrics"])
    return came


def test_reply_that_cannot_be_taken_apart_costs_its_own_site_alone(link: FakeLink) -> None:
    """In the middle of two honest ones, announced in the same request."""
    link.arrives("a", reply("first"))
    bad = link.arrives("b", reply("bad"))
    link.arrives("c", reply("last"))
    for spoiled in (b"", b"\xff" * 40, b"RecordDict 0\x00", b"Message 9\x00" + b"\x00" * 9):
        fresh = FakeLink(list(link.announced), {**link.objects, bad[-1]: spoiled})
        assert looked(ReplyPull(fresh.grid), "a", "b", "c") == {"a": "first", "b": "REPLY_INVALID", "c": "last"}
        assert len(fresh.confirmed) == 3


def test_reply_that_is_no_message_is_refused(link: FakeLink) -> None:
    """An object of another kind in its place."""
    record = RecordDict({"result": ConfigRecord({"metrics": "x"})})
    for object_id, item in get_all_nested_objects(record).items():
        link.objects[object_id] = item.deflate()
    link.announced.append(("a", record.object_id, get_object_tree(record)))
    assert looked(ReplyPull(link.grid), "a") == {"a": "REPLY_INVALID"}


def test_reply_is_known_by_what_the_engine_says_it_answers(link: FakeLink) -> None:
    """Not by what the site wrote into it."""
    link.arrives("a", reply("mine"))
    assert looked(ReplyPull(link.grid), "a") == {"a": "mine"}


def test_half_sent_reply_is_looked_at_again_and_holds_nobody_up(link: FakeLink) -> None:
    """The engine announces it once; it is not asked for a second time, which would be answered with an error."""
    half = link.arrives("a", reply("slow"))
    link.arrives("b", reply("quick"))
    link.missing = {half[-1]}
    pull = ReplyPull(link.grid)
    assert looked(pull, "a", "b") == {"b": "quick"}
    assert looked(pull, "a") == {}
    link.missing = set()
    assert looked(pull, "a") == {"a": "slow"}
    assert link.asked == [["a", "b"]]


def test_reply_whose_objects_are_gone_is_lost(link: FakeLink) -> None:
    """The engine drops what a site did not finish in time."""
    gone = link.arrives("a", reply())
    del link.objects[gone[0]]
    assert looked(ReplyPull(link.grid), "a") == {"a": "REPLY_LOST"}


def test_reply_whose_first_object_alone_is_there_is_given_up(link: FakeLink) -> None:
    """What is there is not pulled again and again for ever."""
    objects = link.arrives("a", reply())
    link.missing = set(objects[:1])
    pull = ReplyPull(link.grid)
    looks = [looked(pull, "a") for _ in range(MAX_LOOKS)]
    assert looks == [{}] * (MAX_LOOKS - 1) + [{"a": "REPLY_LOST"}]


def test_reply_of_too_many_objects_is_refused_before_any_is_pulled(link: FakeLink) -> None:
    """Each is a request, and memory."""
    link.announced.append(
        (
            "a",
            "a" * 64,
            ObjectTree(
                object_id="a" * 64,
                children=[ObjectTree(object_id=f"{number:064d}") for number in range(MAX_REPLY_OBJECTS)],
            ),
        )
    )
    link.arrives("b", reply("honest"))
    assert looked(ReplyPull(link.grid), "a", "b") == {"a": "REPLY_TOO_LARGE", "b": "honest"}
    assert link.confirmed[0] == "a" * 64


def test_reply_of_too_many_bytes_is_refused(link: FakeLink) -> None:
    """The study's weights and what stands beside them, and no more."""
    link.arrives("a", reply("x" * REPLY_OVERHEAD_BYTES))
    assert looked(ReplyPull(link.grid), "a", most_bytes=100) == {"a": "REPLY_TOO_LARGE"}
    link.arrives("b", reply("x" * REPLY_OVERHEAD_BYTES))
    assert list(looked(ReplyPull(link.grid), "b", most_bytes=4096)) == ["b"]


def test_what_nobody_waits_for_any_more_is_forgotten(link: FakeLink) -> None:
    """A site that was taken out of the question."""
    half = link.arrives("a", reply())
    link.missing = {half[-1]}
    pull = ReplyPull(link.grid)
    assert looked(pull, "a", "b") == {}
    assert looked(pull, "b") == {}
    link.missing = set()
    assert looked(pull, "b") == {}
    assert link.asked == [["a", "b"], ["b"], ["b"]]
