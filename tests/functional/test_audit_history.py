"""A real site and a real coordinator on one machine: who rewrites its audit chain, however long, gets no signature for it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import update
from starlette.types import Receive, Scope, Send

import myofed_node.join
from myofed_coordinator.api.site import site_app
from myofed_coordinator.audit import AuditLog, Deed
from myofed_coordinator.backup.make import Sealing, make_backup
from myofed_coordinator.backup.restore import Wanted, restore
from myofed_coordinator.config import CoordinatorConfig, load_config
from myofed_coordinator.enrolment.models import SiteAuditHeadRow, WitnessedHeadRow
from myofed_coordinator.home import HomeFolder
from myofed_coordinator.initialise import initialise
from myofed_coordinator.services import Services, open_services
from myofed_node.audit import SiteAudit
from myofed_node.audit_exchange import exchange_head, verify_cosigned
from myofed_node.coordinator_api import CoordinatorApi
from myofed_node.coordinator_history import accept_history, open_evidence, witness_coordinator
from myofed_node.federation.egress_client import Response
from myofed_node.join import join_once
from myofed_node.keys import sign
from myofed_node.settings import initial_config
from myofed_node.signed_heads import kept
from myofed_node.site_setup import Site, make_site
from myofed_schemas.canonical import canonical_json
from myofed_schemas.enrolment import EnrolmentReply, EnrolmentRequest
from myofed_schemas.errors import MyofedError

pytestmark = pytest.mark.functional

NOW = datetime(2026, 11, 22, 12, 0, 0, tzinfo=UTC)
NAME = "site-a"


class Wire:
    """In place of egress and gateway: the coordinator's own answers to this site."""

    def __init__(self, services: Services) -> None:
        app = site_app(services, clock=lambda: NOW)

        async def gateway(scope: Scope, receive: Receive, send: Send) -> None:
            await app({**scope, "state": {"site": NAME}}, receive, send)

        self._client = TestClient(gateway)

    def request(self, method: str, path: str, *, body: bytes = b"", study: str = "") -> Response:
        """As EgressClient."""
        answer = self._client.request(method, path, content=body)
        return Response(answer.status_code, answer.content)


@dataclass
class Pair:
    """One site, enrolled at one coordinator."""

    services: Services
    site: Site

    @property
    def home(self) -> HomeFolder:
        return self.services.home

    def exchange(self) -> int:
        """The site's head is co-signed."""
        return exchange_head(self.site.folder, self._api(), site=NAME)

    def witness(self) -> int:
        """The coordinator's head is witnessed."""
        return witness_coordinator(self.site.folder, self._api(), now=NOW)

    def _api(self) -> CoordinatorApi:
        return CoordinatorApi(Wire(self.services))  # type: ignore[arg-type]


@pytest.fixture
def pair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pair]:
    home = initialise(tmp_path / "coordinator", CoordinatorConfig(), actor="test", now=NOW)
    services = open_services(home, load_config(home))

    def post(_site: Site, _invite: object, body: bytes, *, now: datetime) -> EnrolmentReply:
        return services.enrolment.receive_request(EnrolmentRequest.model_validate_json(body), now=now)

    monkeypatch.setattr(myofed_node.join, "post_enrolment", post)
    site = make_site(tmp_path / "site", config=initial_config(NAME, demo=True, settings=[]), now=NOW)
    invite = services.enrolment.create_invite(NAME, actor="test", now=NOW, valid=timedelta(hours=1), pre_approved=True)
    assert join_once(site, invite, now=NOW).state == "approved"
    yield Pair(services, site)
    services.close()


def refused(call: object) -> str:
    with pytest.raises(MyofedError) as caught:
        call()  # type: ignore[operator]
    return caught.value.code


def decide(pair: Pair, count: int = 1) -> None:
    """Both chains have some more entries."""
    for number in range(count):
        pair.services.audit.append(Deed("test", "TESTED", str(number)), now=NOW)
        SiteAudit(pair.site.folder).append("TESTED", subject=str(number), now=NOW)


def rewrite_coordinator(home: HomeFolder, *, begin: int, more: int = 6) -> None:
    """From this entry on the chain says something else, holds, and is longer."""
    log = AuditLog(home.audit)
    entries = list(log.entries())
    home.audit.write_bytes(b"".join(entry.line() for entry in entries[: begin - 1]))
    for number in range(len(entries) - begin + 1 + more):
        log.append(Deed("test", "REWRITTEN", str(number)), now=NOW)
    log.verify()


def rewrite_site(site: Site, *, begin: int, more: int = 6) -> None:
    """The same of the site's."""
    audit = SiteAudit(site.folder)
    entries = list(audit.entries())
    site.folder.audit.write_bytes(b"".join(entry.line() for entry in entries[: begin - 1]))
    for number in range(len(entries) - begin + 1 + more):
        audit.append("REWRITTEN", subject=str(number), now=NOW)
    audit.verify()


def forget_roots(pair: Pair) -> None:
    """All heads are as an earlier release signed and kept them."""
    signer = pair.services.heads._signer
    for path in (pair.site.folder.cosigned_head, pair.site.folder.coordinator_head):
        signed = kept(path)
        assert signed is not None
        old = signed.head.model_copy(update={"root": None})
        path.write_bytes(canonical_json(signed.model_copy(update={"head": old, "signature": signer.sign(old)})))
    with pair.services.database.write() as session:
        row = session.get_one(WitnessedHeadRow, NAME)
        old = pair.services.heads.own_head().head.model_copy(
            update={"sequence": row.sequence, "digest": row.digest, "root": None}
        )
        session.execute(update(SiteAuditHeadRow).values(root=None))
        session.execute(update(WitnessedHeadRow).values(root=None, witness=sign(pair.site.folder, old)))


def test_both_chains_grow_and_stay_vouched_for(pair: Pair) -> None:
    """Ten exchanges each way, each with the proof from the one before, and both `audit verify` hold with the roots."""
    for count in range(1, 11):
        decide(pair, count)
        pair.exchange()
        pair.witness()
    head = pair.services.heads.verify_own()
    assert max(pair.services.heads.witnessed()) == head.sequence
    assert verify_cosigned(pair.site.folder) == SiteAudit(pair.site.folder).verify().sequence


@pytest.mark.parametrize("fresh_process", [False, True])
@pytest.mark.parametrize("upgraded", [False, True])
def test_coordinator_that_rewrote_its_past_is_not_witnessed_however_long(
    pair: Pair, *, upgraded: bool, fresh_process: bool
) -> None:
    """From the middle, longer than before: also where what was witnessed is a head of an earlier release."""
    decide(pair, 5)
    assert pair.witness() == pair.services.audit.head().sequence
    pair.exchange()
    if upgraded:
        forget_roots(pair)
    before = kept(pair.site.folder.coordinator_head)
    rewrite_coordinator(pair.home, begin=3)
    if fresh_process:
        pair = Pair(open_services(pair.home, load_config(pair.home)), pair.site)
    assert refused(pair.witness) == "COORDINATOR_HISTORY_CHANGED"
    assert open_evidence(pair.site.folder) is not None
    assert kept(pair.site.folder.coordinator_head) == before
    assert refused(pair.services.heads.verify_own) == "AUDIT_REWRITTEN"
    assert [e.action for e in SiteAudit(pair.site.folder).entries()][-1] == "COORDINATOR_HISTORY_CHANGED"


@pytest.mark.parametrize("upgraded", [False, True])
def test_site_that_rewrote_its_past_is_not_cosigned_however_long(pair: Pair, *, upgraded: bool) -> None:
    """By itself it does not even ask; with the co-signed head out of the way the coordinator finds the proof to be false."""
    decide(pair, 5)
    pair.exchange()
    pair.witness()
    if upgraded:
        forget_roots(pair)
    before = pair.services.heads.last_cosigned(NAME)
    rewrite_site(pair.site, begin=3)
    assert refused(pair.exchange) == "AUDIT_REWRITTEN"
    pair.site.folder.cosigned_head.unlink()
    assert refused(pair.exchange) == "HEAD_HISTORY_CHANGED"
    assert pair.services.heads.last_cosigned(NAME) == before


def test_first_exchange_after_an_upgrade_goes_on_with_roots(pair: Pair) -> None:
    """Heads of an earlier release in files and rows bind both sides, and are gone on from."""
    decide(pair, 5)
    pair.exchange()
    pair.witness()
    forget_roots(pair)
    decide(pair, 2)
    pair.exchange()
    pair.witness()
    head = pair.services.heads.last_cosigned(NAME).head
    assert head is not None
    assert head.root is not None
    assert all(each.root for each in pair.services.heads.witnessed().values())
    pair.services.heads.verify_own()


def test_lost_answer_is_gone_on_from(pair: Pair) -> None:
    """The coordinator has a head that the site does not know to be co-signed: it asks, and proves from there."""
    decide(pair)
    pair.exchange()
    old = pair.site.folder.cosigned_head.read_bytes()
    decide(pair)
    pair.exchange()
    pair.site.folder.cosigned_head.write_bytes(old)
    decide(pair)
    assert pair.exchange() == SiteAudit(pair.site.folder).verify().sequence


def test_restored_coordinator_is_witnessed_once_a_person_accepted_it(pair: Pair, tmp_path: Path) -> None:
    """Shorter first, then longer with another history: refused both, until somebody at the site says so. Sites go on at once."""
    decide(pair, 3)
    pair.exchange()
    pair.witness()
    backup = tmp_path / "saved"
    sealing = Sealing("fourteen signs", log2_n=10)
    make_backup(pair.home, pair.services.database, backup, sealing=sealing, actor="test", now=NOW)
    decide(pair, 3)
    pair.exchange()
    pair.witness()
    back = tmp_path / "back"
    restore(Wanted(backup, "fourteen signs"), back, actor="test", now=NOW)
    home = HomeFolder(back)
    again = Pair(open_services(home, load_config(home)), pair.site)
    assert refused(again.witness) == "COORDINATOR_HEAD_WENT_BACK"
    decide(again, 9)
    assert refused(again.witness) == "COORDINATOR_HISTORY_CHANGED"
    again.exchange()  # the site's own chain goes on from what the backup knew of it
    accept_history(again.site.folder, by="eva", now=NOW)
    assert again.witness() == again.services.audit.head().sequence
    again.services.heads.verify_own()
    again.services.close()


def test_restored_site_is_cosigned_once_a_person_accepted_it(pair: Pair) -> None:
    """Its folder came back as it was: refused while shorter, and when longer, until the coordinator's people say so."""
    decide(pair, 3)
    pair.exchange()
    saved = {path: path.read_bytes() for path in (pair.site.folder.audit, pair.site.folder.cosigned_head)}
    decide(pair, 3)
    pair.exchange()
    for path, content in saved.items():
        path.write_bytes(content)
    SiteAudit(pair.site.folder).append("ANOTHER", now=NOW)
    assert refused(pair.exchange) == "HEAD_WENT_BACK"
    decide(pair, 9)
    assert refused(pair.exchange) == "HEAD_HISTORY_CHANGED"
    pair.services.heads.accept_history(NAME, actor="admin", now=NOW)
    assert pair.exchange() == SiteAudit(pair.site.folder).verify().sequence
