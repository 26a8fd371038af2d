"""A study is planned and approved: real coordinator, gateway and site app, real sites with images; only TLS is left out."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest
from fastapi.testclient import TestClient
from starlette.types import Receive, Scope, Send
from typer.testing import CliRunner

sys.path.insert(0, str(Path(__file__).parents[1] / "unit" / "node"))  # tiny sites and subjects lie with the unit tests

from test_node_learning_data import write_subject

import myofed_node.commands.planning
import myofed_node.commands.studies
import myofed_node.join
from myofed_coordinator.api.site import site_app
from myofed_coordinator.cli import app as coordinator_app
from myofed_coordinator.config import CoordinatorConfig
from myofed_coordinator.enrolment.service import RegisteredSite
from myofed_coordinator.federation.engine_proxy import EngineProxy
from myofed_coordinator.federation.gateway import Behind, Gateway, SitesPortLog
from myofed_coordinator.federation.peer_certificate import PEER
from myofed_coordinator.home import HomeFolder
from myofed_coordinator.initialise import initialise
from myofed_coordinator.services import Services, open_services
from myofed_node.audit import SiteAudit
from myofed_node.cli import app as node_app
from myofed_node.client_certificate import fingerprint as certificate_sha256
from myofed_node.config import DEMO_POLICY, SiteConfig
from myofed_node.coordinator_api import CoordinatorApi
from myofed_node.federation.egress_client import Response
from myofed_node.federation.egress_request import LOCAL_TOKEN_HEADER, decide
from myofed_node.federation.ledger import EgressLedger, Passage, read_ledger
from myofed_node.join import join_once
from myofed_node.planning_desk import PlanningDesk
from myofed_node.site_setup import Site, make_site
from myofed_node.study_desk import StudyDesk
from myofed_schemas.canonical import canonical_json
from myofed_schemas.enrolment import EnrolmentRequest
from myofed_schemas.planning_query import PlanningAnswer

NOW = datetime.now(UTC)
TOKEN = "t" * 43
NAMES = ("hospital-a", "hospital-b", "hospital-c")


@dataclass
class Way:
    """From one site to the gateway: the egress' own decision and ledger, then the real gateway and site app."""

    site: Site
    client: TestClient
    bodies: list[bytes] = field(default_factory=list)

    def request(self, method: str, path: str, *, body: bytes = b"", study: str = "") -> Response:
        outgoing = decide(method=method, target=(path, b""), headers={LOCAL_TOKEN_HEADER: TOKEN}, local_token=TOKEN)
        answer = self.client.request(outgoing.method, outgoing.path, content=body)
        self.bodies.append(body)
        passage = Passage(outgoing.kind, method, path, study, answer.status_code, len(body))
        EgressLedger(self.site.folder.ledger).append(passage, now=NOW)
        return Response(answer.status_code, answer.content)


@dataclass
class World:
    """One coordinator and three hospitals."""

    home: HomeFolder
    services: Services
    gateway: Gateway
    ways: dict[str, Way] = field(default_factory=dict)

    def coordinator(self, *words: str) -> Any:
        result = CliRunner().invoke(coordinator_app, [*words, "--home", str(self.home.root), "--json"])
        return json.loads(result.stdout)

    def node(self, name: str, *words: str, code: int = 0) -> str:
        result = CliRunner().invoke(node_app, [*words, "--site", str(self.ways[name].site.folder.root)])
        assert result.exit_code == code, result.output
        return result.output

    def beat(self, name: str) -> None:
        """The part of the service's beat that asks for news."""
        way = self.ways[name]
        api = CoordinatorApi(way)  # type: ignore[arg-type]
        PlanningDesk(way.site, api).fetch()
        StudyDesk(way.site, api).fetch()


def peer(gateway: Gateway, certificate: str) -> Callable[..., Any]:
    async def with_certificate(scope: Scope, receive: Receive, send: Send) -> None:
        raw = scope["path"].encode()
        await gateway({**scope, "raw_path": raw, "state": {PEER: certificate}}, receive, send)

    return with_certificate


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """Enrolled, with four labelled subjects each."""
    config = CoordinatorConfig(demo=True)
    home = initialise(tmp_path / "coordinator", config, actor="admin", now=NOW)
    services = open_services(home, config)

    def lookup(sha256: str) -> RegisteredSite | None:
        return services.enrolment.lookup(sha256)

    log = SitesPortLog(home.sites_port_log, now=lambda: NOW)
    gateway = Gateway(Behind(lookup, cast("EngineProxy", None), site_app(services, clock=lambda: NOW), log))
    made = World(home, services, gateway)
    monkeypatch.setattr(myofed_node.join, "post_enrolment", partial(enrolled, services))
    for number, name in enumerate(NAMES):
        site = make_site(tmp_path / name, config=SiteConfig(site=name, policy=DEMO_POLICY), now=NOW)
        invite = services.enrolment.create_invite(
            name, actor="admin", now=NOW, valid=timedelta(hours=1), pre_approved=True
        )
        assert join_once(site, invite, now=NOW).state == "approved"
        for seed in range(4):
            write_subject(site.folder.dataset, f"p{number}{seed}", seed=10 * number + seed)
        certificate = certificate_sha256(site.folder.tls_certificate.read_bytes())
        made.ways[name] = Way(site, TestClient(peer(gateway, certificate)))
    desks = {str(way.site.folder.root): way for way in made.ways.values()}

    def planning_desk(folder: Path) -> PlanningDesk:
        way = desks[str(folder)]
        return PlanningDesk(way.site, CoordinatorApi(way))  # type: ignore[arg-type]

    def study_desk(folder: Path) -> StudyDesk:
        way = desks[str(folder)]
        return StudyDesk(way.site, CoordinatorApi(way))  # type: ignore[arg-type]

    monkeypatch.setattr(myofed_node.commands.planning, "_desk", planning_desk)
    monkeypatch.setattr(myofed_node.commands.studies, "_desk", study_desk)
    yield made
    services.close()
    log.close()


def enrolled(services: Services, _site: Site, _invite: object, body: bytes, *, now: datetime) -> object:
    return services.enrolment.receive_request(EnrolmentRequest.model_validate_json(body), now=now)


def ask(world: World, *, sites: str = ",".join(NAMES), min_answers: int = 2) -> str:
    words = ("planning", "ask", "--study", "thigh-muscles", "--title", "Two thigh muscles", "--purpose", "Follow-up")
    asked = world.coordinator(
        *words, "--sites", sites, "--muscles", "VL,GR,RF", "--min-answers", str(min_answers), "--demo"
    )
    return str(asked["query"]["query_id"])


def test_revoked_site_and_one_that_was_not_asked_get_nothing_in(world: World) -> None:
    """By the gateway and by the service; nothing of them is among the answers."""
    query = ask(world, sites="hospital-a,hospital-b", min_answers=1)
    for name in NAMES:
        world.beat(name)
    assert "PLANNING_UNKNOWN" in world.node("hospital-c", "planning", "answer", query, code=10)
    shown = PlanningDesk(world.ways["hospital-a"].site, cast("CoordinatorApi", None)).show(query)
    world.services.enrolment.revoke("hospital-a", actor="admin", now=NOW)
    assert "SITE_REVOKED" in world.node("hospital-a", "planning", "answer", query, code=21)
    foreign = shown.answer.model_copy(update={"site": "hospital-c", "answer": "declined", "fingerprint": None})
    found = world.ways["hospital-c"].request("PUT", f"/site/planning/{query}", body=canonical_json(foreign))
    assert (found.status, found.code()) == (404, "PLANNING_UNKNOWN")
    large = world.ways["hospital-b"].request("PUT", f"/site/planning/{query}", body=b" " * 70_000)
    assert (large.status, large.code()) == (413, "BODY_TOO_LARGE")
    assert world.coordinator("planning", "propose", query)["error"]["code"] == "PLANNING_TOO_FEW"


def test_study_is_planned_from_what_people_sent_and_approved_by_its_digest(world: World, tmp_path: Path) -> None:
    """Ask, show, answer, decline, propose, draw weights, create, approve; each step leaves its entry on both sides."""
    query = ask(world)
    for name in NAMES:
        world.beat(name)
        assert "waiting" in world.node(name, "planning", "list")
    assert all(not any(way.bodies) for way in world.ways.values()), "a query is not answered by itself"

    exact = json.loads(world.node("hospital-a", "planning", "show", query, "--json"))
    world.node("hospital-a", "planning", "answer", query, "--digest", exact["sha256"][:12])
    assert json.loads(world.ways["hospital-a"].bodies[-1]) == exact["answer"]
    early = world.coordinator("planning", "propose", query)
    assert early["error"]["code"] == "PLANNING_TOO_FEW"
    world.node("hospital-b", "planning", "answer", query)
    world.node("hospital-c", "planning", "decline", query)
    states = world.coordinator("planning", "show", query)["states"]
    assert states == {"hospital-a": "told", "hospital-b": "told", "hospital-c": "declined"}

    draft, weights = tmp_path / "draft.yaml", tmp_path / "initial.safetensors"
    proposal = world.coordinator("planning", "propose", query, "--out", str(draft))
    assert proposal["left_out"] == ["RF"]
    assert proposal["planning"]["spacing_mm"] == 3.0
    drawn = CliRunner().invoke(node_app, ["model", "init", "--study", str(draft), "--out", str(weights)])
    assert drawn.exit_code == 0, drawn.output
    made = world.coordinator("study", "create", "--file", str(draft), "--weights", str(weights))
    assert made["sites"] == ["hospital-a", "hospital-b"]

    for name in ("hospital-a", "hospital-b"):
        world.beat(name)
        said = world.node(name, "studies", "show", "thigh-muscles")
        assert f"planned by {query} from the answers of hospital-a, hospital-b" in said
        assert "spacing 3 mm proposed, used" in said
        world.node(name, "approve", "thigh-muscles", "--digest", made["digest"][:12])
    assert world.coordinator("study", "show", "thigh-muscles")["decisions"] == {
        "hospital-a": "approved",
        "hospital-b": "approved",
    }
    check_records(world, query)


def check_records(world: World, query: str) -> None:
    """One entry an answer in the site's ledger and in both chains; no pseudonym and no exact count has left."""
    acts = [(e.actor, e.action) for e in world.services.audit.entries() if e.subject == query]
    assert acts[1:] == [
        ("hospital-a", "PLANNING_TOLD"),
        ("hospital-b", "PLANNING_TOLD"),
        ("hospital-c", "PLANNING_DECLINED"),
    ]
    assert acts[0][1] == "PLANNING_ASKED"
    for number, name in enumerate(NAMES):
        way = world.ways[name]
        puts = [e for e in read_ledger(way.site.folder.ledger) if e.method == "PUT"]
        assert [(e.kind, e.path, e.study, e.status) for e in puts] == [
            ("site", f"/site/planning/{query}", "thigh-muscles", 200)
        ]
        own = [e.action for e in SiteAudit(way.site.folder).entries() if e.subject == query]
        assert own == ["PLANNING_DECLINED" if name == "hospital-c" else "PLANNING_TOLD"]
        assert not any(f"p{number}{seed}".encode() in body for body in way.bodies for seed in range(4))
    told = PlanningAnswer.model_validate_json(next(b for b in world.ways["hospital-b"].bodies if b)).fingerprint
    assert told is not None
    assert told.policy.k == DEMO_POLICY.card_k


def test_answer_that_was_lost_at_the_site_is_not_approved(world: World, tmp_path: Path) -> None:
    """A site restored from an old backup does not know what it told: its people are not asked to trust the coordinator."""
    query = ask(world, sites="hospital-a", min_answers=1)
    world.beat("hospital-a")
    world.node("hospital-a", "planning", "answer", query)
    draft, weights = tmp_path / "draft.yaml", tmp_path / "initial.safetensors"
    world.coordinator("planning", "propose", query, "--out", str(draft))
    CliRunner().invoke(node_app, ["model", "init", "--study", str(draft), "--out", str(weights)])
    world.coordinator("study", "create", "--file", str(draft), "--weights", str(weights))
    world.beat("hospital-a")
    (world.ways["hospital-a"].site.folder.planning / query / "answer.json").unlink()
    assert "PLANNING_NOT_OUR_ANSWER" in world.node("hospital-a", "approve", "thigh-muscles", code=30)
