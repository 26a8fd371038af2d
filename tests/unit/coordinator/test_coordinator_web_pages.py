"""The pages: who sees which, that every form asks for the token, that each page is whole with and without content."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from coordinator_factories import HOUR, NOW, FakeSite, make_card, make_manifest, make_site, make_weights
from web_factories import RUN, TOKEN, FakeRuns, Nesting, a_run, client_as, words_of

from myofed_coordinator.accounts import gate
from myofed_coordinator.accounts.permissions import Role
from myofed_coordinator.api.people import PeoplePort, people_app
from myofed_coordinator.models.models import ModelRow
from myofed_coordinator.services import Services
from myofed_coordinator.studies.leads import Doer
from myofed_coordinator.web.kit import assets
from myofed_coordinator.web.login_page import inside
from myofed_coordinator.web.pages import SECTIONS
from myofed_schemas.enrolment import for_reading_aloud
from myofed_schemas.federation import RunStatus
from myofed_schemas.model import ModelRecord, ModelStatement

Enrol = Callable[[str], FakeSite]
WEIGHTS = make_weights()
LISTS = (
    "/",
    "/sites",
    "/catalog",
    "/feasibility",
    "/studies",
    "/runs",
    "/models",
    "/accounts",
    "/audit",
    "/audit/verify",
)


@pytest.fixture
def database_url() -> str | None:
    """SQLite only: pages ask services, which have their own tests on both; `make prove NAME=pages` walks on both."""
    return None


@pytest.fixture
def runs() -> FakeRuns:
    """No run yet."""
    return FakeRuns()


def fill(services: Services, runs: FakeRuns, enrol: Enrol, tmp_path: Path) -> tuple[str, ...]:
    """Something of everything; gives the addresses of the single pages."""
    site = enrol("hospital-a")
    enrol("hospital-b")
    invite = services.enrolment.create_invite("hospital-d", actor="admin", now=NOW, valid=HOUR)
    services.enrolment.receive_request(make_site("hospital-d").request(invite), now=NOW)
    services.catalog.publish(make_card("hospital-a"), site="hospital-a", now=NOW)
    manifest = make_manifest(WEIGHTS, sites=("hospital-a", "hospital-b"))
    signed = services.studies.create(manifest, WEIGHTS, actor=Doer("lead"), now=NOW)
    services.studies.record_decision(
        site.decide(manifest, "declined", reason="LEGAL_BASIS"), site="hospital-a", now=NOW
    )
    services.studies.create(
        make_manifest(WEIGHTS, sites=("hospital-a",), version=2, rounds=3), WEIGHTS, actor=Doer("lead"), now=NOW
    )
    runs.known.append(a_run(signed.digest))
    (tmp_path / "m").write_bytes(WEIGHTS)
    record = services.models.register(RUN, tmp_path / "m", manifest_digest=signed.digest, rounds=2, now=NOW)
    single = (
        "/catalog/hospital-a/thigh-dixon",
        "/sites/hospital-a",
        "/sites/hospital-d",
        "/studies/thigh-muscles",
        f"/runs/{RUN}",
    )
    return (*single, f"/models/{record.statement.sha256}")


@pytest.mark.parametrize("role", list(Role))
def test_navigation_leads_exactly_where_the_person_may_go(services: Services, runs: FakeRuns, role: Role) -> None:
    """Every link of the navigation opens; what is not linked answers 403."""
    client = client_as(services, runs, role, now=NOW)
    linked = set(re.findall(r'<li><a href="([^"]+)"', client.get("/").text.partition("</nav>")[0]))
    for section in SECTIONS:
        expected = 200 if section.href in linked else 403
        assert client.get(section.href).status_code == expected, section.href
    assert ("/audit" in linked) == (role in {Role.ADMINISTRATOR, Role.AUDITOR})


def test_every_page_without_a_session_leads_to_the_login_and_back(services: Services, runs: FakeRuns) -> None:
    """Enumerated from the routes: a page is never refused with JSON and never shown."""
    app = people_app(PeoplePort(services, runs, TOKEN, lambda: NOW))
    from fastapi.testclient import TestClient

    client = TestClient(app, base_url="https://testserver", follow_redirects=False)
    pages = [d for d in gate.declarations(app) if isinstance(d.asks, gate.Requirement) and d.asks.page]
    assert len(pages) > 10
    for declared in pages:
        path = re.sub(r"\{sha256\}", "a" * 64, declared.path).replace("{run_id}", RUN)
        path = path.replace("{token_id}", "tok-0a1b2c3d").replace("{start_id}", "start-0a1b2c3d")
        path = path.replace("{negotiation_id}", "ask-0a1b2c3d")
        path = re.sub(r"\{\w+\}", "hospital-a", path)
        answer = client.request(declared.method, path)
        assert answer.status_code == 303, (declared.method, path)
        assert answer.headers["location"].startswith("/login")
        part = client.request(declared.method, path, headers={"hx-request": "true"})
        assert (part.status_code, part.headers["hx-redirect"]) == (401, "/login")


def test_every_form_of_every_page_carries_the_token(
    services: Services, runs: FakeRuns, enrol: Enrol, tmp_path: Path
) -> None:
    """A posting form without the session's token would be refused; each page is well formed, ids are unique."""
    single = fill(services, runs, enrol, tmp_path)
    client = client_as(services, runs, Role.ADMINISTRATOR, now=NOW)
    for path in (*LISTS, *single):
        page = client.get(path).text
        for form in re.findall(r'<form method="post".*?</form>', page, re.DOTALL):
            assert 'name="csrf" value="good"' in form, path
        reader = Nesting()
        reader.feed(page)
        assert reader.open == [], path
        assert len(reader.ids) == len(set(reader.ids)), path
        assert page.count("<table") == page.count("<thead>")
        drawings = re.findall(r"<svg [^>]*>", page)
        assert all('aria-label="' in drawing or 'aria-hidden="true"' in drawing for drawing in drawings)
        assert page.count("<h1") == 1
        assert not re.search(r"style=|onclick|https?://", page), path
        assert set(re.findall(r'(?:src|stylesheet" href)="([^"]+)"', page)) <= {a.path for a in assets().values()}


def test_empty_consortium_has_whole_pages_that_say_what_to_do(services: Services, runs: FakeRuns) -> None:
    """No list is just blank."""
    client = client_as(services, runs, Role.ADMINISTRATOR, now=NOW)
    for path in set(LISTS) - {"/audit", "/audit/verify", "/feasibility"}:
        answer = client.get(path)
        assert answer.status_code == 200
        assert 'class="empty"' in answer.text


def test_study_page_shows_versions_reasons_and_what_is_asked(
    services: Services, runs: FakeRuns, enrol: Enrol, tmp_path: Path
) -> None:
    """The newest version counts; the replaced one and its refusal stay readable."""
    fill(services, runs, enrol, tmp_path)
    text = words_of(client_as(services, runs, Role.AUDITOR, now=NOW).get("/studies/thigh-muscles").text)
    for said in ("Version 2: 0 of 1 sites approved, 1 needed", "Version 1, replaced", "LEGAL_BASIS", "at least 1"):
        assert said in text


def test_run_page_follows_an_active_run_and_leaves_an_ended_one_alone(
    services: Services, runs: FakeRuns, enrol: Enrol, tmp_path: Path
) -> None:
    """It asks again every two seconds until the run has ended; failures stand beside the site as codes."""
    fill(services, runs, enrol, tmp_path)
    client = client_as(services, runs, Role.ADMINISTRATOR, now=NOW)
    page = client.get(f"/runs/{RUN}").text
    assert f'hx-get="/runs/{RUN}"' in page
    for said in ("WORKER_LOST", "0.400", "<polyline", 'data-say="Run running, 2 of 2 rounds, Dice 0.400"'):
        assert said in page
    runs.known[0] = runs.known[0].model_copy(update={"state": "completed"})
    ended = client.get(f"/runs/{RUN}").text
    assert "hx-get" not in ended
    assert "Stop this run" not in ended


def test_run_and_model_without_their_study_are_still_shown(services: Services, runs: FakeRuns) -> None:
    """A restored run or model whose manifest is unknown appears, and nobody says that the model may be released."""
    runs.known.append(
        RunStatus(run_id=RUN, study_id="gone", manifest_digest="a" * 64, state="failed", code="RUN_LOST", rounds=())
    )
    statement = ModelStatement(
        sha256="a" * 64, size_bytes=1, study_id="gone", manifest_digest="b" * 64, run_id=RUN, rounds=1,
        registered_at="2026-11-22T12:00:00Z",
    )  # fmt: skip
    record = ModelRecord(statement=statement, signature="c" * 128, signer="d" * 64)
    with services.database.write() as session:
        row = {"sha256": statement.sha256, "run_id": RUN, "study_id": "gone", "registered_at": statement.registered_at}
        session.add(ModelRow(**row, record=record.model_dump_json()))
    client = client_as(services, runs, Role.AUDITOR, now=NOW)
    assert "RUN_LOST" in client.get(f"/runs/{RUN}").text
    assert "unknown" in client.get("/models").text
    page = words_of(client.get(f"/models/{'a' * 64}").text)
    assert "nobody says that it may be released" in page
    assert "does not hold MODEL_UNKNOWN" in page


def test_model_page_says_that_the_signature_holds(
    services: Services, runs: FakeRuns, enrol: Enrol, tmp_path: Path
) -> None:
    """Bytes and record are checked for the page; altered bytes are said."""
    path = fill(services, runs, enrol, tmp_path)[-1]
    client = client_as(services, runs, Role.STUDY_LEAD, now=NOW)
    assert "pill-holds" in client.get(path).text
    stored = services.home.models / f"{path.rpartition('/')[2]}.safetensors"
    stored.write_bytes(WEIGHTS + b" ")
    assert "does not hold MODEL_ALTERED" in words_of(client.get(path).text)


def test_text_of_a_study_cannot_become_markup(services: Services, runs: FakeRuns, enrol: Enrol) -> None:
    """Whatever a person wrote into a title is shown as text."""
    enrol("hospital-a")
    manifest = make_manifest(WEIGHTS, sites=("hospital-a",), title="<script>alert(1)</script>")
    services.studies.create(manifest, WEIGHTS, actor=Doer("lead"), now=NOW)
    client = client_as(services, runs, Role.AUDITOR, now=NOW)
    for path in ("/", "/studies", "/studies/thigh-muscles"):
        page = client.get(path).text
        assert "&lt;script&gt;" in page
        assert "<script>" not in page


def test_site_is_let_in_and_put_out_from_its_page(services: Services, runs: FakeRuns) -> None:
    """Invite as a file, approval, revocation only with the name typed; each by its person in the audit chain."""
    client = client_as(services, runs, Role.ADMINISTRATOR, now=NOW)
    made = client.post("/sites/invite", data={"csrf": "good", "site": "hospital-a", "valid_days": "3"})
    assert made.headers["content-disposition"] == 'attachment; filename="hospital-a.invite.json"'
    assert made.json()["expires_at"] == "2026-11-25T12:00:00Z"
    from myofed_schemas.enrolment import Invite

    services.enrolment.receive_request(make_site("hospital-a").request(Invite.model_validate(made.json())), now=NOW)
    page = client.get("/sites/hospital-a").text
    record = services.enrolment.list_sites()[0]
    assert for_reading_aloud(record.identity_sha256 or "") in page
    assert f'name="request" value="{record.request_sha256}"' in page
    assert "requests came under this name" not in page
    form = {"csrf": "good", "request": record.request_sha256 or ""}
    invite = services.enrolment.create_invite("hospital-a", actor="thief", now=NOW, valid=HOUR)
    services.enrolment.receive_request(make_site("hospital-a").request(invite), now=NOW)
    for exchanged in (form, {"csrf": "good"}):
        assert "SITE_REQUEST_CHANGED" in client.post("/sites/hospital-a/approve", data=exchanged).text
    assert "2 requests came under this name" in client.get("/sites/hospital-a").text
    form["request"] = services.enrolment.list_sites()[0].request_sha256 or ""
    done = client.post("/sites/hospital-a/approve", data=form)
    assert done.headers["location"] == "/sites/hospital-a?done=site-approved"
    assert "The site is approved" in client.get(done.headers["location"]).text
    wrong = client.post("/sites/hospital-a/revoke", data={"csrf": "good", "confirm": "hospital-b"})
    assert (wrong.status_code, "CONFIRMATION" in wrong.text) == (400, True)
    client.post("/sites/hospital-a/revoke", data={"csrf": "good", "confirm": "hospital-a"})
    deeds = [(e.actor, e.action) for e in services.audit.entries()]
    assert [d for d in deeds if d[0] == "somebody"] == [
        ("somebody", "SITE_INVITED"),
        ("somebody", "SITE_APPROVED"),
        ("somebody", "SITE_REVOKED"),
    ]


@pytest.mark.parametrize("name", ["", "Hospital", "a", "a" * 33, "../a", "hospital a"])
def test_site_of_an_impossible_name_is_not_invited(services: Services, runs: FakeRuns, name: str) -> None:
    """SITE_NAME, and nothing in the audit chain."""
    client = client_as(services, runs, Role.ADMINISTRATOR, now=NOW)
    answer = client.post("/sites/invite", data={"csrf": "good", "site": name})
    assert (answer.status_code, "SITE_NAME" in answer.text) == (400, True)
    assert services.enrolment.list_sites() == []


@pytest.mark.parametrize(
    "path", ["/sites/invite", "/sites/hospital-a/approve", "/sites/hospital-a/revoke", f"/runs/{RUN}/stop"]
)
def test_who_may_only_read_changes_nothing(services: Services, runs: FakeRuns, path: str) -> None:
    """Auditor and site representative get 403; so does an administrator whose form lacks the token."""
    for role in (Role.AUDITOR, Role.SITE_REPRESENTATIVE):
        assert client_as(services, runs, role, now=NOW).post(path, data={"csrf": "good"}).status_code == 403
    without = client_as(services, runs, Role.ADMINISTRATOR, now=NOW).post(path)
    assert "CSRF" in without.text
    assert runs.stopped == []


def test_run_is_stopped_from_its_page(services: Services, runs: FakeRuns) -> None:
    """By name of the person."""
    runs.known.append(a_run("a" * 64))
    answer = client_as(services, runs, Role.STUDY_LEAD, now=NOW).post(f"/runs/{RUN}/stop", data={"csrf": "good"})
    assert answer.headers["location"] == f"/runs/{RUN}?done=run-stopping"
    assert runs.stopped == [f"{RUN} by somebody"]


@pytest.mark.parametrize(
    ("asked", "given"),
    [
        ("/runs/run-1", "/runs/run-1"),
        ("", "/"),
        ("//elsewhere", "/"),
        ("https://elsewhere", "/"),
        ("/\\elsewhere", "/"),
        ("/a\r\nb", "/"),
        ("/a b", "/"),
        ("/ä", "/"),
    ],
)
def test_login_leads_back_to_pages_of_this_port_only(asked: str, given: str) -> None:
    """No address of another machine, no header smuggled in."""
    assert inside(asked) == given


def test_unknown_thing_is_a_page_with_its_code(services: Services, runs: FakeRuns) -> None:
    """People get a page, not JSON; a malformed address as well."""
    client = client_as(services, runs, Role.AUDITOR, now=NOW)
    for path, status, code in (
        ("/sites/nobody", 404, "SITE_UNKNOWN"),
        ("/studies/nothing", 404, "STUDY_UNKNOWN"),
        (f"/runs/{RUN}", 404, "RUN_UNKNOWN"),
        (f"/models/{'b' * 64}", 404, "MODEL_UNKNOWN"),
        ("/models/short", 422, "MALFORMED"),
        ("/audit?before=0", 422, "MALFORMED"),
    ):
        answer = client.get(path)
        assert (answer.status_code, code in answer.text) == (status, True), path
        assert answer.headers["content-type"].startswith("text/html")
