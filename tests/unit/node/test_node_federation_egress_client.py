"""How the node's other processes reach the egress."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from site_factories import demo_site

from myofed_node.federation.egress_client import EgressAddress, EgressClient, Response
from myofed_node.site_folder import SiteFolder
from myofed_schemas.canonical import canonical_json
from myofed_schemas.errors import ErrorBody, MyofedError


@pytest.fixture
def folder(tmp_path: Path) -> SiteFolder:
    return demo_site(tmp_path / "site").folder


def running(folder: SiteFolder) -> None:
    folder.egress_address.write_bytes(canonical_json(EgressAddress(port=1, token="t" * 64)))


Answer = Callable[[httpx.Request], httpx.Response]


@pytest.fixture
def through(monkeypatch: pytest.MonkeyPatch) -> Callable[[Answer], None]:
    """The egress is one function."""

    def install(answer: Answer) -> None:
        real = httpx.Client
        monkeypatch.setattr(httpx, "Client", lambda **named: real(transport=httpx.MockTransport(answer)))

    return install


def code_of(folder: SiteFolder) -> str:
    with pytest.raises(MyofedError) as caught:
        EgressClient(folder).request("GET", "/site/studies")
    return caught.value.code


def test_node_that_is_not_up_is_said_so(folder: SiteFolder) -> None:
    """No address, a damaged one, nobody behind it: the same code and the same hint."""
    assert code_of(folder) == "NODE_NOT_RUNNING"
    folder.egress_address.write_bytes(b"{}")
    assert code_of(folder) == "NODE_NOT_RUNNING"
    running(folder)
    assert code_of(folder) == "NODE_NOT_RUNNING"


@pytest.mark.parametrize("code", ["COORDINATOR_UNREACHABLE", "COORDINATOR_ANSWER_CUT"])
def test_coordinator_that_is_away_is_told_from_a_node_that_is_not_up(
    folder: SiteFolder, through: Callable[[Answer], None], code: str
) -> None:
    """The egress answered, the other side did not."""
    running(folder)
    through(lambda request: httpx.Response(503, content=ErrorBody(code=code).model_dump_json()))
    assert code_of(folder) == code


def test_request_carries_the_local_token_and_the_study(folder: SiteFolder, through: Callable[[Answer], None]) -> None:
    """Both are for the egress; an empty body has no type."""
    running(folder)
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, content=b"{}")

    through(answer)
    EgressClient(folder).request("GET", "/site/studies")
    EgressClient(folder).request("POST", "/site/decision", body=b"{}", study="thigh")
    first, second = seen
    assert first.headers["x-myofed-local-token"] == "t" * 64
    assert "content-type" not in first.headers
    assert "x-myofed-study" not in first.headers
    assert (second.headers["x-myofed-study"], second.headers["content-type"]) == ("thigh", "application/json")
    assert str(second.url) == "https://127.0.0.1:1/site/decision"


def test_code_of_a_refusal_is_read_strictly() -> None:
    """What is no ErrorBody has the status as its code."""
    assert Response(403, b'{"code":"SITE_REVOKED"}').code() == "SITE_REVOKED"
    assert Response(502, b"<html>").code() == "HTTP_502"
