"""The only file of the node that knows Flower's private names (1.41.0; tests/contract holds it to their signatures).

It speaks to the SuperNode's Runtime API on loopback in place of `flower-superexec` and `flwr-clientapp`: takes a task,
pulls its message, hands it to the site's own code, pushes the reply. The bundle that comes with a task stays bytes in
memory and is dropped: it is never written, unpacked or imported.

Flower's own retry and heartbeat helpers end the whole process with SIGINT on a 401 or a stopped run; ours do not.
"""

from __future__ import annotations

import hashlib
import random
import threading
import time
import tokenize
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Protocol, TypeVar

import httpx
import numpy as np
from flwr.app import Array, ArrayRecord, ConfigRecord, Context, Error, Message, RecordDict
from flwr.common.constant import ErrorCode, SubStatus
from flwr.proto.message_pb2 import PullObjectRequest, PullObjectResponse
from flwr.proto.runtime_pb2 import AcquireTaskRequest, SendTaskHeartbeatRequest
from flwr.supercore.constant import TaskType
from flwr.supercore.interceptors import (
    RuntimeTokenHttpInterceptor,
    RuntimeVersionHttpInterceptor,
    SuperExecAuthHttpInterceptor,
)
from flwr.supercore.retry import RetryInvoker
from flwr.supercore.retry.retry_invoker import exponential
from flwr.supercore.runtime import RuntimeHttpClient
from flwr.supernode.runtime.run_clientapp import pull_task_input, push_message, push_task_output

from myofed_node.federation.term import Term, term_of
from myofed_schemas.errors import MyofedError
from myofed_schemas.federation import INLINE_BYTES, PACKED
from myofed_schemas.weights_transfer import REFERENCE_BYTES, REFERENCE_SHA256

Client = TypeVar("Client", bound=RuntimeHttpClient)

ACQUIRE_TASK = "/flwr.proto.Runtime/AcquireTask"
COMPONENT = "flwr-clientapp"
HEARTBEAT_S = 20.0
"""The SuperNode gives a task up after two missed intervals of 30 s."""
RETRY_FOR_S = 60.0
OBJECT_POLL_S = 0.1
OBJECTS_WITHIN_S = 1800.0
"""Longer than 100 MB take over 1 Mbit/s."""
RETRIED_STATUS = (502, 503, 504)
UNREADABLE = (
    TypeError,
    ValueError,
    EOFError,
    OverflowError,
    MemoryError,
    RecursionError,
    SyntaxError,
    tokenize.TokenError,
    zipfile.BadZipFile,
)
"""What numpy.load raises of bytes that are no array: it reads their header as Python, and takes zip files for its own."""


@dataclass(frozen=True)
class Weights:
    """Weights as they came.

    Attributes:
        content: All bytes; a view of the file where they lie in one.
        sha256: Of them.
        file: Where they lie, if they came by reference.
    """

    content: bytes | memoryview
    sha256: str
    file: Path | None = None


class Incoming:
    """A message as it came, nothing of it believed.

    Attributes:
        instruction: Scalars of its record `task`, without the weights.
        term: Until when its answer is waited for.
    """

    def __init__(
        self, instruction: Mapping[str, object], packed: bytes | Callable[[], Weights], term: Term | None = None
    ) -> None:
        self.instruction = instruction
        self.term = term or Term()
        self._packed = packed

    @cached_property
    def weights(self) -> Weights:
        """The weights; empty where it has none. Those by reference are fetched when they are first asked for.

        Raises:
            MyofedError: What the transport raises.
        """
        if isinstance(self._packed, bytes):
            return Weights(self._packed, hashlib.sha256(self._packed).hexdigest())
        return self._packed()

    @property
    def packed(self) -> bytes | memoryview:
        """All their bytes."""
        return self.weights.content


@dataclass(frozen=True)
class Outcome:
    """What the site answers.

    Attributes:
        metrics_json: TaskMetrics.
        packed: Trained weights; empty for an evaluation.
        file: Where they lie, if they are in a file; it is gone once the task is answered.
    """

    metrics_json: str
    packed: bytes | memoryview
    file: Path | None = None

    @cached_property
    def sha256(self) -> str:
        """Of the trained weights."""
        return hashlib.sha256(self.packed).hexdigest()


class Transport(Protocol):
    """How weights move where they do not stand in a message as they are; `weights_transport.py`."""

    def fetch(self, instruction: Mapping[str, object], *, total: int, term: Term) -> Weights:
        """The weights this instruction names, once it was checked against the approval."""

    def parcel(self, incoming: Incoming, packed: bytes | memoryview) -> bytes | memoryview:
        """The update in the study's encoding."""

    def upload(
        self, instruction: Mapping[str, object], parcel: bytes | memoryview | Path, *, sha256: str, term: Term
    ) -> None:
        """The coordinator has it under this digest; where it lay in a file, that is gone."""


Handler = Callable[[Incoming], Outcome]
"""The site's own code; raises MyofedError, of which only the code is sent."""


@dataclass(frozen=True)
class Ticket:
    """A task of the SuperNode.

    Attributes:
        token: Proves to the SuperNode whose task it is.
        superseded: Set once a later task was given out. The SuperNode fetches one message after the other, so what this
            task still lacks by then never comes.
    """

    token: str
    superseded: threading.Event = field(default_factory=threading.Event)


class SuperNodeLink:
    """The executor's side of the SuperNode's Runtime API."""

    def __init__(self, address: str, *, secret_file: Path, transport: Transport | None = None) -> None:
        self._address = address
        self._transport = transport
        auth = SuperExecAuthHttpInterceptor(master_secret=secret_file.read_bytes(), protected_methods={ACQUIRE_TASK})
        self._acquire = _client(address, auth, kind=RuntimeHttpClient)
        self._last = Ticket("")

    def next_task(self) -> Ticket | None:
        """A task that waits, or None; with a task, the one before it is superseded.

        Raises:
            MyofedError: SUPERNODE_AWAY.
        """
        try:
            answer = self._acquire.AcquireTask(AcquireTaskRequest(supported_task_types=[TaskType.CLIENT_APP]))
        except httpx.HTTPError:
            raise MyofedError("SUPERNODE_AWAY", "expected the SuperNode on loopback, found no answer") from None
        if not (answer.HasField("task") and answer.token):
            return None
        self._last.superseded.set()
        self._last = Ticket(answer.token)
        return self._last

    def work(self, ticket: Ticket, handler: Handler) -> str:
        """The task is answered: with the handler's outcome, or with a code.

        Returns:
            The code that was sent, `OK` for an outcome.

        Raises:
            MyofedError: MESSAGE_INCOMPLETE where there was nothing to answer, SUPERNODE_AWAY where the answer could not
                be handed over.
        """
        client = _client(self._address, RuntimeTokenHttpInterceptor(ticket.token), kind=_PatientClient)
        client.superseded = ticket.superseded
        try:
            with _Heartbeat(client):
                return _work(client, handler, self._transport, superseded=ticket.superseded)
        except httpx.HTTPError:
            raise MyofedError("SUPERNODE_AWAY", "expected the SuperNode on loopback, found no answer") from None
        finally:
            client.close()


class _PatientClient(RuntimeHttpClient):
    """Waits for objects that the SuperNode is still fetching, looking often; Flower would wait 1 s and more each time.

    A task whose objects never come (its run ended while the SuperNode fetched them: flwr 1.41.0 leaves the task behind)
    is given up when it is superseded, at the latest after OBJECTS_WITHIN_S.
    """

    superseded: threading.Event

    def PullObject(self, request: PullObjectRequest) -> PullObjectResponse:  # noqa: N802  Flower's name
        """The object, or the SuperNode's word that it does not exist.

        Raises:
            MyofedError: MESSAGE_INCOMPLETE.
        """
        deadline = time.monotonic() + OBJECTS_WITHIN_S
        while True:
            gone = self.superseded.is_set()  # asked first: whatever a superseded task gets is there by now
            answer = super().PullObject(request)
            if answer.object_available or not answer.object_found:
                return answer
            if gone or time.monotonic() > deadline:
                raise MyofedError("MESSAGE_INCOMPLETE", "expected the whole message, found parts of it only")
            time.sleep(OBJECT_POLL_S)


class _Heartbeat:
    """Keeps the task's lease while its work lasts."""

    def __init__(self, client: RuntimeHttpClient) -> None:
        self._client = client
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._beat, daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._over.set()

    def _beat(self) -> None:
        pause = random.Random()  # noqa: S311  spreads heartbeats of several nodes, decides nothing
        while not self._over.wait(HEARTBEAT_S + pause.uniform(-3, 3)):
            try:
                self._client.SendTaskHeartbeat(SendTaskHeartbeatRequest())
            except httpx.HTTPError:
                continue  # the next one tries again; without any the SuperNode answers for this task


def _work(
    client: RuntimeHttpClient, handler: Handler, transport: Transport | None, *, superseded: threading.Event
) -> str:
    code = "OK"
    try:
        message, context, _run, _bundle = pull_task_input(client)
    except MyofedError as error:
        # Ended without an answer: left to its lease, the SuperNode would answer for it in the middle of a later task.
        push_task_output(client, None, SubStatus.FAILED, error.code)
        raise
    try:
        meta = message.metadata
        term = term_of(created_at=meta.created_at, ttl_s=meta.ttl, now=time.time(), superseded=superseded)
        incoming, by_reference = _incoming(message, transport, term)
        with _cleared(handler(incoming)) as outcome:
            reply = Message(_result(outcome, incoming, transport, by_reference=by_reference), reply_to=message)
    except MyofedError as error:
        code = error.code
    except OSError:  # a full disk under the transport's files; without an answer the round would wait for its timeout
        code = "SYSTEM_ERROR"
    if code != "OK":
        reply = Message(Error(code=ErrorCode.CLIENT_APP_RAISED_EXCEPTION, reason=code), reply_to=message)
    push_message(client, reply, context)
    _finish(client, context, code)
    return code


@contextmanager
def _cleared(outcome: Outcome) -> Iterator[Outcome]:
    """Its file is gone afterwards, whatever became of the answer."""
    try:
        yield outcome
    finally:
        if outcome.file is not None:
            outcome.file.unlink(missing_ok=True)


def _finish(client: RuntimeHttpClient, context: Context, code: str) -> None:
    if code == "OK":
        push_task_output(client, context, SubStatus.COMPLETED, "")
    else:
        push_task_output(client, None, SubStatus.FAILED, code)


def _incoming(message: Message, transport: Transport | None, term: Term) -> tuple[Incoming, bool]:
    """Only the records we know, anything else in the message is an error; and whether its weights lie elsewhere."""
    content = message.content
    task = content.get("task")
    if not isinstance(task, ConfigRecord) or not set(content) <= {"task", "weights"}:
        raise MyofedError("MESSAGE_INVALID", "expected the records task and weights, found others")
    scalars = dict(task)
    inline, total = scalars.pop(PACKED, b""), scalars.pop(REFERENCE_BYTES, None)
    if total is not None:
        if not isinstance(total, int) or total < 1 or inline or "weights" in content or transport is None:
            raise MyofedError("MESSAGE_INVALID", "expected weights in the message or by reference, found neither alone")
        return Incoming(scalars, partial(transport.fetch, scalars, total=total, term=term), term), True
    packed = _bytes_of(content["weights"]) if "weights" in content else inline
    if not isinstance(packed, bytes):
        raise MyofedError("MESSAGE_INVALID", "expected packed weights as bytes, found something else")
    return Incoming(scalars, packed, term), False


def _bytes_of(record: object) -> bytes:
    if not isinstance(record, ArrayRecord) or set(record) != {PACKED}:
        raise MyofedError("MESSAGE_INVALID", "expected one packed array, found something else")
    try:
        values = record[PACKED].numpy()
    except UNREADABLE:
        raise MyofedError("MESSAGE_INVALID", "expected an array of bytes, found something else") from None
    if not isinstance(values, np.ndarray) or values.dtype != np.uint8 or values.ndim != 1:
        raise MyofedError("MESSAGE_INVALID", "expected an array of bytes, found another kind")
    return bytes(values.tobytes())


def _result(outcome: Outcome, incoming: Incoming, transport: Transport | None, *, by_reference: bool) -> RecordDict:
    """What the reply holds: metrics, and an update or the digest under which it was uploaded before."""
    result: dict[str, str | bytes] = {"metrics": outcome.metrics_json}
    content = RecordDict()
    packed = outcome.packed
    if packed and transport is not None:
        packed = transport.parcel(incoming, packed)
    if packed and transport is not None and by_reference:
        sha256 = outcome.sha256 if packed is outcome.packed else hashlib.sha256(packed).hexdigest()
        source = outcome.file if packed is outcome.packed and outcome.file is not None else packed
        transport.upload(incoming.instruction, source, sha256=sha256, term=incoming.term)
        result[REFERENCE_SHA256] = sha256
    elif len(packed) <= INLINE_BYTES:
        result[PACKED] = bytes(packed)
    else:
        content["weights"] = ArrayRecord({PACKED: Array(np.frombuffer(packed, np.uint8))})
    content["result"] = ConfigRecord(dict(result))
    return content


def _client(
    address: str,
    interceptor: RuntimeTokenHttpInterceptor | SuperExecAuthHttpInterceptor,
    *,
    kind: type[Client],
) -> Client:
    return kind.from_server_address(
        server_address=address,
        insecure=True,
        root_certificates=None,
        interceptors=[RuntimeVersionHttpInterceptor(component_name=COMPONENT), interceptor],
        retry_invoker=_retry(),
    )


def _retry() -> RetryInvoker:
    return RetryInvoker(
        lambda: exponential(max_delay=5),
        recoverable_exceptions=(httpx.TransportError, httpx.HTTPStatusError),
        max_tries=None,
        max_time=RETRY_FOR_S,
        should_giveup=lambda error: (
            isinstance(error, httpx.HTTPStatusError) and error.response.status_code not in RETRIED_STATUS
        ),
    )
