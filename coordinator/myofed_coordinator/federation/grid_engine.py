"""The round loop's engine over Flower's Grid (public names only): packed weights out, checked replies in."""

from __future__ import annotations

import hashlib
import re
import tokenize
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from flwr.app import Array, ArrayRecord, ConfigRecord, Message, MessageType, RecordDict
from flwr.serverapp import Grid
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from pydantic import ValidationError

from myofed_coordinator.federation.encoding import Encoding, decode
from myofed_coordinator.federation.engine import Reply, Task
from myofed_coordinator.federation.weights_transit import WeightsTransit
from myofed_coordinator.runs.folder import RunFolder
from myofed_schemas.errors import MyofedError
from myofed_schemas.federation import INLINE_BYTES, PACKED, TaskMetrics
from myofed_schemas.study import TensorSpec
from myofed_schemas.study_options import Transport
from myofed_schemas.weights_transfer import REFERENCE_BYTES, REFERENCE_SHA256

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
PULL_BYTES = 64 << 20
"""Replies pulled in one request hold at most about this much: memory does not grow with the number of sites."""
MAX_METRICS_CHARACTERS = 64 << 10


class GridEngine:
    """Carries tasks to nodes and replies back."""

    def __init__(self, grid: Grid, *, announce: Callable[[], None], runs: Path | None = None) -> None:
        """Nothing is sent yet.

        Args:
            grid: Flower's.
            announce: Tells the sites' port that something was sent.
            runs: Folder of all runs, where weights by reference lie.
        """
        self._grid = grid
        self._announce = announce
        self._runs = runs
        self._keys: dict[int, str] = {}
        self._asked: dict[str, _Asked] = {}
        self._packed_bytes = 1
        self._singly = False

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
            way.transit.offer(first.packed, first.instruction.weights_sha256)
        messages = [_message(node, task, by_reference=way.transit is not None) for node, task in tasks]
        self._packed_bytes = 1 if way.transit else max(len(task.packed) for _, task in tasks)
        tickets = list(self._grid.push_messages(messages))
        current = tasks[0][1].instruction.weights_sha256
        self._asked = {k: v for k, v in self._asked.items() if v.task.instruction.weights_sha256 == current}
        for ticket, (node, task) in zip(tickets, tasks, strict=False):
            self._asked[ticket] = _Asked(task, way, self._keys.get(node, ""))
        self._announce()
        return tickets

    def replies(self, tickets: Sequence[str]) -> Iterator[Reply]:
        """Those that have come by now; large ones are pulled one at a time.

        Flower takes a message apart while it pulls it, so one that cannot be taken apart ends the request and with it what
        came beside it. From then on every reply is pulled alone, and such a message is its own site's error.
        """
        step = 1 if self._singly else max(1, PULL_BYTES // self._packed_bytes)
        for start in range(0, len(tickets), step):
            some = tickets[start : start + step]
            try:
                messages: Iterable[Message] = self._grid.pull_messages(some)
            except UNREADABLE:
                self._singly = True
                if len(some) == 1:
                    yield Reply(some[0], "REPLY_INVALID")
                continue
            for message in messages:
                yield _reply(message, self._asked.get(message.metadata.reply_to_message_id))

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

    def take(self, key_sha256: str, sha256: str) -> bytes:
        """The update that the node with this key uploaded.

        Raises:
            MyofedError: WEIGHTS_NOT_UPLOADED, WEIGHTS_DIGEST.
        """
        assert self.transit is not None
        keys = self.transit.folder.sites().node_keys
        site = next((name for name, key in keys.items() if key == key_sha256), "")
        return self.transit.take(site, sha256)


@dataclass(frozen=True)
class _Asked:
    """What a ticket's reply is read with: what was asked, how weights move, and whose key the node has."""

    task: Task
    way: _Way
    key_sha256: str


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
"""What reading a site's reply can raise, Flower's own taking apart of it included: numpy.load takes empty bytes and zip files for something else than
an array, reads an array's header as Python, and makes room for the shape that it names before it reads on."""


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


def _reply(message: Message, asked: _Asked | None) -> Reply:
    ticket = message.metadata.reply_to_message_id
    if message.has_error():
        return Reply(ticket, _code_of(message.error.code, message.error.reason or ""))
    try:
        metrics, packed = _metrics(message.content), _packed(message.content, asked)
        if packed and asked is not None:
            base, way = asked.task.packed, asked.way
            packed = decode(packed, base=base, encoding=way.encoding, spec=way.spec)
    except UNREADABLE:
        return Reply(ticket, "REPLY_INVALID")
    except MyofedError as error:
        return Reply(ticket, error.code)
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


def _packed(content: RecordDict, asked: _Asked | None) -> bytes:
    sha256 = _result(content).get(REFERENCE_SHA256)
    if sha256 is not None:
        if asked is None or asked.way.transit is None or not isinstance(sha256, str) or not SHA256.fullmatch(sha256):
            raise _invalid("weights in the message")
        return asked.way.take(asked.key_sha256, sha256)
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
