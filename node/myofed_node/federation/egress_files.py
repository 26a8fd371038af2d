"""How the egress moves weights between a file of this site and the coordinator: as they come, never a model in memory.

The executor names a piece, the bytes go from or to `run/weights/` without passing it, so that nothing is encrypted, hashed and
copied a second time on loopback. What passed is counted and hashed on the way, also of a line that breaks.

The standard library's client here, httpx for all else: of 100 MB this one takes a third of the processor time.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
import select
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPException, HTTPResponse, HTTPSConnection
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlsplit

from myofed_node.federation.egress_request import Outgoing, Piece

BLOCK_BYTES = 256 << 10
"""Still in the processor's cache when it is hashed and encrypted; larger writes make the kernel look for larger free memory."""
ANSWER_BYTES = 64 << 10
"""Longest answer that is no weights: a state or a code."""
PARTIAL_CONTENT = 206
IDLE_S = 60.0
"""A connection that was unused for longer is not used again: the other side gives it up soon."""
KEPT_CONNECTIONS = 2


class _Digest(Protocol):
    """What `hashlib.sha256` gives."""

    def update(self, data: memoryview, /) -> None:
        """These bytes as well."""

    def hexdigest(self) -> str:
        """Of all so far."""


class NothingLeftError(Exception):
    """The coordinator was not reached."""


class CutError(Exception):
    """The line broke before the answer was complete; what passed until then is counted."""


class FileError(Exception):
    """The file of this site cannot be read or written."""


class OffsetError(FileError):
    """The file does not end where the piece begins: another passage still fills it."""


@dataclass
class Counted:
    """What has passed so far.

    Attributes:
        status: Of the answer; 0 while there is none.
        out_bytes: Of the request's body.
        out_sha256: Of them.
        in_bytes: Of the answer's body.
        in_sha256: Of them.
    """

    status: int = 0
    out_bytes: int = 0
    in_bytes: int = 0
    out_sha256: _Digest = field(default_factory=hashlib.sha256)
    in_sha256: _Digest = field(default_factory=hashlib.sha256)
    _stopped: threading.Event = field(default_factory=threading.Event)
    _connection: HTTPSConnection | None = None

    def left(self, block: memoryview) -> None:
        """These bytes were sent."""
        self.out_bytes += len(block)
        self.out_sha256.update(block)

    def came(self, block: memoryview) -> None:
        """These bytes were received."""
        self.in_bytes += len(block)
        self.in_sha256.update(block)

    def of(self, connection: HTTPSConnection) -> None:
        """What `stop` closes."""
        self._connection = connection
        self.check()

    def check(self) -> None:
        """Nobody asked to stop.

        Raises:
            CutError: Somebody did.
        """
        if self._stopped.is_set():
            raise CutError

    def stop(self) -> None:
        """The passage ends within a moment, wherever it is."""
        self._stopped.set()
        connection = self._connection
        if connection is not None and connection.sock is not None:
            with contextlib.suppress(OSError):  # it ended meanwhile
                connection.sock.shutdown(socket.SHUT_RDWR)


@dataclass(frozen=True)
class FileAnswer:
    """What the coordinator said, without the weights.

    Attributes:
        status: HTTP status.
        content: Of an answer that is no weights; empty for one that is.
    """

    status: int
    content: bytes


@dataclass(frozen=True)
class Outside:
    """Where the coordinator is and how it is reached.

    Attributes:
        url: `https://HOST:PORT` of the sites' port.
        context: The consortium's CA, this site's certificate.
        proxy: `http://[USER:PASSWORD@]HOST:PORT` of the hospital's proxy, or None.
        timeout_s: Longest silence.
    """

    url: str
    context: ssl.SSLContext
    proxy: str | None
    timeout_s: float

    def connection(self) -> HTTPSConnection:
        """A connection that is not open yet; no environment variable changes its way."""
        there = urlsplit(self.url)
        assert there.hostname is not None
        port = there.port or 443
        if self.proxy is None:
            return HTTPSConnection(there.hostname, port, timeout=self.timeout_s, context=self.context)
        by = urlsplit(self.proxy)
        connection = HTTPSConnection(by.hostname or "", by.port or 80, timeout=self.timeout_s, context=self.context)
        headers = {}
        if by.username is not None:
            user = f"{unquote(by.username)}:{unquote(by.password or '')}".encode()
            headers["Proxy-Authorization"] = f"Basic {base64.b64encode(user).decode()}"
        connection.set_tunnel(there.hostname, port, headers=headers)
        return connection


class FileCourier:
    """Carries pieces; several at once, each in its caller's thread.

    Args:
        connect: Makes a connection.
        folder: `run/weights`; no other file is ever read or written.
        monotonic: Seconds, never going back.
    """

    def __init__(
        self,
        connect: Callable[[], HTTPSConnection],
        folder: Path,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._connect = connect
        self._folder = folder
        self._monotonic = monotonic
        self._idle: list[tuple[float, HTTPSConnection]] = []
        self._lock = threading.Lock()

    def carry(self, outgoing: Outgoing, counted: Counted) -> FileAnswer:
        """The piece has passed, in the direction of the method.

        Args:
            outgoing: PUT with Content-Range sends those bytes of the file, GET with Range puts what came at its end.
            counted: Is kept up to date while it lasts.

        Raises:
            NothingLeftError: Nobody was reached.
            CutError: The line broke, or `counted` was stopped.
            FileError: The file is missing, shorter or cannot be written.
            OffsetError: What comes does not begin at the file's end.
        """
        piece = outgoing.piece
        assert piece is not None
        with _opened(self._folder / piece.name, writes=outgoing.method == "GET", first=piece.first) as descriptor:
            connection = self._open(counted)
            try:
                response = self._ask(connection, outgoing, descriptor, counted)
                answer = _take(response, descriptor, counted, expected=piece)
            except (OSError, HTTPException, CutError):
                connection.close()
                raise CutError from None
            except FileError:
                connection.close()
                raise
        self._put_back(connection, response)
        return answer

    def captured(self, outgoing: Outgoing, counted: Counted) -> tuple[bytes, bytes]:
        """What left and what came as weights, read once more from the file."""
        piece = outgoing.piece
        assert piece is not None
        count = counted.out_bytes if outgoing.method == "PUT" else counted.in_bytes
        with (self._folder / piece.name).open("rb") as stream:
            stream.seek(piece.first)
            content = stream.read(count)
        return (content, b"") if outgoing.method == "PUT" else (b"", content)

    def _ask(self, connection: HTTPSConnection, outgoing: Outgoing, descriptor: int, counted: Counted) -> HTTPResponse:
        piece = outgoing.piece
        assert piece is not None
        sends = outgoing.method == "PUT"
        connection.putrequest(outgoing.method, outgoing.path, skip_accept_encoding=True)
        headers = {**outgoing.headers, "user-agent": "myofed-egress", "accept-encoding": "identity"}
        if sends:
            headers["content-length"] = str(piece.length)
        for name, value in headers.items():
            connection.putheader(name, value)
        connection.endheaders()
        for block in _blocks(descriptor, piece.first, piece.length if sends else 0):
            counted.check()
            counted.left(block)  # before it does: of a block in which the line breaks, some may have left
            connection.send(block)
        return connection.getresponse()

    def _open(self, counted: Counted) -> HTTPSConnection:
        connection = self._idle_one() or self._connect()
        counted.of(connection)
        if connection.sock is None:
            _connect(connection)
        return connection

    def _idle_one(self) -> HTTPSConnection | None:
        """One that the other side has not closed."""
        with self._lock:
            while self._idle:
                since, connection = self._idle.pop()
                if self._monotonic() - since < IDLE_S and not select.select([connection.sock], [], [], 0)[0]:
                    return connection
                connection.close()
        return None

    def _put_back(self, connection: HTTPSConnection, response: HTTPResponse) -> None:
        with self._lock:
            if response.will_close or not response.isclosed() or len(self._idle) >= KEPT_CONNECTIONS:
                connection.close()
            else:
                self._idle.append((self._monotonic(), connection))


def _connect(connection: HTTPSConnection) -> None:
    try:
        connection.connect()
        connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except (OSError, HTTPException):  # no route, no TLS, no leave of the proxy: no byte of a body has left
        connection.close()
        raise NothingLeftError from None


@contextmanager
def _opened(path: Path, *, writes: bool, first: int) -> Iterator[int]:
    flags = os.O_RDWR | os.O_CREAT if writes else os.O_RDONLY
    try:
        descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError:
        raise FileError from None
    try:
        if writes and os.fstat(descriptor).st_size != first:
            raise OffsetError
        yield descriptor
    finally:
        os.close(descriptor)


def _blocks(descriptor: int, first: int, length: int) -> Iterator[memoryview]:
    """Those bytes of the file, one block at a time in the same memory.

    Raises:
        FileError: The file ends before.
    """
    if not length:
        return
    memory = memoryview(bytearray(min(BLOCK_BYTES, length)))
    at = first
    while at < first + length:
        wanted = memory[: min(len(memory), first + length - at)]
        try:
            count = os.preadv(descriptor, [wanted], at)
        except OSError:
            raise FileError from None
        if not count:
            raise FileError
        yield wanted[:count]
        at += count


def _take(response: HTTPResponse, descriptor: int, counted: Counted, *, expected: Piece) -> FileAnswer:
    counted.status = response.status
    if response.status != PARTIAL_CONTENT:
        content = response.read(ANSWER_BYTES + 1)
        counted.came(memoryview(content))
        if len(content) > ANSWER_BYTES or not response.isclosed():
            raise CutError
        return FileAnswer(response.status, content)
    memory = memoryview(bytearray(min(BLOCK_BYTES, expected.length)))
    at, end = expected.first, expected.first + expected.length
    while at < end:
        counted.check()
        count = response.readinto(memory[: min(len(memory), end - at)])
        if not count:
            raise CutError
        counted.came(memory[:count])
        _write(descriptor, memory[:count], at)
        at += count
    if not response.isclosed():  # more than was asked for
        raise CutError
    return FileAnswer(response.status, b"")


def _write(descriptor: int, block: memoryview, at: int) -> None:
    try:
        while block:
            written = os.pwrite(descriptor, block, at)
            block, at = block[written:], at + written
    except OSError:
        raise FileError from None
