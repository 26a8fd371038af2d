"""The sites' port as an ASGI application: who gets where, and what is counted."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from coordinator_factories import NOW
from flwr.proto.fleet_pb2 import PushMessagesRequest
from flwr.proto.message_pb2 import Message, Metadata
from flwr.proto.node_pb2 import Node

from myofed_coordinator.enrolment.service import RegisteredSite
from myofed_coordinator.federation.engine_proxy import EngineProxy
from myofed_coordinator.federation.exchange import BODY_BYTES
from myofed_coordinator.federation.gateway import Behind, Gateway, SitesPortLog
from myofed_coordinator.federation.idle import IdleNodes
from myofed_coordinator.federation.news import News
from myofed_coordinator.federation.peer_certificate import PEER
from myofed_schemas.errors import ErrorBody
from myofed_schemas.federation import FLEET_PATHS

NODE_KEY = b"-----BEGIN PUBLIC KEY-----\nhospital-a\n"
PULL = "/v1/fleet/pull-messages"
PUSH = "/v1/fleet/push-object"
MESSAGE = b"m" * 200


@dataclass
class Request:
    """One request, as the HTTP server hands it on."""

    method: str
    path: str
    body: bytes = b""
    peer: str = "cert-a"
    headers: dict[str, str] = field(default_factory=dict)
    query: bytes = b""
    leaves_after_s: float = 1000.0

    def scope(self) -> dict[str, Any]:
        headers = {"content-length": str(len(self.body)), **self.headers}
        return {
            "type": "http",
            "method": self.method,
            "raw_path": self.path.encode(),
            "path": self.path,
            "query_string": self.query,
            "headers": [(k.encode(), v.encode()) for k, v in headers.items() if v != "absent"],
            "state": {PEER: self.peer},
        }


def fleet(path: str = PULL, **changes: Any) -> Request:
    key = {"flwr-public-key": base64.b64encode(NODE_KEY).decode()}
    return Request("POST", path, **({"headers": key} | changes))


def _pushed(*, src: int) -> bytes:
    """A push-messages body of node 7 whose message names this sender."""
    message = Message(metadata=Metadata(src_node_id=src, reply_to_message_id="m"))
    return PushMessagesRequest(node=Node(node_id=7), messages_list=[message]).SerializeToString()


@dataclass
class Port:
    """A sites' port in front of an engine that is one function."""

    tmp_path: Path
    answer: Callable[[httpx.Request], httpx.Response] = lambda request: httpx.Response(200, content=MESSAGE)
    sites: dict[str, RegisteredSite] = field(default_factory=dict)
    seen: list[httpx.Request] = field(default_factory=list)
    site_asked: list[str] = field(default_factory=list)
    hold_s: float = 0.5

    @property
    def news(self) -> News:
        return News(self.tmp_path / "news")

    @property
    def replies(self) -> News:
        return News(self.tmp_path / "replies")

    @property
    def idle(self) -> IdleNodes:
        return IdleNodes(self.tmp_path / "idle")

    def ask(self, request: Request) -> tuple[int, bytes]:
        return asyncio.run(self.ask_async(request))

    async def ask_async(self, request: Request) -> tuple[int, bytes]:
        def remembered(sent: httpx.Request) -> httpx.Response:
            self.seen.append(sent)
            return self.answer(sent)

        async def site_app(scope: Any, receive: Any, send: Any) -> None:
            self.site_asked.append(scope["state"]["site"])
            body = (await receive())["body"]
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": body * 2})

        client = httpx.AsyncClient(base_url="https://engine", transport=httpx.MockTransport(remembered))
        log = SitesPortLog(self.tmp_path / "log", now=lambda: NOW)
        engine = EngineProxy(client, news=self.news, replies=self.replies, idle=self.idle, hold_s=self.hold_s)
        gateway = Gateway(Behind(self.sites.get, engine, site_app, log))
        sent: list[Any] = []
        parts = [{"type": "http.request", "body": request.body, "more_body": False}]

        async def receive() -> Any:
            if parts:
                return parts.pop()
            await asyncio.sleep(request.leaves_after_s)
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            sent.append(message)

        await gateway(request.scope(), receive, send)
        log.close()
        return (sent[0]["status"] if sent else 0), b"".join(m.get("body", b"") for m in sent)

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.tmp_path / "log").read_text().splitlines()]


@pytest.fixture
def port(tmp_path: Path) -> Port:
    key = hashlib.sha256(NODE_KEY).hexdigest()
    sites = {
        "cert-a": RegisteredSite("hospital-a", key, revoked=False),
        "cert-b": RegisteredSite("hospital-b", "other", revoked=False),
        "cert-c": RegisteredSite("hospital-c", key, revoked=True),
    }
    return Port(tmp_path, sites=sites)


def code(answer: tuple[int, bytes]) -> tuple[int, str]:
    return answer[0], ErrorBody.model_validate_json(answer[1]).code


REFUSED = {
    "get": (Request("GET", PULL), 404, "NOT_FOUND"),
    "query": (fleet(query=b"x"), 404, "NOT_FOUND"),
    "control": (fleet("/v1/control/start-run"), 404, "NOT_FOUND"),
    "encoded": (fleet("/v1/fleet/%2e%2e/control/start-run"), 404, "NOT_FOUND"),
    "slash": (fleet(PULL + "/"), 404, "NOT_FOUND"),
    "site traversal": (Request("GET", "/site/../docs"), 404, "NOT_FOUND"),
    "site encoded": (Request("GET", "/site/%2e%2e"), 404, "NOT_FOUND"),
    "site patch": (Request("PATCH", "/site/studies"), 404, "NOT_FOUND"),
    "no certificate": (fleet(peer=""), 403, "CERTIFICATE_UNKNOWN"),
    "unknown certificate": (fleet(peer="cert-x"), 403, "CERTIFICATE_UNKNOWN"),
    "revoked": (fleet(peer="cert-c"), 403, "SITE_REVOKED"),
    "revoked at /site": (Request("GET", "/site/studies", peer="cert-c"), 403, "SITE_REVOKED"),
    "other node's key": (fleet(peer="cert-b"), 403, "NODE_KEY_MISMATCH"),
    "no node key": (fleet(headers={}), 403, "NODE_KEY_MISMATCH"),
    "garbage as node key": (fleet(headers={"flwr-public-key": "???"}), 403, "NODE_KEY_MISMATCH"),
    "no length": (fleet(headers={"content-length": "absent"}), 411, "LENGTH_REQUIRED"),
    "negative length": (fleet(headers={"content-length": "-1"}), 411, "LENGTH_REQUIRED"),
    "chunked": (fleet(headers={"transfer-encoding": "chunked"}), 411, "LENGTH_REQUIRED"),
    "too long": (fleet(headers={"content-length": str(BODY_BYTES + 1)}), 413, "BODY_TOO_LARGE"),
}


@pytest.mark.parametrize("why", REFUSED)
def test_request_that_is_not_listed_or_not_this_sites_reaches_nobody(why: str, port: Port) -> None:
    """Neither the engine nor the site app hears of it; the log has its status and no more."""
    request, status, expected = REFUSED[why]
    assert code(port.ask(request)) == (status, expected)
    assert (port.seen, port.site_asked) == ([], [])
    (line,) = port.lines()
    assert set(line) == {"at", "site", "method", "path", "status", "in_bytes", "out_bytes"}
    assert line["status"] == status


@pytest.mark.parametrize("path", FLEET_PATHS)
def test_fleet_call_reaches_the_engine_with_listed_headers_only(path: str, port: Port) -> None:
    """A second header of the same name, a cookie or a forwarded-for is not passed on."""
    headers = {**fleet().headers, "flwr-signature": "s", "x-forwarded-for": "10.0.0.1", "cookie": "c"}
    body = _pushed(src=7) if path.endswith("push-messages") else b"question"
    assert port.ask(fleet(path, body=body, headers=headers)) == (200, MESSAGE)
    (request,) = port.seen
    assert (request.method, request.url.path, request.content) == ("POST", path, body)
    assert request.headers["flwr-signature"] == "s"
    assert "cookie" not in request.headers
    assert "x-forwarded-for" not in request.headers
    (line,) = port.lines()
    assert (line["site"], line["in_bytes"], line["out_bytes"]) == ("hospital-a", len(body), len(MESSAGE))


def test_site_path_reaches_the_site_app_as_the_site_of_the_certificate(port: Port) -> None:
    """Whatever the request says of itself."""
    assert port.ask(Request("PUT", "/site/card", b"{}", headers={"x-site": "hospital-b"})) == (200, b"{}{}")
    assert port.site_asked == ["hospital-a"]
    assert [(x["in_bytes"], x["out_bytes"]) for x in port.lines()] == [(2, 4)]


def test_engine_that_is_away_is_503(port: Port) -> None:
    """A SuperNode tries again on 503 and gives up on others."""

    def away(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("away")

    port.answer = away
    assert code(port.ask(fleet())) == (503, "ENGINE_AWAY")


def test_body_of_a_refused_request_is_counted_as_the_sender_counts_it(port: Port) -> None:
    """A revoked site's egress noted what it sent; so do we."""
    port.ask(fleet(body=b"12345", peer="cert-c"))
    assert [line["in_bytes"] for line in port.lines()] == [5]


def test_empty_poll_is_answered_when_there_is_news(port: Port) -> None:
    """The engine is asked once before and once after the news, not all the time."""
    port.hold_s = 5.0
    answers = [b"", MESSAGE]
    port.answer = lambda request: httpx.Response(200, content=answers.pop(0))

    async def both() -> tuple[int, bytes]:
        waiting = asyncio.ensure_future(port.ask_async(fleet()))
        await asyncio.sleep(0.3)
        port.news.announce()
        return await waiting

    assert asyncio.run(both()) == (200, MESSAGE)
    assert len(port.seen) == 2


def test_empty_poll_ends_empty_after_its_time(port: Port) -> None:
    """Before the SuperNode gives it up."""
    port.answer = lambda request: httpx.Response(200, content=b"")
    assert port.ask(fleet()) == (200, b"")
    assert len(port.seen) == 1


def test_site_revoked_while_its_poll_is_held_gets_nothing(port: Port) -> None:
    """The certificate is looked up again before the engine is asked again."""
    port.hold_s = 5.0
    port.answer = lambda request: httpx.Response(200, content=b"")

    async def both() -> tuple[int, bytes]:
        waiting = asyncio.ensure_future(port.ask_async(fleet()))
        await asyncio.sleep(0.3)
        port.sites["cert-a"] = port.sites["cert-c"]
        port.news.announce()
        return await waiting

    assert code(asyncio.run(both())) == (403, "SITE_REVOKED")
    assert len(port.seen) == 1


def test_node_that_goes_away_ends_its_held_poll(port: Port) -> None:
    """Nothing is asked for a node that does not listen any more: its message would be lost."""
    port.hold_s = 30.0
    port.answer = lambda request: httpx.Response(200, content=b"")
    assert port.ask(fleet(leaves_after_s=0.2)) == (0, b"")
    assert [line["status"] for line in port.lines()] == [0]


def test_other_empty_answers_are_not_held(port: Port) -> None:
    """Only a poll waits, and only an empty one with status 200."""
    port.hold_s = 30.0
    port.answer = lambda request: httpx.Response(200, content=b"")
    assert port.ask(fleet("/v1/fleet/confirm-message-received")) == (200, b"")
    port.answer = lambda request: httpx.Response(401, content=b"")
    assert port.ask(fleet()) == (401, b"")


def test_message_of_another_node_never_reaches_the_engine(port: Port) -> None:
    """The engine would not compare the sender inside a message with the node of the request."""
    status, answer = port.ask(fleet("/v1/fleet/push-messages", body=_pushed(src=8)))
    assert (status, ErrorBody.model_validate_json(answer).code) == (403, "MESSAGE_OF_ANOTHER_NODE")
    assert port.seen == []


def test_delivery_is_announced_to_the_server_app(port: Port) -> None:
    """A pushed object is news; a poll is none."""
    port.ask(fleet())
    assert port.replies.mark() == 0
    port.ask(fleet(PUSH))
    assert port.replies.mark() > 0


def test_node_that_is_told_there_is_nothing_is_noted_with_the_time_of_the_question(port: Port) -> None:
    """Each time the engine is asked for it; not when it refuses the node, and not when there is a message."""
    node = hashlib.sha256(NODE_KEY).hexdigest()
    port.answer = lambda request: httpx.Response(401, content=b"")
    port.ask(fleet())
    port.answer = lambda request: httpx.Response(200, content=MESSAGE)
    port.ask(fleet())
    assert port.idle.last_ns(node) == 0

    def nothing(_: httpx.Request) -> httpx.Response:
        asked.append(time.time_ns())
        return httpx.Response(200, content=b"")

    async def both() -> None:
        waiting = asyncio.ensure_future(port.ask_async(fleet()))
        await asyncio.sleep(0.3)
        port.news.announce()
        await waiting

    asked: list[int] = []
    port.answer, before = nothing, time.time_ns()
    asyncio.run(both())
    assert len(asked) == 2
    assert before <= asked[0] < port.idle.last_ns(node) <= asked[1]
