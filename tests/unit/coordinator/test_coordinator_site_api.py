"""`/site/*` as a node sees it, with the gateway's part (the site's name in the scope) played by the test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from coordinator_factories import NOW, FakeSite, make_card, make_manifest, make_weights
from fastapi.testclient import TestClient
from starlette.types import Receive, Scope, Send

from myofed_coordinator.api.site import site_app
from myofed_coordinator.models.weights import sha256_of
from myofed_coordinator.services import Services
from myofed_coordinator.studies.leads import Doer
from myofed_schemas.audit import AuditHead, ProvenHead, SignedAuditHead

Enrol = Callable[[str], FakeSite]
WEIGHTS = make_weights()
BEAT = {"myofed_version": "0.1.0", "flwr_version": "1.41.0", "state": "READY", "sent_at": "2026-11-22T12:00:00Z"}


@contextmanager
def client_of(services: Services, site: str | None) -> Iterator[TestClient]:
    app = site_app(services, clock=lambda: NOW)

    async def gateway(scope: Scope, receive: Receive, send: Send) -> None:
        state = {"site": site} if site else {}
        await app({**scope, "state": state}, receive, send)

    with TestClient(gateway, raise_server_exceptions=False) as client:
        yield client


@pytest.fixture
def site(enrol: Enrol) -> FakeSite:
    """An enrolled site."""
    return enrol("hospital-a")


@pytest.fixture
def client(services: Services, site: FakeSite) -> Iterator[TestClient]:
    """A client that the gateway recognised as that site."""
    with client_of(services, site.name) as made:
        yield made


def test_nothing_is_answered_without_the_gateway(services: Services) -> None:
    """Without a verified site in the scope every path fails closed."""
    with client_of(services, None) as client:
        assert client.get("/site/studies").status_code == 500
        assert client.post("/site/heartbeat", json=BEAT).status_code == 500


@pytest.mark.parametrize(
    "path", ["/site", "/site/", "/site/studies/", "/docs", "/openapi.json", "/site/studies?x=1", "/enrol"]
)
def test_unknown_paths_and_query_strings_are_not_found(client: TestClient, path: str) -> None:
    """Only the six documented paths exist, exactly as written."""
    answer = client.get(path, follow_redirects=False)
    assert (answer.status_code, answer.json()["code"]) == (404, "NOT_FOUND")


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/site/heartbeat", {**BEAT, "patient": "x"}),
        ("POST", "/site/heartbeat", {**BEAT, "state": "a sentence about a patient"}),
        ("PUT", "/site/card", {}),
        ("POST", "/site/decision", {"decision": 1}),
    ],
)
def test_malformed_body_is_refused_without_repeating_it(client: TestClient, method: str, path: str, body: Any) -> None:
    """The answer is a code; nothing of the body comes back."""
    answer = client.request(method, path, json=body)
    assert answer.status_code == 422
    assert answer.json() == {"code": "MALFORMED", "hint": ""}


def test_card_of_another_site_is_refused_with_a_code_only(client: TestClient) -> None:
    """403 and the code; no message, no hint."""
    answer = client.put("/site/card", content=make_card("hospital-b").model_dump_json())
    assert (answer.status_code, answer.json()) == (403, {"code": "CARD_WRONG_SITE", "hint": ""})


def test_weights_of_a_study_of_others_do_not_exist(services: Services, enrol: Enrol, client: TestClient) -> None:
    """A site fetches initial weights only of studies that name it."""
    enrol("hospital-b")
    manifest = make_manifest(WEIGHTS, sites=("hospital-b",))
    services.studies.create(manifest, WEIGHTS, actor=Doer("lead"), now=NOW)
    for sha256 in (sha256_of(WEIGHTS), "0" * 64):
        answer = client.get(f"/site/models/{sha256}")
        assert (answer.status_code, answer.json()["code"]) == (404, "MODEL_UNKNOWN")
    with client_of(services, "hospital-b") as other:
        assert other.get(f"/site/models/{sha256_of(WEIGHTS)}").content == WEIGHTS


def test_node_reports_publishes_and_withdraws(services: Services, client: TestClient) -> None:
    """Heartbeat, card and withdrawal take effect."""
    assert client.post("/site/heartbeat", json=BEAT).json() == {"received_at": "2026-11-22T12:00:00Z"}
    assert client.put("/site/card", content=make_card("hospital-a").model_dump_json()).json() == {}
    assert services.catalog.count() == 1
    assert client.delete("/site/card/thigh-dixon").json() == {}
    assert services.catalog.count() == 0
    assert client.delete("/site/card/Not_A_Name").status_code == 422


def test_node_fetches_studies_and_decides(services: Services, site: FakeSite, client: TestClient) -> None:
    """The signed manifest arrives as stored, and the site's signed decision is known to the coordinator."""
    signed = services.studies.create(
        make_manifest(WEIGHTS, sites=("hospital-a",)), WEIGHTS, actor=Doer("lead"), now=NOW
    )
    assert client.get("/site/studies").json() == [signed.model_dump(mode="json")]
    assert client.post("/site/decision", content=site.decide(signed.manifest).model_dump_json()).json() == {}
    assert services.studies.approved_sites("thigh-muscles", version=1) == ("hospital-a",)
    changed = site.decide(signed.manifest, "revoked", digest="0" * 64).model_dump_json()
    assert client.post("/site/decision", content=changed).json()["code"] == "DECISION_WRONG_DIGEST"


def test_audit_head_comes_back_cosigned(site: FakeSite, client: TestClient) -> None:
    """The answer names the same head under another signature; a shorter chain is a conflict."""
    long, short = (AuditHead(owner="hospital-a", sequence=n, digest="a" * 64) for n in (7, 6))
    sent = SignedAuditHead(head=long, signature=site.identity.sign(long))
    answer = SignedAuditHead.model_validate(client.post("/site/audit-head", content=sent.model_dump_json()).json())
    assert answer.head == long
    assert answer.signature != sent.signature
    shorter = SignedAuditHead(head=short, signature=site.identity.sign(short))
    assert client.post("/site/audit-head", content=shorter.model_dump_json()).status_code == 409
    assert client.get("/site/audit-head").json() == {"head": long.model_dump()}


def test_own_head_is_asked_for_from_a_sequence(site: FakeSite, client: TestClient) -> None:
    """With the proof from there; without a number, or with none that a chain can have, there is nothing."""
    shown = ProvenHead.model_validate(client.get("/site/coordinator-head/2").json())
    assert shown.proof is not None
    assert shown.proof.since == 2
    assert client.get("/site/coordinator-head").status_code == 405
    for wrong in ("-1", "x", str(2**53)):
        assert client.get(f"/site/coordinator-head/{wrong}").status_code == 422
