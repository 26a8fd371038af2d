"""One HTTP request at the sites' port: its body within a limit, its one answer, and what of both is counted."""

from __future__ import annotations

from starlette.types import Message, Receive, Scope, Send

from myofed_schemas.errors import ErrorBody

BODY_BYTES = 16 << 20
"""Largest body that a site may send."""


class RefusedError(Exception):
    """The request is not carried out; `status` and `code` are what the other side learns."""

    def __init__(self, status: int, code: str) -> None:
        super().__init__(code)
        self.status = status
        self.code = code


class ClientGoneError(Exception):
    """The other side closed the connection before the answer."""


class Exchange:
    """Reads and answers one request, and counts the bytes of both bodies.

    Attributes:
        method: As sent.
        path: The raw path, undecoded: `%2e`, `//` and `..` are seen as they came.
        headers: Lower-case name -> value; of a repeated header the last.
        site: Filled in once the certificate was looked up.
        status: Of the answer; 0 while there is none.
        complete: The whole body was received.
        in_bytes: Body bytes received.
        out_bytes: Body bytes sent.
    """

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scope = scope
        self._receive = receive
        self._send = send
        self.method: str = scope["method"]
        self.path: str = scope.get("raw_path", b"").decode("latin-1")
        self.headers: dict[str, str] = {k.decode("latin-1"): v.decode("latin-1") for k, v in scope["headers"]}
        self.site = ""
        self.status = 0
        self.complete = False
        self.in_bytes = 0
        self.out_bytes = 0

    def content_length(self) -> int:
        """The announced length of the body, within the limit.

        Raises:
            RefusedError: LENGTH_REQUIRED or BODY_TOO_LARGE.
        """
        announced = self.headers.get("content-length", "0" if self.method in ("GET", "DELETE") else "")
        if not announced.isdecimal() or "transfer-encoding" in self.headers:
            raise RefusedError(411, "LENGTH_REQUIRED")
        if int(announced) > BODY_BYTES:
            raise RefusedError(413, "BODY_TOO_LARGE")
        return int(announced)

    async def body(self) -> bytes:
        """The whole body, as long as announced (the HTTP server holds the sender to it).

        Raises:
            RefusedError: As `content_length`.
            ClientGoneError: The sender went away first.
        """
        self.content_length()
        received = bytearray()
        while True:
            message = await self.receive()
            if message["type"] == "http.disconnect":
                raise ClientGoneError
            received += message.get("body", b"")
            if not message.get("more_body", False):
                return bytes(received)

    async def receive(self) -> Message:
        """The next ASGI event, its body counted."""
        message = await self._receive()
        self.complete = not message.get("more_body", False)
        self.in_bytes += len(message.get("body", b""))
        return message

    async def send(self, message: Message) -> None:
        """The ASGI event is sent, its body counted."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
        self.out_bytes += len(message.get("body", b""))
        await self._send(message)

    async def answer(self, status: int, body: bytes, *, content_type: str) -> None:
        """The request is answered with this body."""
        headers = [(b"content-type", content_type.encode()), (b"content-length", str(len(body)).encode())]
        await self.send({"type": "http.response.start", "status": status, "headers": headers})
        await self.send({"type": "http.response.body", "body": body})

    async def refuse(self, refusal: RefusedError) -> None:
        """The request is answered with a status and a code."""
        body = ErrorBody(code=refusal.code).model_dump_json().encode()
        await self.answer(refusal.status, body, content_type="application/json")
