"""What a node may push to the engine: one reply of its own, to a message it was sent (flwr 1.41.0; tests/contract).

The engine binds a request's node to its key, but not the sender named inside the message: without this check an enrolled
site could put a message of another site, or one nobody asked for, into a run.
"""

from __future__ import annotations

from flwr.proto.fleet_pb2 import PushMessagesRequest
from flwr.proto.message_pb2 import ObjectTree
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

from myofed_coordinator.federation.exchange import RefusedError
from myofed_schemas.federation import MAX_REPLY_OBJECTS


def check_own_reply(body: bytes) -> None:
    """The body of a push-messages call holds exactly one message, from the node that sends it, in reply to another.

    Its tree of objects is bounded: the engine makes an entry for each, and waits for it.

    Args:
        body: A serialised PushMessagesRequest; the engine checks that `node` is the one of the request's key.

    Raises:
        RefusedError: 400 MESSAGE_MALFORMED, MESSAGE_TOO_MANY_OBJECTS; 403 MESSAGE_NOT_A_REPLY or MESSAGE_OF_ANOTHER_NODE.
    """
    try:
        request = PushMessagesRequest.FromString(body)
    except DecodeError:
        raise RefusedError(400, "MESSAGE_MALFORMED") from None
    if len(request.messages_list) != 1:
        raise RefusedError(400, "MESSAGE_MALFORMED")
    metadata = request.messages_list[0].metadata
    if metadata.src_node_id != request.node.node_id or not request.node.node_id:
        raise RefusedError(403, "MESSAGE_OF_ANOTHER_NODE")
    if not metadata.reply_to_message_id:
        raise RefusedError(403, "MESSAGE_NOT_A_REPLY")
    if len(request.message_object_trees) > 1:
        raise RefusedError(400, "MESSAGE_MALFORMED")
    if sum(_objects(tree) for tree in request.message_object_trees) > MAX_REPLY_OBJECTS:
        raise RefusedError(400, "MESSAGE_TOO_MANY_OBJECTS")


def _objects(tree: ObjectTree) -> int:
    """Protocol buffers take no tree deeper than a hundred."""
    return 1 + sum(_objects(child) for child in tree.children)
