"""The node's only way out: takes requests on loopback, adds the client certificate, sends them to ONE address, notes all.

No redirect is followed, no environment variable changes the way, no header leaves that is not on a list.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx

from myofed_node.federation.egress_files import (
    PARTIAL_CONTENT,
    Counted,
    CutError,
    FileCourier,
    FileError,
    NothingLeftError,
    OffsetError,
)
from myofed_node.federation.egress_request import Outgoing, decide
from myofed_node.federation.ledger import EgressLedger, Passage
from myofed_node.federation.task_news import EMPTY_PULL_BYTES
from myofed_schemas.errors import ErrorBody, MyofedError
from myofed_schemas.files import write_atomically
from myofed_schemas.ledger import EgressEntry

Scope = dict[str, Any]
Receive = Callable[[], Any]
Send = Callable[[dict[str, Any]], Any]
"""ASGI's own types, as the ASGI specification 3.0 describes them (starlette is not among the node's dependencies)."""

NOTHING_LEFT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
"""Failures before the first byte of a body could leave."""

BODY_BYTES = 16 << 20
"""Largest body that may leave in one request."""
ANSWER_BYTES = 1 << 30
"""Largest answer that is taken in: a model."""
PULL_MESSAGES = "/v1/fleet/pull-messages"
REPLY_HEADERS = ("content-type", "flwr-version-incompatibility-message")


class GoneError(Exception):
    """The local sender closed the connection before its request was complete."""


@dataclass(frozen=True)
class EgressSettings:
    """How the egress decides and where it keeps its notes.

    Attributes:
        local_token: What `/site/*` requests must carry.
        ledger: Takes an entry for every request.
        capture: Folder for copies of all bodies (tests under a demo policy), or None.
        now: UTC.
        courier: Carries weights between a file and the coordinator.
        message_passed: Called once a message of the coordinator has gone to the SuperNode.
    """

    local_token: str
    ledger: EgressLedger
    capture: Path | None
    now: Callable[[], datetime]
    courier: FileCourier
    message_passed: Callable[[], None] = lambda: None


class Egress:
    """The ASGI application of the egress proxy."""

    def __init__(self, client: httpx.AsyncClient, settings: EgressSettings) -> None:
        self._client = client
        self._settings = settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The request was passed on and its answer returned, or refused; the ledger says which."""
        if scope["type"] != "http":
            return
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        target = (scope.get("raw_path", b"").decode("latin-1"), scope["query_string"])
        try:
            outgoing = decide(
                method=scope["method"], target=target, headers=headers, local_token=self._settings.local_token
            )
            body = await _body(receive, limit=0 if outgoing.piece else BODY_BYTES)
        except GoneError:
            return
        except MyofedError as error:
            self._note(Passage("refused", scope["method"], target[0]))
            await _answer(send, 403, ErrorBody(code=error.code).model_dump_json().encode())
            return
        try:
            self._settings.ledger.ready()
        except (MyofedError, OSError):  # what cannot be noted does not leave
            await _answer(send, 503, ErrorBody(code="LEDGER_UNUSABLE").model_dump_json().encode())
            return
        if outgoing.piece is not None:
            await self._carry(self._settings.courier, outgoing, send)
        else:
            await self._pass_on(outgoing, body, send)

    async def _carry(self, courier: FileCourier, outgoing: Outgoing, send: Send) -> None:
        """A piece of weights passed between its file and the coordinator; whatever passed of it is in the ledger."""
        counted = Counted()
        carrying = asyncio.ensure_future(asyncio.to_thread(courier.carry, outgoing, counted))
        status, content = 503, ErrorBody(code="COORDINATOR_UNREACHABLE").model_dump_json().encode()
        try:
            answer = await asyncio.shield(carrying)
            status, content = answer.status, answer.content
        except NothingLeftError:
            counted.status = 0
        except CutError:
            status, content = 502, ErrorBody(code="COORDINATOR_ANSWER_CUT").model_dump_json().encode()
        except OffsetError:
            status, content = 409, ErrorBody(code="WEIGHTS_FILE").model_dump_json().encode()
        except FileError:
            status, content = 500, ErrorBody(code="WEIGHTS_FILE").model_dump_json().encode()
        except asyncio.CancelledError:  # the node stops: what has left by then is noted all the same
            counted.stop()
            await asyncio.wait([carrying])
            self._note_carried(courier, outgoing, counted)
            raise
        self._note_carried(courier, outgoing, counted)
        await _answer(send, status, content)

    def _note_carried(self, courier: FileCourier, outgoing: Outgoing, counted: Counted) -> None:
        passage = Passage(
            kind=outgoing.kind,
            method=outgoing.method,
            path=outgoing.path,
            study=outgoing.study,
            status=counted.status,
            out_bytes=counted.out_bytes,
            out_sha256=counted.out_sha256.hexdigest(),
            in_bytes=counted.in_bytes,
            in_sha256=counted.in_sha256.hexdigest(),
        )
        captured = self._settings.capture is not None and (counted.out_bytes or counted.status == PARTIAL_CONTENT)
        out, into = courier.captured(outgoing, counted) if captured else (b"", b"")
        self._note(passage, out=out, into=into)

    async def _pass_on(self, outgoing: Outgoing, body: bytes, send: Send) -> None:
        request = self._client.build_request(
            outgoing.method,
            outgoing.path,
            headers={**outgoing.headers, "accept-encoding": "identity"},
            content=body or None,
        )
        try:
            response = await self._client.send(request, stream=True)
        except NOTHING_LEFT:
            self._note(_passage(outgoing, b"", status=0))
            await _answer(send, 503, ErrorBody(code="COORDINATOR_UNREACHABLE").model_dump_json().encode())
            return
        except httpx.TransportError:
            self._note(_passage(outgoing, body, status=0), out=body)
            await _answer(send, 503, ErrorBody(code="COORDINATOR_UNREACHABLE").model_dump_json().encode())
            return
        except asyncio.CancelledError:  # the node stops while the answer is awaited: the bytes have left all the same
            self._note(_passage(outgoing, body, status=0), out=body)
            raise
        received = bytearray()  # also what came of an answer that breaks off is noted
        try:
            await _receive(response, received)
        except asyncio.CancelledError:
            self._note(_passage(outgoing, body, status=response.status_code, content=received), out=body, into=received)
            raise
        except (httpx.TransportError, MyofedError):
            self._note(_passage(outgoing, body, status=response.status_code, content=received), out=body, into=received)
            await _answer(send, 502, ErrorBody(code="COORDINATOR_ANSWER_CUT").model_dump_json().encode())
            return
        finally:
            await response.aclose()
        content = bytes(received)
        self._note(_passage(outgoing, body, status=response.status_code, content=content), out=body, into=content)
        headers = [(n.encode(), response.headers[n].encode()) for n in REPLY_HEADERS if n in response.headers]
        await _answer(send, response.status_code, content, headers=headers)
        if outgoing.path == PULL_MESSAGES and len(content) > EMPTY_PULL_BYTES:
            self._settings.message_passed()

    def _note(self, passage: Passage, *, out: bytes = b"", into: bytes | bytearray = b"") -> None:
        """Synced before the local sender has its answer: nothing is done with what was never noted."""
        entry = self._settings.ledger.append(passage, now=self._settings.now())
        if self._settings.capture is not None:
            self._capture(self._settings.capture, entry, out, into)

    @staticmethod
    def _capture(folder: Path, entry: EgressEntry, out: bytes, into: bytes | bytearray) -> None:
        folder.mkdir(mode=0o700, exist_ok=True)
        write_atomically(folder / f"{entry.sequence:08d}.out", out)
        write_atomically(folder / f"{entry.sequence:08d}.in", bytes(into))


def _passage(outgoing: Outgoing, body: bytes, *, status: int, content: bytes | bytearray = b"") -> Passage:
    return Passage(
        kind=outgoing.kind,
        method=outgoing.method,
        path=outgoing.path,
        study=outgoing.study,
        status=status,
        out_bytes=len(body),
        out_sha256=hashlib.sha256(body).hexdigest(),
        in_bytes=len(content),
        in_sha256=hashlib.sha256(content).hexdigest(),
    )


async def _body(receive: Receive, *, limit: int) -> bytes:
    received = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise GoneError
        received += message.get("body", b"")
        if len(received) > limit:
            raise MyofedError("EGRESS_BODY", f"expected at most {limit} bytes, found more")
        if not message.get("more_body", False):
            return bytes(received)


async def _receive(response: httpx.Response, received: bytearray) -> None:
    async for chunk in response.aiter_raw():
        received += chunk
        if len(received) > ANSWER_BYTES:
            raise MyofedError("EGRESS_ANSWER", f"expected at most {ANSWER_BYTES} bytes, found more")


async def _answer(send: Send, status: int, body: bytes, *, headers: list[tuple[bytes, bytes]] | None = None) -> None:
    kept = [(b"content-type", b"application/json")] if headers is None else headers
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": status, "headers": [*kept, length]})
    await send({"type": "http.response.body", "body": body})
