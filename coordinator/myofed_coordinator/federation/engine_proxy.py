"""Passes a checked fleet call to the engine on loopback, and holds a node's empty poll until there is news.

A stock SuperNode sleeps 3 s after every empty poll, whatever is waiting. Holding the poll at the sites' port brings a
message to the node as soon as the ServerApp has sent it, and a node that waits asks less often.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

import httpx

from myofed_coordinator.federation.exchange import ClientGoneError, Exchange, RefusedError
from myofed_coordinator.federation.idle import IdleNodes
from myofed_coordinator.federation.news import News
from myofed_coordinator.federation.replies import check_own_reply
from myofed_schemas.federation import FLEET_HEADERS

PULL_MESSAGES = "/v1/fleet/pull-messages"
PUSH_MESSAGES = "/v1/fleet/push-messages"
DELIVERIES = (PUSH_MESSAGES, "/v1/fleet/push-object")
EMPTY_PULL_BYTES = 64
"""A PullMessagesResponse with a message names object ids of 64 characters, so it is longer than this."""
HOLD_S = 20.0
"""Below the 30 s after which Flower's client gives a request up."""
LOOK_S = 0.1
REPLY_HEADERS = ("content-type", "flwr-version-incompatibility-message")


class EngineProxy:
    """Forwards to the SuperLink; its other paths are never asked for, whoever asks."""

    def __init__(
        self, client: httpx.AsyncClient, *, news: News, replies: News, idle: IdleNodes, hold_s: float = HOLD_S
    ) -> None:
        self._client = client
        self._news = news
        self._replies = replies
        self._idle = idle
        self._hold_s = hold_s

    async def forward(self, exchange: Exchange, *, node: str, recheck: Callable[[], Awaitable[None]]) -> None:
        """The call is answered with what the engine said.

        Args:
            exchange: A request that passed every check.
            node: SHA-256 of the key of the node that sends it.
            recheck: Raises RefusedError when the site is out by now; asked again after every wait.

        Raises:
            RefusedError: ENGINE_AWAY (503, on which a SuperNode tries again), what `check_own_reply` or `recheck` raised.
            ClientGoneError: The node went away.
        """
        body = await exchange.body()
        if exchange.path == PUSH_MESSAGES:
            check_own_reply(body)
        if exchange.path == PULL_MESSAGES:
            response = await self._pull(exchange, body, node, recheck)
        else:
            response = await self._ask(exchange, body)
        if exchange.path in DELIVERIES:
            self._replies.announce()
        headers = [
            (name.encode(), response.headers[name].encode()) for name in REPLY_HEADERS if name in response.headers
        ]
        headers.append((b"content-length", str(len(response.content)).encode()))
        await exchange.send({"type": "http.response.start", "status": response.status_code, "headers": headers})
        await exchange.send({"type": "http.response.body", "body": response.content})

    async def _pull(
        self, exchange: Exchange, body: bytes, node: str, recheck: Callable[[], Awaitable[None]]
    ) -> httpx.Response:
        """The first answer that is not empty, or the last empty one once the time is over."""
        mark = self._news.mark()
        response = await self._look(exchange, body, node)
        if not _is_empty(response):
            return response
        gone = asyncio.ensure_future(exchange.receive())
        deadline = asyncio.get_running_loop().time() + self._hold_s
        try:
            while _is_empty(response) and asyncio.get_running_loop().time() < deadline:
                await asyncio.wait([gone], timeout=LOOK_S)
                if gone.done():
                    raise ClientGoneError
                if (now := self._news.mark()) == mark:
                    continue
                mark = now
                await recheck()
                response = await self._look(exchange, body, node)
        finally:
            gone.cancel()
        return response

    async def _look(self, exchange: Exchange, body: bytes, node: str) -> httpx.Response:
        """What the engine has for this node; that it has nothing is noted."""
        asked_ns = time.time_ns()
        response = await self._ask(exchange, body)
        if _is_empty(response):
            self._idle.found_nothing(node, asked_ns=asked_ns)
        return response

    async def _ask(self, exchange: Exchange, body: bytes) -> httpx.Response:
        headers = {name: exchange.headers[name] for name in FLEET_HEADERS if name in exchange.headers}
        try:
            return await self._client.post(
                exchange.path, content=body, headers={**headers, "accept-encoding": "identity"}
            )
        except httpx.TransportError:
            raise RefusedError(503, "ENGINE_AWAY") from None


def _is_empty(response: httpx.Response) -> bool:
    return response.status_code == httpx.codes.OK and len(response.content) < EMPTY_PULL_BYTES
