"""The sites' port: mutual TLS, ten calls of the engine and `/site/*`, for the site the certificate names; nothing else."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import json
import os
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from starlette.types import ASGIApp, Receive, Scope, Send

from myofed_coordinator.enrolment.service import RegisteredSite
from myofed_coordinator.federation.engine_proxy import EngineProxy
from myofed_coordinator.federation.exchange import ClientGoneError, Exchange, RefusedError
from myofed_coordinator.federation.peer_certificate import PEER
from myofed_schemas.clock import utc_text
from myofed_schemas.federation import FLEET_PATHS
from myofed_schemas.json_log import correlation

SITE_PATH = re.compile(r"/site(/[A-Za-z0-9_-]+)+")
"""Only plain segments: no dot, no percent sign, no empty segment, so no traversal in any decoding."""
SITE_METHODS = ("GET", "PUT", "POST", "DELETE")
NOT_FOUND = RefusedError(404, "NOT_FOUND")
LONGEST_LOGGED_PATH = 200


class SitesPortLog:
    """One JSON line a request: who, what, how many bytes each way; no body, no query, no header."""

    def __init__(self, path: Path, *, now: Callable[[], datetime]) -> None:
        self._descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self._now = now

    def write(self, exchange: Exchange) -> None:
        """The request is logged."""
        line = {
            "at": utc_text(self._now()),
            "site": exchange.site,
            "method": exchange.method[:10],
            "path": exchange.path[:LONGEST_LOGGED_PATH],
            "status": exchange.status,
            "in_bytes": exchange.in_bytes,
            "out_bytes": exchange.out_bytes,
        }
        os.write(self._descriptor, json.dumps(line, separators=(",", ":")).encode() + b"\n")

    def close(self) -> None:
        """The file is closed."""
        os.close(self._descriptor)


@dataclass(frozen=True)
class Behind:
    """What stands behind the wall.

    Attributes:
        lookup: Certificate digest -> site; asked at every request, so that a revocation holds from the next one on.
        engine: The ten fleet calls.
        site_app: `/site/*`.
        log: Every request.
    """

    lookup: Callable[[str], RegisteredSite | None]
    engine: EngineProxy
    site_app: ASGIApp
    log: SitesPortLog


class Gateway:
    """The ASGI application of the sites' port."""

    def __init__(self, behind: Behind) -> None:
        self._behind = behind

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The request is answered, or refused with a status and a code, and logged either way."""
        if scope["type"] != "http":
            return
        exchange = Exchange(scope, receive, send)
        correlation.set(secrets.token_hex(8))
        try:
            await self._route(exchange)
        except RefusedError as refusal:
            await self._refuse(exchange, refusal)
        except ClientGoneError:
            return
        finally:
            self._behind.log.write(exchange)

    async def _route(self, exchange: Exchange) -> None:
        fleet = exchange.method == "POST" and exchange.path in FLEET_PATHS
        own = exchange.method in SITE_METHODS and SITE_PATH.fullmatch(exchange.path) is not None
        if not (fleet or own) or exchange.scope["query_string"]:
            raise NOT_FOUND
        registered = await self._registered(exchange)
        exchange.content_length()
        if own:
            scope = {**exchange.scope, "state": {"site": registered.site}}
            await self._behind.site_app(scope, exchange.receive, exchange.send)
            return
        if _node_key_sha256(exchange) != registered.node_key_sha256:
            raise RefusedError(403, "NODE_KEY_MISMATCH")

        async def recheck() -> None:
            await self._registered(exchange)

        await self._behind.engine.forward(exchange, node=registered.node_key_sha256, recheck=recheck)

    async def _registered(self, exchange: Exchange) -> RegisteredSite:
        peer = exchange.scope.get("state", {}).get(PEER, "")
        registered = await asyncio.to_thread(self._behind.lookup, peer) if peer else None
        if registered is None:
            raise RefusedError(403, "CERTIFICATE_UNKNOWN")
        exchange.site = registered.site
        if registered.revoked:
            raise RefusedError(403, "SITE_REVOKED")
        return registered

    @staticmethod
    async def _refuse(exchange: Exchange, refusal: RefusedError) -> None:
        """Takes in a body of allowed size first: the sender then reads our answer, and both sides count the same."""
        try:
            if not exchange.complete and refusal.status not in (411, 413):
                await exchange.body()
        except (RefusedError, ClientGoneError):
            pass
        await exchange.refuse(refusal)


def _node_key_sha256(exchange: Exchange) -> str:
    """Digest of the Flower node key that the request claims; the engine checks the signature made with it."""
    try:
        return hashlib.sha256(base64.b64decode(exchange.headers.get("flwr-public-key", ""), validate=True)).hexdigest()
    except binascii.Error:
        return ""
