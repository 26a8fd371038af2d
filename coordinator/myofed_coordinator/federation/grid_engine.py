"""The round loop's engine over Flower's Grid (public names only): packed weights out, checked replies in."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from flwr.app import Array, ArrayRecord, ConfigRecord, Message, MessageType, RecordDict
from flwr.serverapp import Grid

from myofed_coordinator.federation.encoding import Encoding, decode
from myofed_coordinator.federation.engine import Reply, Task
from myofed_coordinator.federation.idle import IdleNodes
from myofed_coordinator.federation.reply_pull import UNREADABLE, ReplyPull
from myofed_coordinator.federation.weights import mapped
from myofed_coordinator.federation.weights_transit import WeightsTransit
from myofed_coordinator.runs.folder import RunFolder
from myofed_schemas.errors import MyofedError
from myofed_schemas.federation import INLINE_BYTES, PACKED, TaskMetrics
from myofed_schemas.study import TensorSpec
from myofed_schemas.study_options import Transport
from myofed_schemas.weights_transfer import MAX_HEADER_BYTES, REFERENCE_BYTES, REFERENCE_SHA256, largest_weights

CODE = re.compile(r"[A-Z][A-Z0-9_]{2,63}")
SHA256 = re.compile(r"[0-9a-f]{64}")
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
MAX_METRICS_CHARACTERS = 64 << 10


class Pull(Protocol):
    """`reply_pull.ReplyPull`, or a test's."""

    def __call__(self, tickets: Sequence[str], *, most_bytes: int) -> Iterator[tuple[str, Message | str]]:
        """Ticket and reply, or ticket and the code in place of it."""


class GridEngine:
    """Carries tasks to nodes and replies back."""

    def __init__(
        self,
        grid: Grid,
        *,
        announce: Callable[[], None],
        runs: Path | None = None,
        pull: Pull | None = None,
        idle: IdleNodes | None = None,
        clock_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        """Nothing is sent yet.

        Args:
            grid: Flower's.
            announce: Tells the sites' port that something was sent.
            runs: Folder of all runs, where weights by reference lie.
            pull: Asks for replies; None: `ReplyPull` over the grid.
            idle: Says which nodes found no work; None: a message that is lost is known at its timeout only.
            clock_ns: Nanoseconds since 1970.
        """
        self._grid = grid
        self._announce = announce
        self._runs = runs
        self._keys: dict[int, str] = {}
        self._asked: dict[str, _Asked] = {}
        self._pull = pull or ReplyPull(grid)
        self._idle = idle
        self._clock_ns = clock_ns
        self._most_bytes = 0

    def online(self) -> dict[str, int]:
        """SHA-256 of the node key (PEM SubjectPublicKeyInfo) -> Flower's node id, of all nodes that are connected."""
        self._keys = {node.node_id: hashlib.sha256(node.public_key).hexdigest() for node in self._grid.get_nodes()}
        return {key: node for node, key in self._keys.items()}

    def send(self, tasks: Sequence[tuple[int, Task]]) -> list[str]:
        """Each task is on its way; nodes that wait at the sites' port are told. Tickets are Flower's message ids.

        Weights by reference lie in the run's folder before the messages that name them leave.

        Raises:
            MyofedError: RUN_INCOMPLETE.
        """
        way = self._way(tasks[0][1])
        if way.transit is not None:
            first = tasks[0][1]  # a question is the same for all sites
            way.transit.offer(first.packed, first.instruction.weights_sha256, file=first.file)
        messages = [_message(node, task, by_reference=way.transit is not None) for node, task in tasks]
        self._most_bytes = way.most_bytes(max(len(task.packed) for _, task in tasks))
        tickets = list(self._grid.push_messages(messages))
        sent_ns = self._clock_ns()
        current = tasks[0][1].instruction.weights_sha256
        self._asked = {k: v for k, v in self._asked.items() if v.task.instruction.weights_sha256 == current}
        for ticket, (node, task) in zip(tickets, tasks, strict=False):
            self._asked[ticket] = _Asked(task, way, self._keys.get(node, ""), sent_ns)
        self._announce()
        return tickets

    def replies(self, tickets: Sequence[str]) -> Iterator[Reply]:
        """Those that have come by now, one at a time in memory; a bad one is its own site's error and nobody else's."""
        lost = [ticket for ticket in tickets if self._found_idle(ticket)]  # looked at first: a reply may come meanwhile
        came = set()
        for ticket, found in self._pull(tickets, most_bytes=self._most_bytes):
            came.add(ticket)
            yield Reply(ticket, found) if isinstance(found, str) else _reply(ticket, found, self._asked.get(ticket))
        yield from (Reply(ticket, "MESSAGE_LOST") for ticket in lost if ticket not in came)

    def _found_idle(self, ticket: str) -> bool:
        """Its node asked for work after it was sent, and was told that there is none."""
        asked = self._asked.get(ticket)
        return self._idle is not None and asked is not None and self._idle.last_ns(asked.key_sha256) > asked.sent_ns

    def _way(self, task: Task) -> _Way:
        """How this run's weights move."""
        if self._runs is None:
            return _Way()
        folder = RunFolder(self._runs / task.instruction.run_id)
        manifest = folder.manifest().manifest
        transport = manifest.transport or Transport()
        transit = WeightsTransit(folder) if transport.by == "reference" else None
        return _Way(transit, transport.encoding, manifest.state_dict)


@dataclass(frozen=True)
class _Way:
    """How a run's weights move; by default in the message, as they are."""

    transit: WeightsTransit | None = None
    encoding: Encoding = "float32"
    spec: tuple[TensorSpec, ...] = ()

    def most_bytes(self, sent: int) -> int:
        """How large the weights in a reply may be, where so many bytes went out."""
        if self.transit is not None:
            return 0
        return largest_weights(self.spec) if self.spec else sent + MAX_HEADER_BYTES

    def take(self, key_sha256: str, sha256: str) -> Path:
        """A file of the update that the node with this key uploaded.

        Raises:
            MyofedError: WEIGHTS_NOT_UPLOADED, WEIGHTS_DIGEST.
        """
        assert self.transit is not None
        keys = self.transit.folder.sites().node_keys
        site = next((name for name, key in keys.items() if key == key_sha256), "")
        return self.transit.take(site, sha256)


@dataclass(frozen=True)
class _Asked:
    """What a ticket's reply is read with: what was asked, how weights move, whose key the node has, and since when."""

    task: Task
    way: _Way
    key_sha256: str
    sent_ns: int


def _message(node: int, task: Task, *, by_reference: bool) -> Message:
    scalars: dict[str, str | int | bytes] = task.instruction.model_dump()
    content = RecordDict()
    if by_reference:
        scalars[REFERENCE_BYTES] = len(task.packed)
    elif len(task.packed) <= INLINE_BYTES:
        scalars[PACKED] = task.packed
    else:
        content["weights"] = ArrayRecord({PACKED: Array(np.frombuffer(task.packed, np.uint8))})
    content["task"] = ConfigRecord(dict(scalars))
    kind = MessageType.TRAIN if task.instruction.kind == "train" else MessageType.EVALUATE
    return Message(
        content, dst_node_id=node, message_type=kind, group_id=str(task.instruction.round), ttl=task.timeout_s
    )


def _reply(ticket: str, message: Message, asked: _Asked | None) -> Reply:
    if message.has_error():
        return Reply(ticket, _code_of(message.error.code, message.error.reason or ""))
    try:
        metrics, file = _metrics(message.content), _file(message.content, asked)
        packed = _packed(message.content) if file is None else mapped(file)
        if packed and asked is not None and asked.way.encoding != "float32":
            base, way = asked.task.packed, asked.way
            packed, file = decode(bytes(packed), base=base, encoding=way.encoding, spec=way.spec), None
        sha256 = str(_result(message.content)[REFERENCE_SHA256]) if file is not None else None
    except UNREADABLE:
        return Reply(ticket, "REPLY_INVALID")
    except MyofedError as error:
        return Reply(ticket, error.code)
    return Reply(ticket, "OK", packed, metrics, file, sha256)


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


def _file(content: RecordDict, asked: _Asked | None) -> Path | None:
    """Where the update lies that the reply names; None where it stands in the reply itself."""
    sha256 = _result(content).get(REFERENCE_SHA256)
    if sha256 is None:
        return None
    if asked is None or asked.way.transit is None or not isinstance(sha256, str) or not SHA256.fullmatch(sha256):
        raise _invalid("weights in the message")
    return asked.way.take(asked.key_sha256, sha256)


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
