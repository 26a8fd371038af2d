"""`/site/weights` as a node of a running run sees it, and as everybody else does."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import APIRouter, FastAPI, Request
from fastapi.testclient import TestClient
from wall_examples import make_run

from myofed_coordinator.api import site_weights
from myofed_coordinator.api.refusals import add_refusals
from myofed_coordinator.api.site_weights import Uploads, add_weights
from myofed_coordinator.federation.weights_transit import WeightsTransit
from myofed_coordinator.home import HomeFolder
from myofed_coordinator.runs.folder import RunFolder
from myofed_schemas.study_options import Transport
from myofed_schemas.weights_transfer import largest_weights

SITE, OTHER = "hospital-a", "hospital-b"
UPDATE = b"0123456789"
SHA = hashlib.sha256(UPDATE).hexdigest()


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    return make_run(tmp_path / "runs", transport=Transport(by="reference"))


@pytest.fixture
def client(tmp_path: Path, run: RunFolder) -> Iterator[TestClient]:
    app, router = FastAPI(), APIRouter(prefix="/site")
    add_refusals(app)
    add_weights(router, HomeFolder(run.root.parents[1]), site_of)
    app.include_router(router)
    with TestClient(app) as made:
        yield made


def site_of(request: Request) -> str:
    """The test says by a header who asks; in production the gateway's certificate does."""
    return request.headers.get("x-site", SITE)


def put(
    client: TestClient, run: RunFolder, body: bytes, *, at: int = 0, total: int = 10, **headers: str
) -> tuple[int, Any]:
    names = {"content-range": f"bytes {at}-{at + len(body) - 1}/{total}", **headers}
    answer = client.put(f"/site/weights/{run.run_id}/{SHA}", content=body, headers=names)
    return answer.status_code, answer.json()


def offset(client: TestClient, run: RunFolder, *, site: str = SITE) -> Any:
    return client.get(f"/site/weights/{run.run_id}/{SHA}/offset", headers={"x-site": site}).json()


@pytest.mark.parametrize("why", ["stranger", "another run", "ended", "in the message"])
def test_run_does_not_exist_for_whom_it_is_not(client: TestClient, run: RunFolder, tmp_path: Path, why: str) -> None:
    """Neither for reading nor for writing."""
    asked, site = run, SITE
    if why == "stranger":
        site = "site-z"
    elif why == "another run":
        asked = RunFolder(run.root.with_name("run-99999999"))
    elif why == "ended":
        run.write_status(run.status().model_copy(update={"state": "failed", "code": "STOPPED"}))
    else:
        manifest = run.manifest()
        plain = manifest.manifest.model_copy(update={"transport": None})
        run.write_manifest(manifest.model_copy(update={"manifest": plain}))
    for answer in (
        client.get(f"/site/weights/{asked.run_id}/{SHA}", headers={"x-site": site}),
        client.get(f"/site/weights/{asked.run_id}/{SHA}/offset", headers={"x-site": site}),
        client.put(
            f"/site/weights/{asked.run_id}/{SHA}",
            content=b"x",
            headers={"x-site": site, "content-range": "bytes 0-0/1"},
        ),
    ):
        assert (answer.status_code, answer.json()["code"]) == (404, "RUN_UNKNOWN")


def test_update_is_read_by_nobody(client: TestClient, run: RunFolder) -> None:
    """Not by the other sites and not by the one that wrote it."""
    assert put(client, run, UPDATE) == (200, {"offset": 10, "complete": True})
    for site in (SITE, OTHER):
        answer = client.get(f"/site/weights/{run.run_id}/{SHA}", headers={"x-site": site})
        assert (answer.status_code, answer.json()["code"]) == (404, "WEIGHTS_UNKNOWN")
    assert offset(client, run, site=OTHER) == {"offset": 0, "complete": False}
    assert offset(client, run) == {"offset": 10, "complete": True}
    assert WeightsTransit(run).take(SITE, SHA).read_bytes() == UPDATE


def test_upload_goes_on_where_it_stopped(client: TestClient, run: RunFolder) -> None:
    """A hole or an overlap is refused, and the site learns by asking where to go on; done twice is done."""
    assert put(client, run, UPDATE[:4]) == (200, {"offset": 4, "complete": False})
    assert put(client, run, UPDATE[5:], at=5) == (409, {"code": "UPLOAD_OFFSET", "hint": ""})
    assert put(client, run, UPDATE[3:], at=3)[0] == 409
    assert offset(client, run) == {"offset": 4, "complete": False}
    assert put(client, run, UPDATE[4:], at=4) == (200, {"offset": 10, "complete": True})
    assert put(client, run, UPDATE[4:], at=4) == (200, {"offset": 10, "complete": True})


@pytest.mark.parametrize("when", ["between two pieces", "under way"])
def test_upload_to_a_question_that_is_over_ends(
    client: TestClient, run: RunFolder, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    """Not as an offset to go on from: the site would send all of it once more, for nobody."""
    put(client, run, UPDATE[:4])
    if when == "between two pieces":
        WeightsTransit(run).offer(b"next", hashlib.sha256(b"next").hexdigest())
    else:
        monkeypatch.setattr(site_weights, "append", gone)
    assert put(client, run, UPDATE[4:], at=4) == (404, {"code": "WEIGHTS_UNKNOWN", "hint": ""})


def gone(path: Path, content: bytes, *, at: int) -> None:
    raise FileNotFoundError(path)


def test_bytes_with_another_digest_are_dropped(client: TestClient, run: RunFolder) -> None:
    """The next try begins anew."""
    status, body = put(client, run, b"9876543210")
    assert (status, body["code"]) == (400, "WEIGHTS_DIGEST")
    assert offset(client, run) == {"offset": 0, "complete": False}


def test_upload_above_the_manifests_size_is_refused_before_its_first_byte(client: TestClient, run: RunFolder) -> None:
    """The announced total decides."""
    largest = largest_weights(run.manifest().manifest.state_dict)
    assert put(client, run, b"x", total=largest + 1)[1]["code"] == "WEIGHTS_SIZE"
    assert not WeightsTransit(run).part(SITE, SHA).exists()


@pytest.mark.parametrize("value", ["", "bytes 0-9", "bytes 0-3/10", "bytes 9-0/10", "bytes 0-9/5", "lines 0-9/10"])
def test_piece_that_is_not_what_it_announces_is_refused(client: TestClient, run: RunFolder, value: str) -> None:
    """Content-Range and the body's length say the same."""
    assert put(client, run, UPDATE, **{"content-range": value}) == (416, {"code": "RANGE_INVALID", "hint": ""})


def test_ranges_are_sent_and_no_other_kind(client: TestClient, run: RunFolder) -> None:
    """RFC 9110, 14.2, for one range."""
    WeightsTransit(run).offer(UPDATE, SHA)
    path = f"/site/weights/{run.run_id}/{SHA}"
    whole = client.get(path)
    assert (whole.status_code, whole.content, whole.headers["content-length"]) == (200, UPDATE, "10")
    for wanted, got in {"bytes=0-0": b"0", "bytes=7-": b"789", "bytes=8-99": b"89"}.items():
        answer = client.get(path, headers={"range": wanted})
        assert (answer.status_code, answer.content) == (206, got)
    assert answer.headers["content-range"] == "bytes 8-9/10"
    for wanted in ("bytes=10-", "bytes=3-2", "bytes=-3", "bytes=0-1,3-4", "x"):
        assert client.get(path, headers={"range": wanted}).status_code == 416


def test_later_sender_ends_the_earlier(tmp_path: Path) -> None:
    """A dead line's request may hang for a minute; the site must not wait for it."""
    uploads = Uploads()
    first = uploads.enter(tmp_path)
    assert first()
    second = uploads.enter(tmp_path)
    assert (first(), second()) == (False, True)
    uploads.leave(tmp_path)
    assert not second()
    third = uploads.enter(tmp_path)
    assert (first(), second(), third()) == (False, False, True)


def test_uploads_that_are_never_finished_leave_one_entry(
    client: TestClient, run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many digests a site names."""
    kept: list[Path] = []
    monkeypatch.setattr(Uploads, "enter", lambda self, place: kept.append(place) or (lambda: True))
    for number in range(3):
        sha256 = hashlib.sha256(bytes([number])).hexdigest()
        headers = {"content-range": "bytes 0-0/2"}
        assert client.put(f"/site/weights/{run.run_id}/{sha256}", content=b"x", headers=headers).json()["offset"] == 1
    assert set(kept) == {WeightsTransit(run).root / "in" / SITE}


def received(client: TestClient, run: RunFolder, *events: dict[str, Any]) -> list[dict[str, Any]]:
    """What the app sends for a PUT of ten bytes whose body comes as these ASGI events."""
    coming, sent = iter(events), []

    async def receive() -> dict[str, Any]:
        return next(coming)

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    path = f"/site/weights/{run.run_id}/{SHA}"
    headers = [(b"content-range", b"bytes 0-9/10"), (b"content-length", b"10")]
    scope = {"type": "http", "method": "PUT", "path": path, "raw_path": path.encode(), "query_string": b""}
    asyncio.run(client.app({**scope, "headers": headers}, receive, send))  # type: ignore[arg-type]
    return sent


def test_what_came_of_a_piece_that_was_cut_is_kept(client: TestClient, run: RunFolder) -> None:
    """The site asks where to go on, and sends nothing twice."""
    cut = received(
        client, run, {"type": "http.request", "body": b"0123", "more_body": True}, {"type": "http.disconnect"}
    )
    assert cut[0]["status"] == 408
    assert offset(client, run) == {"offset": 4, "complete": False}


def test_piece_longer_than_it_announced_is_ended(client: TestClient, run: RunFolder) -> None:
    """Nothing is written behind its end."""
    answer = received(client, run, {"type": "http.request", "body": b"x" * 11, "more_body": False})
    assert answer[0]["status"] == 409
    assert offset(client, run) == {"offset": 0, "complete": False}


def test_sender_that_falls_silent_is_given_up(
    client: TestClient, run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A dead line is not noticed by TCP for a long time."""
    monkeypatch.setattr(site_weights, "SILENCE_S", 0.0)
    answer = received(client, run, {"type": "http.request", "body": b"x" * 10, "more_body": False})
    assert answer[0]["status"] == 408


def test_weights_that_are_not_in_memory_are_read_by_a_thread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A slow disk holds up no other site's request; what comes is the same, and a file cut short ends early."""
    path = tmp_path / "weights"
    path.write_bytes(content := bytes(range(256)) * 3000)

    async def read(first: int, last: int) -> bytes:
        return b"".join([chunk async for chunk in site_weights._chunks(path, first, last)])

    assert asyncio.run(read(5, 700_000)) == content[5:700_001]

    def away(*_arguments: object) -> int:
        raise BlockingIOError

    monkeypatch.setattr(site_weights.os, "preadv", away)
    assert asyncio.run(read(5, 700_000)) == content[5:700_001]
    assert asyncio.run(read(767_000, 900_000)) == content[767_000:]
