"""One log line a request at the people's port: method, route, status, time; and an id that its lines and its answer share."""

from __future__ import annotations

import logging
import secrets
import time

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from myofed_schemas.json_log import correlation

log = logging.getLogger("myofed.requests")
REQUEST_ID = "x-request-id"


def with_request_log(app: ASGIApp) -> ASGIApp:
    """The same app, every request logged.

    The route is the pattern that answered, e.g. `/api/v1/models/{model}`: neither path nor query is logged, for people
    type into both. The id is made here; one that comes from outside is not used.
    """

    async def logged(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        begin, status, together = time.perf_counter(), 0, secrets.token_hex(8)
        token = correlation.set(together)

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = int(message["status"])
                MutableHeaders(scope=message)[REQUEST_ID] = together
            await send(message)

        try:
            await app(scope, receive, send_with_id)
        finally:
            spent_ms = 1000 * (time.perf_counter() - begin)
            route = getattr(scope.get("route"), "path", "no route")
            log.info("%s %s %d %.1f ms", scope["method"][:10], route, status, spent_ms)
            correlation.reset(token)

    return logged
