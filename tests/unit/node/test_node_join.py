"""Enrolment: refusals leave the site as it was, a killed join goes on with the same request."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from consortium_ca import Consortium
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from site_factories import NOW, demo_site

import myofed_node.join
from myofed_node.audit import SiteAudit
from myofed_node.coordinator_link import load_link
from myofed_node.join import join_anew, join_once, join_within, read_invite
from myofed_node.keys import identity_public_key
from myofed_node.site_setup import Site
from myofed_schemas.canonical import canonical_json
from myofed_schemas.enrolment import EnrolmentReply, EnrolmentRequest, Invite
from myofed_schemas.errors import MyofedError
from myofed_schemas.service_loop import only_one

TOKEN = "t" * 43


class Office:
    """The coordinator's side of `/enrol`: pending until told to approve."""

    def __init__(self) -> None:
        self.consortium = Consortium()
        self.state = "pending"
        self.bodies: list[bytes] = []

    def post(self, _site: Site, _invite: Invite, body: bytes, *, now: datetime) -> EnrolmentReply:
        self.bodies.append(body)
        if self.state == "pending":
            return EnrolmentReply(state="pending", code="PENDING")
        if self.state == "refused":
            return EnrolmentReply(state="refused", code="ENROL_TOKEN_USED")
        request = EnrolmentRequest.model_validate_json(body)
        certificate = self.consortium.issue(request.body.csr_pem.encode())
        return EnrolmentReply(state="approved", code="OK", certificate_pem=certificate.decode())

    def invite(self, **changes: object) -> Invite:
        values: dict[str, object] = {
            "site": "alpha",
            "people_url": "https://127.0.0.1:1",
            "sites_url": "https://127.0.0.1:2",
            "ca_pem": self.consortium.pem.decode(),
            "coordinator_key": "a" * 64,
            "token": TOKEN,
            "expires_at": "2026-01-02T00:00:00Z",
        }
        return Invite.model_validate(values | changes)


@pytest.fixture
def office(monkeypatch: pytest.MonkeyPatch) -> Office:
    made = Office()
    monkeypatch.setattr(myofed_node.join, "post_enrolment", made.post)
    return made


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return demo_site(tmp_path / "a")


def _code(call: Callable[[], object]) -> str:
    with pytest.raises(MyofedError) as caught:
        call()
    assert TOKEN not in str(caught.value)
    return caught.value.code


@pytest.mark.parametrize("text", [None, "{", '{"token": "secret-token"}'])
def test_file_that_is_no_invite_is_refused_without_showing_it(tmp_path: Path, text: str | None) -> None:
    """An invite holds a token; no part of a damaged one is printed."""
    if text is not None:
        (tmp_path / "invite.json").write_text(text)
    with pytest.raises(MyofedError) as caught:
        read_invite(tmp_path / "invite.json")
    assert caught.value.code == "INVITE_INVALID"
    assert "secret-token" not in str(caught.value)


def test_invite_for_another_site_or_of_yesterday_is_not_sent(site: Site, office: Office) -> None:
    """Nothing leaves with a wrong invite."""
    other = office.invite(site="beta")
    expired = office.invite(expires_at="2025-12-31T00:00:00Z")
    assert _code(lambda: join_once(site, other, now=NOW)) == "INVITE_OTHER_SITE"
    assert _code(lambda: join_once(site, expired, now=NOW)) == "INVITE_EXPIRED"
    assert office.bodies == []


def test_refusal_leaves_the_site_not_enrolled(site: Site, office: Office) -> None:
    """The coordinator's code is told."""
    office.state = "refused"
    assert _code(lambda: join_once(site, office.invite(), now=NOW)) == "ENROL_TOKEN_USED"
    assert not site.folder.coordinator.exists()


def test_certificate_of_another_ca_is_not_kept(site: Site, office: Office) -> None:
    """A server that signs with another CA than the invite's does not enrol us."""
    invite = office.invite()
    office.consortium, office.state = Consortium(), "approved"
    assert _code(lambda: join_once(site, invite, now=NOW)) == "CERTIFICATE_INVALID"
    assert not site.folder.tls_certificate.exists()
    assert not site.folder.coordinator.exists()


def test_request_is_the_same_until_it_is_answered(site: Site, office: Office) -> None:
    """The coordinator knows a repeated request by its bytes; a new one would find the token used."""
    for _ in range(2):
        assert join_once(site, office.invite(), now=NOW).state == "pending"
    first, second = (EnrolmentRequest.model_validate_json(body) for body in office.bodies)
    assert first == second
    key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(first.body.identity_key))
    key.verify(bytes.fromhex(first.signature), canonical_json(first.body))


def test_pending_request_goes_on_after_its_invite_expired(site: Site, office: Office) -> None:
    """The token was used in time; approval may take days."""
    join_once(site, office.invite(), now=NOW)
    office.state = "approved"
    assert join_once(site, office.invite(), now=NOW + timedelta(days=3)).state == "approved"


def test_approved_site_has_certificate_link_and_audit_entry_but_no_token(site: Site, office: Office) -> None:
    """The token is kept nowhere in the site's folder; keys stay as they were."""
    before = site.folder.tls_key.read_bytes()
    office.state = "approved"
    join_once(site, office.invite(), now=NOW)
    assert load_link(site.folder).coordinator_key == "a" * 64
    assert [entry.action for entry in SiteAudit(site.folder).entries()][-1] == "SITE_ENROLLED"
    assert site.folder.tls_key.read_bytes() == before
    held = b"".join(path.read_bytes() for path in site.folder.root.rglob("*") if path.is_file())
    assert TOKEN.encode() not in held


@pytest.mark.parametrize("step", ["write_atomically", "SiteAudit", "save_link"])
def test_join_killed_while_it_writes_is_finished_by_the_next(
    site: Site, office: Office, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """The link is written last: without it the site asks again and gets the same certificate."""

    class Killed(BaseException):
        pass

    def die(*_: object, **__: object) -> None:
        raise Killed

    join_once(site, office.invite(), now=NOW)
    office.state = "approved"
    with monkeypatch.context() as patch:
        patch.setattr(myofed_node.join, step, die)
        with pytest.raises(Killed):
            join_once(site, office.invite(), now=NOW)
    assert not site.folder.coordinator.exists()
    assert join_once(site, office.invite(), now=NOW).state == "approved"
    assert site.folder.coordinator.exists()


def test_enrolled_site_asks_nobody_again_and_takes_no_second_coordinator(site: Site, office: Office) -> None:
    """A second join is told that all is done; another consortium's invite is refused."""
    office.state = "approved"
    join_once(site, office.invite(), now=NOW)
    asked = len(office.bodies)
    assert join_once(site, office.invite(), now=NOW).state == "approved"
    other = office.invite(coordinator_key="b" * 64)
    assert _code(lambda: join_once(site, other, now=NOW)) == "ALREADY_ENROLLED"
    assert len(office.bodies) == asked


def test_site_that_comes_back_has_new_keys_and_its_old_pseudonyms(site: Site, office: Office) -> None:
    """Revoked keys never come back; the key of pseudonyms stays, or the data set would fall apart."""
    office.state = "approved"
    join_once(site, office.invite(), now=NOW)
    folder = site.folder
    renewed = (folder.tls_key, folder.flower_key, folder.flower_public_key, folder.identity_key)
    before, pseudonyms = [path.read_bytes() for path in renewed], folder.deid_key.read_bytes()
    join_anew(site, office.invite(), now=NOW)
    assert not folder.coordinator.exists()
    assert not any(path.read_bytes() == old for path, old in zip(renewed, before, strict=True))
    assert folder.deid_key.read_bytes() == pseudonyms
    assert join_once(site, office.invite(), now=NOW).state == "approved"


def test_keys_are_not_renewed_for_a_wrong_invite_or_while_services_run(site: Site, office: Office) -> None:
    """Nothing is lost before it is clear that the way back is open."""
    office.state = "approved"
    join_once(site, office.invite(), now=NOW)
    key = site.folder.flower_key.read_bytes()
    assert _code(lambda: join_anew(site, office.invite(site="other"), now=NOW)) == "INVITE_OTHER_SITE"
    site.folder.run.mkdir(exist_ok=True)
    with only_one(site.folder.run / "up.lock"):
        assert _code(lambda: join_anew(site, office.invite(), now=NOW)) == "ALREADY_RUNNING"
    assert site.folder.flower_key.read_bytes() == key
    assert site.folder.coordinator.exists()


def test_waiting_ends_with_approval_or_with_the_time(site: Site, office: Office) -> None:
    """The person is told once a call, and reads the key's fingerprint; a wait that runs out is pending, not an error."""
    moment, said = [NOW.timestamp()], list[str]()

    def sleep(seconds: float) -> None:
        moment[0] += seconds
        if moment[0] > NOW.timestamp() + 5:
            office.state = "approved"

    def wait(seconds: float) -> EnrolmentReply:
        clock = lambda: datetime.fromtimestamp(moment[0], UTC)  # noqa: E731  one line says it
        return join_within(site, office.invite(), wait_s=seconds, say=said.append, clock=clock, sleep=sleep)

    assert wait(3).state == "pending"
    assert wait(0).state == "pending"
    assert wait(30).state == "approved"
    key = bytes.fromhex(identity_public_key(site.folder))
    aloud = [line.rpartition(": ")[2] for line in said if line.startswith("identity key")]
    assert [line.replace(" ", "") for line in aloud] == [hashlib.sha256(key).hexdigest()] * 3
    assert {len(group) for group in aloud[0].split(" ")} == {4}
    assert len(said) == 5
