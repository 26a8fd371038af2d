"""The sites' port of a real home, asked without the TLS in front of it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

from myofed_coordinator.config import load_config
from myofed_coordinator.enrolment.service import EnrolmentService
from myofed_coordinator.federation.peer_certificate import PEER
from myofed_coordinator.federation.sites_port import build
from myofed_coordinator.home import HomeFolder
from myofed_schemas.errors import ErrorBody


def ask(home: HomeFolder, *, peer: str) -> tuple[int, str]:
    """Status and code of `GET /site/studies` with this certificate."""
    sent: list[Any] = []
    scope = {
        "type": "http",
        "method": "GET",
        "raw_path": b"/site/studies",
        "query_string": b"",
        "headers": [],
        "state": {PEER: peer},
    }

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(build(home, load_config(home), engine_port=1)(scope, receive, send))
    return sent[0]["status"], ErrorBody.model_validate_json(sent[1]["body"]).code


def test_certificate_that_the_database_does_not_know_is_refused(home: HomeFolder) -> None:
    """The CA's signature alone opens nothing."""
    assert ask(home, peer="0" * 64) == (403, "CERTIFICATE_UNKNOWN")


def test_database_that_is_away_is_503(home: HomeFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody gets in without being looked up; nodes try again instead of ending themselves."""

    def away(self: EnrolmentService, certificate_sha256: str) -> None:
        raise OperationalError("SELECT", {}, Exception("away"))

    monkeypatch.setattr(EnrolmentService, "lookup", away)
    assert ask(home, peer="0" * 64) == (503, "DATABASE_UNREACHABLE")
