"""One request to an ASGI app in this process, without a network; an answer that never ends is cut."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from functools import cache
from typing import Any

from starlette.types import ASGIApp, Message

PATIENCE_S = 60.0


@dataclass(frozen=True)
class Answer:
    """What came back; of a stream, what came at once."""

    status: int
    headers: dict[str, str]
    body: bytes


def call(app: ASGIApp, method: str, path: str, headers: dict[str, str] | None = None, body: bytes = b"") -> Answer:
    """The app's answer."""
    return _runner().run(_call(app, method, path, headers or {}, body))


@cache
def _runner() -> asyncio.Runner:
    """One event loop for all requests: its threads need not be made anew for each."""
    return asyncio.Runner()


async def _call(app: ASGIApp, method: str, path: str, headers: dict[str, str], body: bytes) -> Answer:
    said = {"host": "testserver", "content-length": str(len(body)), **headers}
    route, _, query = path.partition("?")
    scope: dict[str, Any] = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "https",
        "path": route,
        "raw_path": route.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in said.items()],
        "client": ("10.0.0.1", 1),
        "server": ("testserver", 443),
        "state": {},
    }
    found: dict[str, Any] = {"body": b""}
    begun, ended = asyncio.Event(), asyncio.Event()
    sent = False

    async def receive() -> Message:
        nonlocal sent
        if sent:
            await ended.wait()
            return {"type": "http.disconnect"}
        sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            found["status"] = message["status"]
            found["headers"] = {k.decode().lower(): v.decode("latin-1") for k, v in message["headers"]}
            begun.set()
            return
        found["body"] += message.get("body", b"")
        if not message.get("more_body", False) or found["headers"].get("content-type", "").startswith("text/event"):
            ended.set()

    task = asyncio.create_task(app(scope, receive, send))
    try:
        await asyncio.wait_for(begun.wait(), PATIENCE_S)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(ended.wait(), PATIENCE_S)
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError, Exception):
            await task
    return Answer(found["status"], found["headers"], found["body"])
