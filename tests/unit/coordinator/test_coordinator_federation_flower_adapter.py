"""The coordinator's side of Flower's Control API."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from coordinator_factories import make_site
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from myofed_coordinator.certificates import node_key_sha256
from myofed_coordinator.federation import flower_adapter
from myofed_coordinator.federation.flower_adapter import EngineControl
from myofed_coordinator.federation.superlink import BUNDLE
from myofed_coordinator.home import HomeFolder
from myofed_schemas.errors import MyofedError

RUN = 2**64 - 1


@pytest.fixture
def database_url() -> None:
    """No table is looked at here: SQLite is enough."""


class FakeClient:
    """Flower's client; every call is remembered, or fails as told."""

    def __init__(self) -> None:
        self.asked: list[Any] = []
        self.fails: httpx.HTTPError | None = None
        self.nodes: list[Any] = []
        self.runs: dict[int, Any] = {}

    def __getattr__(self, name: str) -> Callable[[Any], Any]:
        def call(request: Any) -> Any:
            self.asked.append(request)
            if self.fails is not None:
                raise self.fails
            return SimpleNamespace(nodes_info=self.nodes, run_id=RUN, run_dict=self.runs)

        return call

    def close(self) -> None:
        self.asked.append("closed")


def status_error(status: int) -> httpx.HTTPStatusError:
    request = httpx.Request("POST", "https://engine")
    return httpx.HTTPStatusError("text", request=request, response=httpx.Response(status, request=request))


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> FakeClient:
    fake = FakeClient()
    monkeypatch.setattr(flower_adapter.ControlHttpClient, "from_server_address", lambda **named: fake)
    return fake


@pytest.fixture
def control(client: FakeClient, home: HomeFolder) -> EngineControl:
    return EngineControl("127.0.0.1:1", ca=home.loopback_ca, bundle=BUNDLE)


@pytest.mark.parametrize("error", [httpx.ConnectError("away"), status_error(500), status_error(400)])
def test_engine_that_fails_is_one_code(control: EngineControl, client: FakeClient, error: httpx.HTTPError) -> None:
    """Whatever Flower says stays in its own log."""
    client.fails = error
    key = make_site("a").flower.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    calls: list[Callable[[], object]] = [
        control.nodes,
        lambda: control.register(key, name="hospital-a"),
        lambda: control.unregister(1),
        lambda: control.start({"run-id": "run-0123abcd"}),
        lambda: control.has_ended(RUN),
        lambda: control.stop(RUN),
    ]
    for call in calls:
        with pytest.raises(MyofedError) as caught:
            call()
        assert caught.value.code == "ENGINE_AWAY"


def test_run_that_the_engine_does_not_know_has_ended(control: EngineControl, client: FakeClient) -> None:
    """After its database was lost, for one."""
    assert control.has_ended(RUN)
    client.fails = status_error(404)
    assert control.has_ended(RUN)


def test_run_is_stopped_unless_it_has_ended(control: EngineControl, client: FakeClient) -> None:
    """Flower calls it an error to stop an ended run; we do not."""
    client.runs = {RUN: SimpleNamespace(status=SimpleNamespace(status="finished"))}
    control.stop(RUN)
    assert len(client.asked) == 1
    client.runs = {RUN: SimpleNamespace(status=SimpleNamespace(status="running"))}
    assert not control.has_ended(RUN)
    control.stop(RUN)
    assert client.asked[-1].run_id == RUN


def test_nodes_are_registered_by_key_and_known_by_its_digest(control: EngineControl, client: FakeClient) -> None:
    """The digest is the one that the sites' port checks; unregistered nodes are left out."""
    key = make_site("a").flower.public_key()
    openssh = key.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    control.register(openssh, name="hospital-a")
    sent = client.asked[-1]
    assert (hashlib.sha256(sent.public_key).hexdigest(), sent.name) == (node_key_sha256(openssh), "hospital-a")
    client.nodes = [
        SimpleNamespace(node_id=7, public_key=sent.public_key, unregistered_at=""),
        SimpleNamespace(node_id=8, public_key=b"old", unregistered_at="2026-11-22"),
    ]
    assert [(n.node_id, n.key_sha256) for n in control.nodes()] == [(7, node_key_sha256(openssh))]
    control.unregister(7)
    assert client.asked[-1].node_id == 7
    control.close()
    assert client.asked[-1] == "closed"


def test_started_run_carries_the_bundle_and_the_runs_id_only(control: EngineControl, client: FakeClient) -> None:
    """Sites can read a run's configuration: it holds no path and no weights."""
    assert control.start({"run-id": "run-0123abcd"}) == RUN
    request = client.asked[-1]
    assert set(request.override_config) == {"run-id"}
    assert request.fab.hash_str == hashlib.sha256(request.fab.content).hexdigest()
