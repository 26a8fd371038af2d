"""What executor and worker say to each other on a Unix socket: two lengths, JSON, one blob of safetensors bytes; no pickle.

Weights that lie in a file already stay there, and only its name is said (`handover.py`).
"""

from __future__ import annotations

import mmap
import socket
import struct
from typing import Annotated, Literal, Self

from pydantic import Field, TypeAdapter, ValidationError, model_validator

from myofed_schemas.errors import MyofedError
from myofed_schemas.federation import ExclusionCount, GroupScore, MuscleScore, TaskMetrics
from myofed_schemas.ids import Code, SubjectLabel
from myofed_schemas.study import StudyManifest
from myofed_schemas.study_options import SiteLabels
from myofed_schemas.wire import WireModel

MAGIC = b"MYF1"
HEADER = struct.Struct(">4sIQ")
"""Magic, bytes of JSON, bytes of blob; big-endian."""
MAX_JSON_BYTES = 4 << 20
MAX_BLOB_BYTES = 1 << 30
CHUNK_BYTES = 1 << 20


class Roles(WireModel):
    """Subjects by role; nobody has two."""

    train: tuple[SubjectLabel, ...] = ()
    validation: tuple[SubjectLabel, ...] = ()
    test: tuple[SubjectLabel, ...] = ()

    @model_validator(mode="after")
    def _disjoint(self) -> Self:
        everyone = [*self.train, *self.validation, *self.test]
        if len(set(everyone)) != len(everyone):
            msg = "a subject has two roles"
            raise ValueError(msg)
        return self


class PingRequest(WireModel):
    """Asks whether the worker is there; answered also while a task runs."""

    kind: Literal["ping"] = "ping"


class TrainRequest(WireModel):
    """Asks for one round of local steps; the blob holds the incoming weights.

    Attributes:
        manifest: The study as approved at this site.
        dataset: Folder of the ORMIR-MIDS data set on this machine.
        subjects: Who trains and who validates (test subjects are neither sent nor read).
        round: 1..manifest.rounds; decides the learning rate and the draws.
        labels: What this site draws, from the manifest's `mixed_labels`; absent where it draws every muscle singly.
        min_train: Usable subjects that must be left to train; the loss is told only where the steps saw so many.
        min_usable: Usable subjects that must be left to train and validate together.
        exclusions: File in which the worker writes whom it had to leave out; absent: nowhere.
        max_memory_mb: The site's limit for the step and all subjects in memory together; absent: none.
        weights_file: Where the incoming weights lie, in place of the blob.
        trained_file: A file to be made of the trained ones, in place of the reply's blob.
    """

    kind: Literal["train"] = "train"
    manifest: StudyManifest
    dataset: str = Field(min_length=1, max_length=4096)
    subjects: Roles
    round: int = Field(ge=1, le=1000)
    labels: SiteLabels | None = None
    min_train: int = Field(default=1, ge=1)
    min_usable: int = Field(default=1, ge=1)
    exclusions: str | None = Field(default=None, min_length=1, max_length=4096)
    max_memory_mb: int | None = Field(default=None, ge=1)
    weights_file: str | None = Field(default=None, min_length=1, max_length=4096)
    trained_file: str | None = Field(default=None, min_length=1, max_length=4096)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.round > self.manifest.rounds:
            msg = f"round is {self.round}, expected at most {self.manifest.rounds}"
            raise ValueError(msg)
        if not self.subjects.train:
            msg = "no subject trains"
            raise ValueError(msg)
        return self


class EvaluateRequest(WireModel):
    """Asks for the Dice of the weights in the blob on these subjects, as sufficient statistics; fields as `TrainRequest`."""

    kind: Literal["evaluate"] = "evaluate"
    manifest: StudyManifest
    dataset: str = Field(min_length=1, max_length=4096)
    subjects: tuple[SubjectLabel, ...] = Field(min_length=1)
    labels: SiteLabels | None = None
    exclusions: str | None = Field(default=None, min_length=1, max_length=4096)
    max_memory_mb: int | None = Field(default=None, ge=1)
    weights_file: str | None = Field(default=None, min_length=1, max_length=4096)


Request = Annotated[PingRequest | TrainRequest | EvaluateRequest, Field(discriminator="kind")]
REQUEST: TypeAdapter[PingRequest | TrainRequest | EvaluateRequest] = TypeAdapter(Request)


class WorkerState(WireModel):
    """Answer to a ping.

    Attributes:
        busy: A task runs.
        network: `none` where the process sees no interface but a loopback that is down.
        device: Where tensors live.
    """

    busy: bool
    network: Literal["none", "present"]
    device: Literal["cpu", "cuda"]


class Reply(WireModel):
    """What the worker answers; a refusal has a code and nothing else. Trained weights travel in the blob."""

    code: Code
    """`OK`, or why not."""
    state: WorkerState | None = None
    metrics: TaskMetrics | None = None
    scores: tuple[MuscleScore, ...] = ()
    group_scores: tuple[GroupScore, ...] = ()
    exclusions: tuple[ExclusionCount, ...] = ()
    """Exact counts: what of them leaves the node is the executor's matter."""


def write_frame(peer: socket.socket, document: WireModel, blob: bytes | memoryview = b"") -> None:
    """The peer has been sent one frame.

    Raises:
        MyofedError: FRAME_TOO_LARGE, before anything is sent.
        OSError: The peer went away.
    """
    text = document.model_dump_json().encode()
    _check_lengths(len(text), len(blob))
    peer.sendall(HEADER.pack(MAGIC, len(text), len(blob)) + text)
    if blob:
        peer.sendall(blob)


def read_frame(peer: socket.socket) -> tuple[bytes, bytes]:
    """One whole frame: JSON bytes and blob; lengths are checked before memory is taken.

    Raises:
        MyofedError: FRAME_FORMAT, FRAME_TOO_LARGE, FRAME_CUT.
        OSError: The peer went away, or the socket's timeout passed.
    """
    magic, text_bytes, blob_bytes = HEADER.unpack(_exactly(peer, HEADER.size))
    if magic != MAGIC:
        raise MyofedError("FRAME_FORMAT", "expected a frame of the worker's protocol, found other bytes")
    _check_lengths(text_bytes, blob_bytes)
    return _exactly(peer, text_bytes), _exactly(peer, blob_bytes)


def parse_request(text: bytes) -> PingRequest | TrainRequest | EvaluateRequest:
    """The request in these bytes.

    Raises:
        MyofedError: REQUEST_INVALID; the message names no value.
    """
    try:
        return REQUEST.validate_json(text)
    except ValidationError as error:
        raise MyofedError("REQUEST_INVALID", f"expected a request, found {error.error_count()} defects") from None


def parse_reply(text: bytes) -> Reply:
    """The reply in these bytes.

    Raises:
        MyofedError: REPLY_INVALID; the message names no value.
    """
    try:
        return Reply.model_validate_json(text)
    except ValidationError as error:
        raise MyofedError("REPLY_INVALID", f"expected a reply, found {error.error_count()} defects") from None


def _check_lengths(text_bytes: int, blob_bytes: int) -> None:
    if text_bytes > MAX_JSON_BYTES or blob_bytes > MAX_BLOB_BYTES:
        raise MyofedError(
            "FRAME_TOO_LARGE",
            f"expected at most {MAX_JSON_BYTES} bytes of JSON and {MAX_BLOB_BYTES} of weights, found {text_bytes} and {blob_bytes}",
        )


def _exactly(peer: socket.socket, count: int) -> bytes:
    """`count` bytes; memory grows with what really arrives, not with what was announced."""
    if not count:
        return b""
    with mmap.mmap(-1, count) as memory:  # the kernel gives its pages when they are written to
        view, came = memoryview(memory), 0
        try:
            while came < count:
                chunk = peer.recv_into(view[came : came + CHUNK_BYTES])
                if not chunk:
                    raise MyofedError("FRAME_CUT", f"expected {count} bytes, found {came} before the end")
                came += chunk
        finally:
            view.release()
        return memory[:]
