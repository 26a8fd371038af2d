"""Frames of the worker's socket: garbage and excess are refused before memory is taken."""

from __future__ import annotations

import socket

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from learning_factories import manifest
from pydantic import ValidationError

from myofed_node.learning import protocol
from myofed_node.learning.protocol import (
    HEADER,
    MAGIC,
    EvaluateRequest,
    PingRequest,
    Reply,
    Roles,
    TrainRequest,
    parse_reply,
    parse_request,
    read_frame,
    write_frame,
)
from myofed_schemas.errors import MyofedError


def received(data: bytes) -> tuple[bytes, bytes]:
    """What a reader makes of these bytes followed by the end of the stream."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(data)
        theirs.shutdown(socket.SHUT_WR)
        return read_frame(ours)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "FRAME_CUT"),
        (b"GET / HTTP/1.1\r\n\r\n", "FRAME_FORMAT"),
        (HEADER.pack(MAGIC, protocol.MAX_JSON_BYTES + 1, 0), "FRAME_TOO_LARGE"),
        (HEADER.pack(MAGIC, 2, protocol.MAX_BLOB_BYTES + 1), "FRAME_TOO_LARGE"),
        (HEADER.pack(MAGIC, 2, 2**63), "FRAME_TOO_LARGE"),
        (HEADER.pack(MAGIC, 2, protocol.MAX_BLOB_BYTES) + b"{}" + b"only some", "FRAME_CUT"),
        (HEADER.pack(MAGIC, 10, 0) + b"{}", "FRAME_CUT"),
    ],
)
def test_frame_that_breaks_the_format_is_refused_with_its_code(data: bytes, code: str) -> None:
    """Foreign, oversized and cut frames each have a code."""
    with pytest.raises(MyofedError) as refusal:
        received(data)
    assert refusal.value.code == code


def test_oversized_frame_is_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sender refuses before the first byte."""
    monkeypatch.setattr(protocol, "MAX_BLOB_BYTES", 8)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        with pytest.raises(MyofedError):
            write_frame(theirs, PingRequest(), b"123456789")
        theirs.close()
        assert ours.recv(1) == b""


@pytest.mark.parametrize("text", [b"", b"{}", b"null", b'{"kind": "exec"}', b'{"kind": "ping", "extra": 1}', b"\xff"])
def test_request_of_unknown_form_is_refused_without_repeating_it(text: bytes) -> None:
    """The code says what is wrong; the content is not echoed."""
    with pytest.raises(MyofedError) as refusal:
        parse_request(text)
    assert refusal.value.code == "REQUEST_INVALID"
    assert "exec" not in str(refusal.value)


def test_reply_of_unknown_form_is_refused() -> None:
    """A worker that answers anything else is not believed."""
    with pytest.raises(MyofedError) as refusal:
        parse_reply(b'{"code": "a sentence with a value"}')
    assert refusal.value.code == "REPLY_INVALID"


def test_subject_with_two_roles_is_refused() -> None:
    """Nobody trains and tests."""
    with pytest.raises(ValidationError):
        Roles(train=("a", "b"), test=("b",))


@pytest.mark.parametrize(("number", "train"), [(4, ("a",)), (0, ("a",)), (1, ())])
def test_train_request_outside_the_study_is_refused(number: int, train: tuple[str, ...]) -> None:
    """A round beyond the manifest's last, or nobody to train on."""
    with pytest.raises(ValidationError):
        TrainRequest(manifest=manifest(), dataset="/d", subjects=Roles(train=train), round=number)


@settings(max_examples=20, deadline=None)
@given(st.binary(max_size=50_000))
def test_frames_survive_the_round_trip(blob: bytes) -> None:
    """What is written is read: request, blob, and a reply."""
    request = EvaluateRequest(manifest=manifest(), dataset="/data", subjects=("a", "b"))
    ours, theirs = socket.socketpair()
    with ours, theirs:
        write_frame(theirs, request, blob)
        text, received_blob = read_frame(ours)
    assert parse_request(text) == request
    assert received_blob == blob
    assert parse_reply(Reply(code="OK").model_dump_json().encode()) == Reply(code="OK")
