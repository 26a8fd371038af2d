"""The ASGI application of the site's page: login by token, one page, nothing that changes anything."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Awaitable, Callable, MutableMapping
from http import HTTPStatus
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qs

from myofed_node.web.page import render_login, stylesheet

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
"""ASGI 3.0."""

COOKIE = "myofed_site"
MAX_FORM_BYTES = 1024
HEADERS = (
    (b"content-security-policy", b"default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
)
HTML = b"text/html; charset=utf-8"


class PageApp:
    """Answers on one loopback port; a request for another host name is refused (DNS rebinding)."""

    def __init__(self, *, token: str, port: int, render: Callable[[], str]) -> None:
        self._token = token
        self._hosts = {f"127.0.0.1:{port}", f"localhost:{port}"}
        self._render = render
        self._session = hmac.digest(token.encode(), b"myofed site page", hashlib.sha256).hex()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The request has been answered."""
        if scope["type"] != "http":
            return
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        if headers.get("host", "") not in self._hosts:
            await _answer(send, HTTPStatus.MISDIRECTED_REQUEST, b"wrong host name\n")
            return
        match (scope["method"], scope["path"]):
            case ("GET", "/livez"):
                await _answer(send, HTTPStatus.OK, b"ok\n")
            case ("GET", "/page.css"):
                await _answer(send, HTTPStatus.OK, stylesheet().encode(), kind=b"text/css")
            case ("POST", "/login"):
                await self._login(receive, send)
            case ("GET", "/") if self._logged_in(headers.get("cookie", "")):
                await _answer(send, HTTPStatus.OK, self._render().encode(), kind=HTML)
            case ("GET", "/"):
                await _answer(send, HTTPStatus.UNAUTHORIZED, render_login(wrong=False).encode(), kind=HTML)
            case _:
                await _answer(send, HTTPStatus.NOT_FOUND, b"not found\n")

    async def _login(self, receive: Receive, send: Send) -> None:
        given = parse_qs((await _form(receive)).decode("ascii", "replace")).get("token", [""])[0]
        if not hmac.compare_digest(given.strip().encode(), self._token.encode()):
            await _answer(send, HTTPStatus.FORBIDDEN, render_login(wrong=True).encode(), kind=HTML)
            return
        cookie = f"{COOKIE}={self._session}; HttpOnly; SameSite=Strict; Path=/".encode()
        extra = ((b"set-cookie", cookie), (b"location", b"/"))
        await _answer(send, HTTPStatus.SEE_OTHER, b"", extra=extra)

    def _logged_in(self, cookies: str) -> bool:
        try:
            found = SimpleCookie(cookies).get(COOKIE)
        except CookieError:
            return False
        return found is not None and hmac.compare_digest(found.value.encode(), self._session.encode())


async def _form(receive: Receive) -> bytes:
    """The form's bytes, cut off behind the longest that a login takes."""
    received = bytearray()
    while len(received) <= MAX_FORM_BYTES:
        message = await receive()
        received += message.get("body", b"")
        if message["type"] != "http.request" or not message.get("more_body", False):
            break
    return bytes(received[:MAX_FORM_BYTES])


async def _answer(
    send: Send,
    status: HTTPStatus,
    body: bytes,
    *,
    kind: bytes = b"text/plain; charset=utf-8",
    extra: tuple[tuple[bytes, bytes], ...] = (),
) -> None:
    headers = [(b"content-type", kind), (b"content-length", str(len(body)).encode()), *HEADERS, *extra]
    await send({"type": "http.response.start", "status": int(status), "headers": headers})
    await send({"type": "http.response.body", "body": body})
