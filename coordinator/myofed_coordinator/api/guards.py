"""What holds for every answer of the people's port: security headers, and a bound on what it reads."""

from __future__ import annotations

import re

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from myofed_coordinator.accounts.gate import CHANGES_NOTHING
from myofed_coordinator.api.refusals import answer

MAX_BODY_BYTES = 65_536
"""An enrolment request is about 2 kB; nothing larger but weights is ever sent to the people's port."""

SECURITY_HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "strict-transport-security": "max-age=31536000",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
NO_STORE = "no-store"
"""`cache-control` of every answer but the files of `/static/`, whose paths hold their digests."""


def with_security_headers(app: ASGIApp) -> ASGIApp:
    """The same app, every answer with the headers above."""

    async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                kept = headers.get("cache-control", NO_STORE) if scope["path"].startswith("/static/") else NO_STORE
                headers.update({**SECURITY_HEADERS, "cache-control": kept})
            await send(message)

        await app(scope, receive, send_with_headers if scope["type"] == "http" else send)

    return guarded


UPLOAD = re.compile(r"/api/v1/weights/[0-9a-f]{64}")
UPLOAD_TYPE = "application/octet-stream"
"""Weights alone may be larger; their route writes them to disk piece by piece, and no form is read of them."""


def with_bounded_bodies(app: ASGIApp, *, uploads: int = MAX_BODY_BYTES) -> ASGIApp:
    """The same app, which never reads a body that is larger than MAX_BODY_BYTES or of unknown length.

    Args:
        app: Any.
        uploads: Largest body of weights, in bytes.
    """

    async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope) if scope["type"] == "http" else None
        if headers is not None and not _is_bounded(
            headers, most=uploads if _is_upload(scope, headers) else MAX_BODY_BYTES
        ):
            await answer("BODY_TOO_LARGE", status=413)(scope, receive, send)
            return
        await app(scope, receive, send)

    return guarded


def with_own_changes(app: ASGIApp) -> ASGIApp:
    """The same app, which changes nothing for a page of another site, whether a cookie came with it or not.

    Browsers say `Sec-Fetch-Site` themselves and no page can alter it (W3C Fetch Metadata); programs do not send it. It
    also keeps a foreign page from signing a browser in as somebody else, which a session's CSRF token cannot.
    """

    async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not _is_of_ours(scope["method"], Headers(scope=scope)):
            await answer("CSRF", status=403)(scope, receive, send)
            return
        await app(scope, receive, send)

    return guarded


def _is_of_ours(method: str, headers: Headers) -> bool:
    return method in CHANGES_NOTHING or headers.get("sec-fetch-site", "none") in {"same-origin", "none"}


def _is_upload(scope: Scope, headers: Headers) -> bool:
    return (
        scope["method"] == "PUT"
        and UPLOAD.fullmatch(scope["path"]) is not None
        and headers.getlist("content-type") == [UPLOAD_TYPE]
    )


def _is_bounded(headers: Headers, *, most: int) -> bool:
    """HTTP/1.1 has no body without one of these two headers (RFC 9112, section 6.3)."""
    if "transfer-encoding" in headers:
        return False
    length = headers.get("content-length", "0")
    return length.isascii() and length.isdigit() and int(length) <= most
