"""The executor's side of the worker's socket; no torch here."""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Callable
from pathlib import Path

from myofed_node.learning.protocol import (
    EvaluateRequest,
    PingRequest,
    Reply,
    TrainRequest,
    WorkerState,
    parse_reply,
    read_frame,
    write_frame,
)
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode

MAX_SOCKET_PATH_BYTES = 107
"""Linux, unix(7): sun_path holds 108 bytes with the closing zero."""
STOP_POLL_S = 0.2
"""Between two looks at the site's kill switch while a task runs."""


def check_socket_path(path: Path) -> None:
    """The kernel takes this path as the address of a Unix socket.

    Raises:
        MyofedError: SOCKET_PATH_TOO_LONG.
    """
    if len(str(path).encode()) > MAX_SOCKET_PATH_BYTES:
        raise MyofedError(
            "SOCKET_PATH_TOO_LONG",
            f"expected a socket path of at most {MAX_SOCKET_PATH_BYTES} bytes, found {len(str(path).encode())}",
            hint="choose a shorter site folder",
            exit_code=ExitCode.SITE_FOLDER,
        )


def call(
    path: Path,
    request: PingRequest | TrainRequest | EvaluateRequest,
    blob: bytes | memoryview = b"",
    *,
    timeout_s: float,
    stop: Callable[[], bool] | None = None,
    over: Callable[[], bool] | None = None,
) -> tuple[Reply, bytes]:
    """The worker has done what was asked: its reply and, for a train request, the new weights.

    Closing the connection (a kill of this process, a timeout) makes the worker abandon the task at its next step.

    Args:
        path: The worker's socket.
        request: What to do.
        blob: Safetensors bytes of the incoming weights; empty for a ping.
        timeout_s: Longest silence of the worker; a task is silent until it is done.
        stop: Asked again and again while a task runs; the caller hangs up once it is true.
        over: The same, of the round: nobody waits for its answer any more.

    Raises:
        MyofedError: TRAINING_STOPPED, ROUND_OVER, WORKER_UNREACHABLE, WORKER_TIMEOUT, WORKER_GONE, FRAME_*, REPLY_INVALID, or the worker's own code.
    """
    check_socket_path(path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as peer:
        peer.settimeout(timeout_s)
        _connect(peer, path)
        try:
            write_frame(peer, request, blob)
            if not isinstance(request, PingRequest):
                _await_reply(peer, timeout_s=timeout_s, stop=stop or _never, over=over or _never)
            text, weights = read_frame(peer)
        except TimeoutError:
            raise MyofedError(
                "WORKER_TIMEOUT", f"expected the worker's reply within {timeout_s:g} s, found none"
            ) from None
        except OSError:
            raise MyofedError("WORKER_GONE", "expected the worker's reply, found a closed connection") from None
    reply = parse_reply(text)
    if reply.code != "OK":
        raise MyofedError(reply.code, "expected OK from the worker, found this code")
    return reply, weights


def _never() -> bool:
    return False


def _await_reply(peer: socket.socket, *, timeout_s: float, stop: Callable[[], bool], over: Callable[[], bool]) -> None:
    until = time.monotonic() + timeout_s
    while not select.select([peer], [], [], STOP_POLL_S)[0]:
        if stop():
            raise MyofedError("TRAINING_STOPPED", "expected to go on, found that the site stopped training")
        if over():
            raise MyofedError("ROUND_OVER", "expected a round that waits for this task, found one that is over")
        if time.monotonic() >= until:
            raise TimeoutError


def ping(path: Path, *, timeout_s: float = 5.0) -> WorkerState:
    """The worker's state, also while a task runs.

    Raises:
        MyofedError: As `call`.
    """
    reply, _ = call(path, PingRequest(), timeout_s=timeout_s)
    if reply.state is None:
        raise MyofedError("REPLY_INVALID", "expected a state in the answer to a ping, found none")
    return reply.state


def _connect(peer: socket.socket, path: Path) -> None:
    try:
        peer.connect(str(path))
    except OSError:
        raise MyofedError(
            "WORKER_UNREACHABLE",
            "expected the training worker on its socket, found nobody",
            hint="it starts with the site's services and needs some seconds to load",
            exit_code=ExitCode.NOT_RUNNING,
        ) from None
