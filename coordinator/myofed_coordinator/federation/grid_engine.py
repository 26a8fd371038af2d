"""The round loop's engine over Flower's Grid (public names only): packed weights out, checked replies in."""

from __future__ import annotations

import hashlib
import re
import zipfile
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from flwr.app import Array, ArrayRecord, ConfigRecord, Message, MessageType, RecordDict
from flwr.serverapp import Grid
from pydantic import ValidationError

from myofed_coordinator.federation.engine import Reply, Task
from myofed_schemas.federation import INLINE_BYTES, PACKED, TaskMetrics

CODE = re.compile(r"[A-Z][A-Z0-9_]{2,63}")
SITE_ANSWERED = 2
"""Flower's CLIENT_APP_RAISED_EXCEPTION: the reason is what the node's executor said, a code."""
ENGINE_CODES = {
    1: "BUNDLE_REFUSED",
    3: "SITE_TIMEOUT",
    4: "REPLY_LOST",
    5: "SITE_UNAVAILABLE",
    7: "BUNDLE_REFUSED",
    8: "EXECUTOR_LOST",
}
"""flwr 1.41.0, common/constant.py, ErrorCode: what the engine says for a site that did not answer."""
PULL_BYTES = 64 << 20
"""Replies pulled in one request hold at most about this much: memory does not grow with the number of sites."""
MAX_METRICS_CHARACTERS = 64 << 10


class GridEngine:
    """Carries tasks to nodes and replies back."""

    def __init__(self, grid: Grid, *, announce: Callable[[], None]) -> None:
        self._grid = grid
        self._announce = announce
        self._packed_bytes = 1

    def online(self) -> dict[str, int]:
        """SHA-256 of the node key (PEM SubjectPublicKeyInfo) -> Flower's node id, of all nodes that are connected."""
        return {hashlib.sha256(node.public_key).hexdigest(): node.node_id for node in self._grid.get_nodes()}

    def send(self, tasks: Sequence[tuple[int, Task]]) -> list[str]:
        """Each task is on its way; nodes that wait at the sites' port are told. Tickets are Flower's message ids."""
        messages = [_message(node, task) for node, task in tasks]
        self._packed_bytes = max(len(task.packed) for _, task in tasks)
        tickets = list(self._grid.push_messages(messages))
        self._announce()
        return tickets

    def replies(self, tickets: Sequence[str]) -> Iterator[Reply]:
        """Those that have come by now; large ones are pulled one at a time."""
        step = max(1, PULL_BYTES // self._packed_bytes)
        for start in range(0, len(tickets), step):
            for message in self._grid.pull_messages(tickets[start : start + step]):
                yield _reply(message)


UNREADABLE = (
    KeyError,
    TypeError,
    ValueError,
    ValidationError,
    AttributeError,
    EOFError,
    OverflowError,
    zipfile.BadZipFile,
)
"""What reading a site's reply can raise: numpy.load takes empty bytes and zip files for something else than an array."""


def _message(node: int, task: Task) -> Message:
    scalars: dict[str, str | int | bytes] = task.instruction.model_dump()
    content = RecordDict()
    if len(task.packed) <= INLINE_BYTES:
        scalars[PACKED] = task.packed
    else:
        content["weights"] = ArrayRecord({PACKED: Array(np.frombuffer(task.packed, np.uint8))})
    content["task"] = ConfigRecord(dict(scalars))
    kind = MessageType.TRAIN if task.instruction.kind == "train" else MessageType.EVALUATE
    return Message(
        content, dst_node_id=node, message_type=kind, group_id=str(task.instruction.round), ttl=task.timeout_s
    )


def _reply(message: Message) -> Reply:
    ticket = message.metadata.reply_to_message_id
    if message.has_error():
        return Reply(ticket, _code_of(message.error.code, message.error.reason or ""))
    try:
        metrics, packed = _metrics(message.content), _packed(message.content)
    except UNREADABLE:
        return Reply(ticket, "REPLY_INVALID")
    return Reply(ticket, "OK", packed, metrics)


def _code_of(engine_code: int, reason: str) -> str:
    """Only a code is taken over from a site, whatever else it wrote."""
    if engine_code == SITE_ANSWERED:
        return reason if CODE.fullmatch(reason) else "SITE_FAILED"
    return ENGINE_CODES.get(engine_code, "ENGINE_ERROR")


def _metrics(content: RecordDict) -> TaskMetrics:
    text = _result(content).get("metrics")
    if not isinstance(text, str) or len(text) > MAX_METRICS_CHARACTERS:
        raise _invalid("metrics as JSON")
    return TaskMetrics.model_validate_json(text)


def _packed(content: RecordDict) -> bytes:
    if "weights" not in content:
        inline = _result(content).get(PACKED, b"")
        if not isinstance(inline, bytes):
            raise _invalid("packed weights as bytes")
        return inline
    record = content["weights"]
    if not isinstance(record, ArrayRecord) or set(record) != {PACKED}:
        raise _invalid("one packed array")
    values = record[PACKED].numpy()
    if values.dtype != np.uint8 or values.ndim != 1:
        raise _invalid("an array of bytes")
    return bytes(values.tobytes())


def _result(content: RecordDict) -> ConfigRecord:
    record = content["result"]
    if not isinstance(record, ConfigRecord):
        raise _invalid("a record of scalars")
    return record


def _invalid(expected: str) -> TypeError:
    return TypeError(f"expected {expected}")
