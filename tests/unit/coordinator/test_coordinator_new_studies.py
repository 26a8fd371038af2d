"""Writing a study over the people's port: weights are whole, bounded and not for ever; a draft becomes a signed version."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta

import pytest
from coordinator_factories import NOW, FakeSite, make_manifest, make_person, make_weights
from fastapi.testclient import TestClient
from test_coordinator_people import FakeRuns

from myofed_coordinator.accounts.permissions import Person, Role, granted
from myofed_coordinator.accounts.wire import NewToken
from myofed_coordinator.api.people import API, PeoplePort, build_people_app, uploads_of
from myofed_coordinator.services import Services
from myofed_coordinator.studies.draft import COMPLETED_HERE
from myofed_coordinator.studies.uploads import CUT_SHORT_AFTER, KEPT_FOR, MAX_OF_ACCOUNT, MAX_UPLOADS, Uploads
from myofed_schemas.errors import MyofedError
from myofed_schemas.study import SignedManifest

Enrol = Callable[[str], FakeSite]
WEIGHTS = make_weights()
SHA = hashlib.sha256(WEIGHTS).hexdigest()
OCTETS = {"content-type": "application/octet-stream"}


@dataclass
class Lead:
    """A study lead's program."""

    client: TestClient
    token: dict[str, str]

    def put(self, content: bytes, sha256: str = "", **headers: str) -> tuple[int, str]:
        named = sha256 or hashlib.sha256(content).hexdigest()
        sent = {**self.token, **OCTETS, **headers}
        answer = self.client.put(f"{API}/weights/{named}", content=content, headers=sent)
        return answer.status_code, answer.json().get("code", "OK")

    def post(self, draft: object, sha256: str = SHA) -> tuple[int, object]:
        body = {"draft": draft, "initial_weights_sha256": sha256}
        answer = self.client.post(f"{API}/studies", json=body, headers=self.token)
        return answer.status_code, answer.json()


def bearer(services: Services, role: Role) -> dict[str, str]:
    make_person(services.accounts, role.value, role, now=NOW)
    person = Person(role.value, frozenset({role}))
    made = services.tokens.make(person, NewToken(title="t", scope=tuple(granted({role}))), now=NOW)
    return {"authorization": f"Bearer {made.token}"}


@pytest.fixture
def lead(services: Services) -> Iterator[Lead]:
    app = build_people_app(PeoplePort(services, FakeRuns(), "t" * 43, lambda: NOW))
    with TestClient(app, base_url="https://testserver") as client:
        yield Lead(client, bearer(services, Role.STUDY_LEAD))


@pytest.fixture
def uploads(services: Services) -> Uploads:
    return uploads_of(services)


def draft(**changes: object) -> dict[str, object]:
    document = make_manifest(WEIGHTS, sites=("hospital-a",), **changes).model_dump(mode="json")
    return {name: value for name, value in document.items() if name not in COMPLETED_HERE}


async def pieces(*content: bytes) -> AsyncIterator[bytes]:
    for piece in content:
        yield piece


def receive(uploads: Uploads, *content: bytes, sha256: str = SHA, account: str = "ann") -> str:
    """The code with which this upload is refused."""
    with pytest.raises(MyofedError) as caught:
        asyncio.run(uploads.receive(sha256, pieces(*content), account=account, now=NOW))
    return caught.value.code


def test_upload_without_a_login_or_without_the_permission_is_refused(lead: Lead, services: Services) -> None:
    """Nothing is written of what others send."""
    lead.token = {}
    assert lead.put(WEIGHTS) == (401, "LOGIN_REQUIRED")
    lead.token = bearer(services, Role.AUDITOR)
    assert lead.put(WEIGHTS) == (403, "FORBIDDEN")
    assert not services.home.uploads.exists()


def test_larger_body_is_for_weights_alone(lead: Lead, services: Services) -> None:
    """Another path, method or type keeps the small bound, so that no form of that size is ever read."""
    large = bytes(70_000)
    assert lead.put(large, **{"content-type": "application/x-www-form-urlencoded"}) == (413, "BODY_TOO_LARGE")
    assert lead.put(large, sha256="x" * 64)[0] == 413
    answer = lead.client.post(f"{API}/weights/{SHA}", content=large, headers={**lead.token, **OCTETS})
    assert answer.status_code == 413
    assert lead.put(large) == (400, "WEIGHTS_FORMAT")
    assert list(services.home.uploads.iterdir()) == []


def test_upload_above_the_setting_is_refused(lead: Lead, services: Services, uploads: Uploads) -> None:
    """By its length, and by counting where the length lied."""
    most = services.config.largest_upload_mb << 20
    answer = lead.client.put(
        f"{API}/weights/{SHA}", content=b"x", headers={**lead.token, **OCTETS, "content-length": str(most + 1)}
    )
    assert answer.status_code == 413
    small = Uploads(uploads.folder, uploads.registry, 10, uploads.audit)
    assert receive(small, b"x" * 6, b"x" * 6) == "BODY_TOO_LARGE"
    assert list(uploads.folder.iterdir()) == []


def test_bytes_of_another_digest_and_no_safetensors_leave_nothing(lead: Lead, services: Services) -> None:
    """The path names what must come."""
    assert lead.put(WEIGHTS, sha256="a" * 64) == (400, "WEIGHTS_DIGEST")
    assert lead.put(b"no weights") == (400, "WEIGHTS_FORMAT")
    assert list(services.home.uploads.iterdir()) == []


def test_upload_that_is_cut_off_leaves_nothing(uploads: Uploads) -> None:
    """A client that hangs up."""

    async def cut() -> AsyncIterator[bytes]:
        yield WEIGHTS[:100]
        raise ConnectionError

    with pytest.raises(ConnectionError):
        asyncio.run(uploads.receive(SHA, cut(), account="ann", now=NOW))
    assert list(uploads.folder.iterdir()) == []


def test_uploads_do_not_fill_the_disk(uploads: Uploads) -> None:
    """So many wait; old ones give way; the same again is taken."""
    uploads.folder.mkdir()
    for number in range(MAX_UPLOADS):
        (uploads.folder / f"{number:064x}.safetensors").write_bytes(b"x")
    assert receive(uploads, WEIGHTS) == "UPLOADS_FULL"
    later = NOW + KEPT_FOR + timedelta(days=3650)
    partial = asyncio.run(uploads.receive(SHA, pieces(WEIGHTS), account="ann", now=later))
    assert [path.name for path in uploads.folder.iterdir()] == [partial.name]


def test_uploads_under_way_count_too(uploads: Uploads) -> None:
    """Neither all places nor those of one person are taken more often than there are, however many begin at once."""

    async def crowd(accounts: list[str]) -> list[str]:
        begun = [uploads.receive(SHA, pieces(WEIGHTS), account=account, now=NOW) for account in accounts]
        ended = await asyncio.gather(*begun, return_exceptions=True)
        return [end.code for end in ended if isinstance(end, MyofedError)]

    assert asyncio.run(crowd(["ann"] * (MAX_OF_ACCOUNT + 2))) == ["UPLOADS_FULL"] * 2
    assert receive(uploads, WEIGHTS) == "UPLOADS_FULL"
    others = [f"person-{number}" for number in range(MAX_UPLOADS)]
    assert asyncio.run(crowd(others)) == ["UPLOADS_FULL"] * MAX_OF_ACCOUNT
    assert len(list(uploads.folder.iterdir())) == MAX_UPLOADS


def test_one_person_does_not_take_all_places(lead: Lead, uploads: Uploads) -> None:
    """What waits is its uploader's; the same again is taken; others have room, and so has the person once one is used."""
    digests = [hashlib.sha256(make_weights(seed)).hexdigest() for seed in range(MAX_OF_ACCOUNT)]
    for seed in range(MAX_OF_ACCOUNT):
        assert lead.put(make_weights(seed)) == (201, "OK")
    assert lead.put(make_weights(90)) == (409, "UPLOADS_FULL")
    assert lead.put(make_weights(0)) == (201, "OK")
    partial = asyncio.run(uploads.receive(SHA, pieces(WEIGHTS), account="another", now=NOW))
    partial.unlink()
    uploads.used(digests[0])
    assert lead.put(make_weights(90)) == (201, "OK")


def test_upload_cut_short_by_a_kill_gives_its_place_back(uploads: Uploads) -> None:
    """An hour after its last byte; one to which bytes are still added stays."""
    uploads.folder.mkdir()
    old, young = uploads.folder / "a-1.part", uploads.folder / "b-2.part"
    for path, age in ((old, CUT_SHORT_AFTER + timedelta(seconds=1)), (young, CUT_SHORT_AFTER - timedelta(seconds=1))):
        path.write_bytes(b"x")
        os.utime(path, ((NOW - age).timestamp(),) * 2)
    partial = asyncio.run(uploads.receive(SHA, pieces(WEIGHTS), account="ann", now=NOW))
    assert set(uploads.folder.iterdir()) == {young, partial}


def test_loop_serves_others_while_a_piece_is_hashed_and_written(
    uploads: Uploads, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that is slow to sync holds up the upload alone."""
    loops: list[bool] = []

    def slow(_descriptor: int) -> None:
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            loops.append(False)
        else:
            loops.append(True)

    monkeypatch.setattr(os, "fsync", slow)
    asyncio.run(uploads.receive(SHA, pieces(WEIGHTS), account="ann", now=NOW))
    assert loops
    assert not any(loops)


def test_draft_of_unknown_weights_or_of_another_form_is_refused(lead: Lead, services: Services, enrol: Enrol) -> None:
    """No study is made."""
    enrol("hospital-a")
    assert lead.post(draft())[0] == 404
    assert lead.put(WEIGHTS) == (201, "OK")
    for wrong in ({}, {"study_id": 7}, {**draft(), "unknown": 1}, {**draft(), "rounds": 0}):
        status, answer = lead.post(wrong)
        assert (status, answer["code"]) == (400, "STUDY_INVALID")  # type: ignore[index]
        assert "Mueller" not in json.dumps(answer)
    told = lead.post({**draft(), "rounds": 0, "title": 7, "Mueller": {}})[1]["fields"]  # type: ignore[index]
    assert {"field": "rounds", "expected": "1 at least"} in told
    assert lead.post([])[0] == 422
    assert lead.post({**draft(), "sites": ["hospital-z"]})[1]["code"] == "STUDY_SITE_UNKNOWN"  # type: ignore[index]
    assert services.studies.list_studies() == []


def test_draft_becomes_a_signed_version_and_the_next_one_after_it(lead: Lead, services: Services, enrol: Enrol) -> None:
    """The uploaded weights move to the models; a second version starts from them without another upload."""
    enrol("hospital-a")
    assert lead.put(WEIGHTS) == (201, "OK")
    status, answer = lead.post(draft())
    assert status == 201
    signed = SignedManifest.model_validate(answer)
    assert (signed.manifest.version, signed.manifest.initial_weights_sha256) == (1, SHA)
    assert services.studies.show("thigh-muscles").signed == signed
    assert list(services.home.uploads.iterdir()) == []
    status, answer = lead.post(draft(rounds=3))
    assert (status, answer["manifest"]["version"]) == (201, 2)  # type: ignore[index]
    actions = [(entry.action, entry.actor) for entry in services.audit.entries()]
    assert ("WEIGHTS_UPLOADED", "study-lead") in actions
    assert actions.count(("STUDY_CREATED", "study-lead")) == 2
    assert json.dumps(answer)
