"""A node pushes one reply, its own; anything else is refused before the engine sees it."""

from __future__ import annotations

import pytest
from flwr.proto.fleet_pb2 import PushMessagesRequest
from flwr.proto.message_pb2 import Message, Metadata, ObjectTree
from flwr.proto.node_pb2 import Node

from myofed_coordinator.federation.exchange import RefusedError
from myofed_coordinator.federation.replies import check_own_reply
from myofed_schemas.federation import MAX_REPLY_OBJECTS

NODE = 2**63 + 5


def _body(
    *,
    node: int = NODE,
    src: int = NODE,
    reply_to: str = "m" * 64,
    messages: int = 1,
    trees: tuple[ObjectTree, ...] = (),
) -> bytes:
    message = Message(metadata=Metadata(src_node_id=src, reply_to_message_id=reply_to))
    request = PushMessagesRequest(
        node=Node(node_id=node), messages_list=[message] * messages, message_object_trees=trees
    )
    return request.SerializeToString()


def _tree(objects: int) -> ObjectTree:
    """A message of one record with so many objects in all."""
    record = ObjectTree(object_id="b" * 64, children=[ObjectTree(object_id="c" * 64)] * (objects - 2))
    return ObjectTree(object_id="a" * 64, children=[record])


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (_body(src=NODE + 1), 403, "MESSAGE_OF_ANOTHER_NODE"),
        (_body(node=0, src=0), 403, "MESSAGE_OF_ANOTHER_NODE"),
        (_body(reply_to=""), 403, "MESSAGE_NOT_A_REPLY"),
        (_body(messages=0), 400, "MESSAGE_MALFORMED"),
        (_body(messages=2), 400, "MESSAGE_MALFORMED"),
        (b"\xff\xff\xff", 400, "MESSAGE_MALFORMED"),
        (_body(trees=(_tree(3), _tree(3))), 400, "MESSAGE_MALFORMED"),
        (_body(trees=(_tree(MAX_REPLY_OBJECTS + 1),)), 400, "MESSAGE_TOO_MANY_OBJECTS"),
    ],
)
def test_what_is_no_reply_of_this_node_is_refused(body: bytes, status: int, code: str) -> None:
    with pytest.raises(RefusedError) as caught:
        check_own_reply(body)
    assert (caught.value.status, caught.value.code) == (status, code)


def test_own_reply_passes() -> None:
    """Node numbers use all 64 bits."""
    check_own_reply(_body())
    check_own_reply(_body(trees=(_tree(MAX_REPLY_OBJECTS),)))
