"""The people's port: what it refuses, and what its API shows; the pages have test_coordinator_web_pages.py."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from coordinator_factories import HOUR, NOW, FakeSite, make_card, make_manifest, make_site, make_weights
from fastapi.testclient import TestClient

from myofed_coordinator.accounts.throttle import CALLERS_KEPT, Attempts
from myofed_coordinator.api.guards import MAX_BODY_BYTES
from myofed_coordinator.api.people import API, PeoplePort, build_people_app
from myofed_coordinator.services import Services
from myofed_coordinator.studies.leads import Doer
from myofed_coordinator.web.kit import FOREVER, assets
from myofed_schemas.errors import MyofedError
from myofed_schemas.federation import RoundReport, RunStatus

Enrol = Callable[[str], FakeSite]
TOKEN = "t" * 43
BEARER = {"authorization": f"Bearer {TOKEN}"}
WEIGHTS = make_weights()


@dataclass
class FakeRuns:
    """Runs as the runs' room would give them."""

    known: list[RunStatus] = field(default_factory=list)

    def list(self) -> Sequence[RunStatus]:
        return self.known

    def show(self, run_id: str) -> RunStatus:
        for status in self.known:
            if status.run_id == run_id:
                return status
        raise MyofedError("RUN_UNKNOWN", "no such run")


@pytest.fixture
def runs() -> FakeRuns:
    """No run yet."""
    return FakeRuns()


@pytest.fixture
def client(services: Services, runs: FakeRuns) -> Iterator[TestClient]:
    """A client of the port over (pretended) TLS."""
    app = build_people_app(PeoplePort(services, runs, TOKEN, lambda: NOW))
    with TestClient(app, base_url="https://testserver", follow_redirects=False) as made:
        yield made


def a_run(digest: str) -> RunStatus:
    rounds = tuple(
        RoundReport(
            round=number,
            started_at="2026-11-22T12:00:00Z",
            seconds=4.5,
            sites=("hospital-a",),
            errors=({"site": "hospital-b", "code": "WORKER_LOST"},),
            loss=0.5,
            dice=0.2 * number,
            dice_per_site={"hospital-a": 0.2 * number},
            weights_sha256="a" * 64,
        )
        for number in (1, 2)
    )
    return RunStatus(
        run_id="run-0a1b2c3d",
        study_id="thigh-muscles",
        manifest_digest=digest,
        state="running",
        code="OK",
        rounds=rounds,
    )


PROTECTED = (
    "/sites",
    "/catalog",
    "/studies",
    "/studies/thigh-muscles",
    "/planning",
    "/planning/plan-0a1b2c3d",
    "/runs",
    "/runs/run-0a1b2c3d",
    "/models",
    "/openapi.json",
)


@pytest.mark.parametrize(
    "path",
    [
        *(API + p for p in PROTECTED),
        *(f"{API}/models/{'a' * 64}{p}" for p in ("", "/weights", "/card", "/card.md")),
    ],
)
def test_every_path_asks_for_a_login(client: TestClient, path: str) -> None:
    """Without token, with a wrong one, or with a made-up session nothing is shown."""
    for headers in ({}, {"authorization": "Bearer wrong"}, {"cookie": "__Host-myofed=9999999999.abcd"}):
        answer = client.get(path, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (401, "LOGIN_REQUIRED")


def test_page_without_session_leads_to_the_login(client: TestClient) -> None:
    """The status page is for people who are logged in."""
    answer = client.get("/")
    assert (answer.status_code, answer.headers["location"]) == (303, "/login")


def test_guessing_is_slowed_down_but_the_right_token_opens(client: TestClient) -> None:
    """After ten failures in a minute further guesses are 429; the administrator still gets in."""
    codes = [client.post("/login", data={"token": f"guess-{n}"}).status_code for n in range(12)]
    assert codes == [401] * 10 + [429] * 2
    assert client.post("/login", data={"token": TOKEN}).status_code == 303


def test_large_or_unbounded_body_is_refused(client: TestClient) -> None:
    """Nothing above 64 KiB, and nothing of unknown length, is read."""
    for content in (b"x" * (MAX_BODY_BYTES + 1), iter([b"x"])):
        answer = client.post("/enrol", content=content)
        assert (answer.status_code, answer.json()["code"]) == (413, "BODY_TOO_LARGE")


def test_malformed_enrolment_is_refused_without_repeating_it(client: TestClient) -> None:
    """Neither token nor key of a broken request comes back."""
    answer = client.post("/enrol", json={"body": {"token": "secret-token"}, "signature": "00"})
    assert answer.status_code == 422
    assert "secret-token" not in answer.text


def test_refused_enrolments_are_slowed_down(client: TestClient, services: Services) -> None:
    """After thirty refusals in a minute the port says so instead of working."""
    invite = services.enrolment.create_invite("hospital-a", actor="admin", now=NOW, valid=HOUR)
    wrong = make_site("hospital-a").request(invite, token="x" * 43).model_dump_json()
    answers = [client.post("/enrol", content=wrong) for _ in range(31)]
    assert answers[0].json()["code"] == "ENROL_TOKEN_UNKNOWN"
    assert answers[-1].status_code == 429


def test_site_joins_with_its_token_and_no_login(client: TestClient, services: Services) -> None:
    """POST /enrol is pending, then approved with the certificate, for the same request."""
    invite = services.enrolment.create_invite("hospital-a", actor="admin", now=NOW, valid=HOUR)
    request = make_site("hospital-a").request(invite).model_dump_json()
    assert client.post("/enrol", content=request).json()["state"] == "pending"
    services.enrolment.approve("hospital-a", actor="admin", now=NOW)
    answer = client.post("/enrol", content=request).json()
    assert answer["state"] == "approved"
    assert answer["certificate_pem"].startswith("-----BEGIN CERTIFICATE-----")


@pytest.mark.parametrize("path", ["/", "/login", "/health", "/enrol", f"{API}/sites", "/nothing"])
def test_every_answer_has_the_security_headers(client: TestClient, path: str) -> None:
    """Also refusals: a strict policy without inline code or foreign hosts, no sniffing, no frames, no cache."""
    headers = client.get(path).headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"


def test_only_shipped_files_may_be_kept_by_a_cache(client: TestClient) -> None:
    """They have the same policy otherwise; a path below /static/ that does not exist is not kept."""
    headers = client.get(assets()["page.js"].path).headers
    assert headers["cache-control"] == FOREVER
    assert "default-src 'none'" in headers["content-security-policy"]
    assert client.get("/static/nothing").headers["cache-control"] == "no-store"


def test_session_cookie_is_out_of_reach_of_scripts_and_other_sites(client: TestClient) -> None:
    """HttpOnly, Secure, SameSite=Strict; it is not the token, and it ends."""
    cookie = client.post("/login", data={"token": TOKEN}).headers["set-cookie"]
    assert {"HttpOnly", "Secure", "SameSite=strict", "Path=/"} <= {part.strip() for part in cookie.split(";")}
    assert TOKEN not in cookie


def test_log_out_ends_the_session(client: TestClient) -> None:
    """The cookie is taken back; a page elsewhere, which does not know the session's CSRF token, cannot do it."""
    client.post("/login", data={"token": TOKEN})
    page = client.get("/")
    assert page.status_code == 200
    assert "CSRF" in client.post("/logout").text
    csrf = re.findall(r'name="csrf" value="([^"]+)"', page.text)[0]
    assert client.post("/logout", data={"csrf": csrf}).headers["location"] == "/login"
    assert client.get("/").status_code == 303


def test_callers_are_slowed_down_one_by_one() -> None:
    """Who guesses too much waits, others do not; the table of callers never grows without end."""
    attempts = Attempts(allowed=1)
    attempts.note_failure("10.0.0.1", now=NOW)
    with pytest.raises(MyofedError, match="TOO_MANY_ATTEMPTS"):
        attempts.check("10.0.0.1", now=NOW)
    attempts.check("10.0.0.2", now=NOW)
    attempts.check("10.0.0.1", now=NOW + HOUR)
    for number in range(CALLERS_KEPT):
        attempts.note_failure(str(number), now=NOW)
    attempts.check("10.0.0.1", now=NOW)


def test_session_ends_after_twelve_hours(services: Services, runs: FakeRuns) -> None:
    """A cookie from before is of no use then."""
    moment = [NOW]
    app = build_people_app(PeoplePort(services, runs, TOKEN, lambda: moment[0]))
    with TestClient(app, base_url="https://testserver", follow_redirects=False) as client:
        client.post("/login", data={"token": TOKEN})
        assert client.get("/").status_code == 200
        moment[0] = NOW + 12 * HOUR
        assert client.get("/").status_code == 303


def test_api_answers_what_the_services_know(
    client: TestClient, services: Services, runs: FakeRuns, enrol: Enrol, tmp_path: Path
) -> None:
    """Sites, catalog, studies, runs and models as JSON, and the model's bytes."""
    enrol("hospital-a")
    services.catalog.publish(make_card("hospital-a"), site="hospital-a", now=NOW)
    signed = services.studies.create(
        make_manifest(WEIGHTS, sites=("hospital-a",)), WEIGHTS, actor=Doer("lead"), now=NOW
    )
    runs.known.append(a_run(signed.digest))
    (tmp_path / "m").write_bytes(WEIGHTS)
    record = services.models.register("run-0a1b2c3d", tmp_path / "m", manifest_digest=signed.digest, rounds=2, now=NOW)

    def get(path: str) -> object:
        return client.get(API + path, headers=BEARER).json()

    assert get("/sites")[0]["state"] == "approved"
    assert len(get("/catalog?muscle=VL&vendor=Siemens")["cards"]) == 1
    assert get("/catalog?muscle=SA")["cards"] == []
    assert get("/studies")[0]["decisions"] == {"hospital-a": "open"}
    assert get("/studies/thigh-muscles")["manifest"]["rounds"] == 2
    assert RunStatus.model_validate(get("/runs/run-0a1b2c3d")) == runs.known[0]
    assert get("/runs/run-ffffffff") == {"code": "RUN_UNKNOWN", "hint": ""}
    assert get("/models") == [record.model_dump(mode="json")]
    sha256 = record.statement.sha256
    assert client.get(f"{API}/models/{sha256}/weights", headers=BEARER).content == WEIGHTS
    card = get(f"/models/{sha256}/card")
    assert [r["dice"] for r in card["rounds"]] == [0.4, None]
    page = client.get(f"{API}/models/{sha256}/card.md", headers=BEARER)
    assert page.headers["content-type"].startswith("text/plain")
    assert page.text.startswith("# Model card: Thigh muscles")
