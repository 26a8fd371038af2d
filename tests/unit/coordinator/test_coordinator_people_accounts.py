"""Accounts over HTTP: cookies, CSRF, what a token may not do, and a person's way from set-up link to API token."""

from __future__ import annotations

from base64 import b32decode
from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from coordinator_factories import HOUR, NOW, FakeSite, make_person, make_site
from fastapi.testclient import TestClient

from myofed_coordinator.accounts.permissions import Permission, Person, Role
from myofed_coordinator.accounts.second_factor import code_at
from myofed_coordinator.accounts.wire import NewToken
from myofed_coordinator.api.login import COOKIE, DEVICE_COOKIE
from myofed_coordinator.api.people import API, PeoplePort, build_people_app
from myofed_coordinator.services import Services, open_runs
from myofed_schemas.enrolment import Invite

TOKEN = "t" * 43
BEARER = {"authorization": f"Bearer {TOKEN}"}
GOOD = "tibia wren quartz lantern"


class Clock:
    """Stands still until a test moves it."""

    now: datetime = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    """At NOW."""
    return Clock()


@pytest.fixture
def client(services: Services, clock: Clock) -> Iterator[TestClient]:
    """A client of the port over (pretended) TLS."""
    app = build_people_app(PeoplePort(services, open_runs(services), TOKEN, clock))
    with TestClient(app, base_url="https://testserver", follow_redirects=False) as made:
        yield made


def code_of(answer: object) -> str:
    """The code of a refusal."""
    return str(answer.json()["code"])  # type: ignore[attr-defined]


def test_failed_login_gives_no_cookie(client: TestClient, services: Services) -> None:
    """401 and nothing else."""
    make_person(services.accounts, "ann.lee", Role.AUDITOR, now=NOW)
    answer = client.post(f"{API}/session", json={"account": "ann.lee", "password": "wrong", "code": ""})
    assert (answer.status_code, code_of(answer), "set-cookie" in answer.headers) == (401, "LOGIN_FAILED", False)
    answer = client.post(f"{API}/session", json={"account": "ann.lee", "password": "x" * 513})
    assert (answer.status_code, code_of(answer)) == (422, "MALFORMED")


@pytest.mark.parametrize(
    ("method", "path", "sent", "fields"),
    [
        ("POST", "/accounts", {"account": "Peter Mueller", "roles": ["auditor"]}, [("body.account", "of the form ^[a-z]")]),
        ("POST", "/accounts", {"account": "ann", "roles": ["Mueller"]}, [("body.roles.0", "'administrator', 'study-lead'"), ("body.roles", "of length 1")]),
        ("POST", "/accounts", {"roles": ["auditor"], "Mueller": 1}, [("body.account", "a value"), ("body", "no field but")]),
        ("POST", "/accounts", {"account": "ann", "roles": ["auditor"], "site": "mueller"}, [("body", "what the documentation")]),
        ("POST", "/accounts", None, [("body", "a value")]),
        ("GET", "/catalog/cards?page=Mueller", None, [("query.page", "int")]),
        ("GET", "/studies/MUELLER", None, [("path.study_id", "of the form")]),
        ("POST", "/studies", {"draft": {"study_id": 1, "x": {"Mueller": 2}}, "initial_weights_sha256": "Mueller"},
         [("body.initial_weights_sha256", "of the form")]),
    ],
)  # fmt: skip
def test_malformed_request_is_told_its_fields_and_not_what_it_sent(
    client: TestClient, services: Services, method: str, path: str, sent: object, fields: list[tuple[str, str]]
) -> None:
    """Field and form; a value, and a name that is not of the form, may be a patient's."""
    headers = BEARER
    if path == "/studies":
        make_person(services.accounts, "lea", Role.STUDY_LEAD, now=NOW)
        lea = Person("lea", frozenset({Role.STUDY_LEAD}))
        made = services.tokens.make(lea, NewToken(title="t", scope=(Permission.WRITE_STUDIES,)), now=NOW)
        headers = {"authorization": f"Bearer {made.token}"}
    answer = client.request(method, f"{API}{path}", json=sent, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (422, "MALFORMED")
    assert "mueller" not in answer.text.lower()
    told = [(fault["field"], fault["expected"]) for fault in answer.json()["fields"]]
    assert [name for name, _ in told] == [name for name, _ in fields]
    assert all(said.startswith(form) for (_, said), (_, form) in zip(told, fields, strict=True))


def test_refusal_without_fields_is_as_it_was(client: TestClient) -> None:
    """Programs of before take a code and a hint alone."""
    assert client.get(f"{API}/studies/nothing", headers=BEARER).json() == {"code": "STUDY_UNKNOWN", "hint": ""}


def test_person_comes_from_link_to_session_to_token_and_out(
    client: TestClient, services: Services, clock: Clock
) -> None:
    """Each step opens the next one and no other; cookies are out of reach of scripts and other sites."""
    wanted = {"account": "lea", "roles": ["study-lead"]}
    link = client.post(f"{API}/accounts", json=wanted, headers=BEARER)
    assert link.status_code == 201
    secret = link.json()["setup_secret"]
    assert code_of(client.post(f"{API}/setup/offer", json={"secret": "x" * 43})) == "SETUP_UNKNOWN"
    offer = client.post(f"{API}/setup/offer", json={"secret": secret}).json()
    key = b32decode(offer["totp_key"])
    chosen = {"secret": secret, "password": GOOD}
    assert code_of(client.post(f"{API}/setup", json=chosen)) == "SECOND_FACTOR_CODE"
    done = client.post(f"{API}/setup", json={**chosen, "code": code_at(key, now=NOW)})
    assert len(done.json()["recovery_codes"]) == 8
    clock.now = NOW + timedelta(minutes=1)
    login = {"account": "lea", "password": GOOD, "code": code_at(key, now=clock.now)}
    answer = client.post(f"{API}/session", json=login)
    who = answer.json()
    assert (answer.status_code, who["account"], "write-studies" in who["permissions"]) == (200, "lea", True)
    cookies = answer.headers.get_list("set-cookie")
    assert sorted(cookie.partition("=")[0] for cookie in cookies) == [COOKIE, DEVICE_COOKIE]
    for cookie in cookies:
        assert {"HttpOnly", "Secure", "SameSite=strict", "Path=/"} <= {part.strip() for part in cookie.split(";")}
    csrf = {"x-csrf-token": who["csrf"]}
    new = {"title": "nightly", "scope": ["see-runs"], "days": 1}
    assert code_of(client.post(f"{API}/tokens", json=new)) == "CSRF"
    assert code_of(client.post(f"{API}/tokens", json={**new, "scope": ["see-audit"]}, headers=csrf)) == "TOKEN_SCOPE"
    made = client.post(f"{API}/tokens", json=new, headers=csrf).json()
    token = {"authorization": f"Bearer {made['token']}"}
    assert client.get(f"{API}/session", headers=token).json()["permissions"] == ["see-runs"]
    assert client.get(f"{API}/session", headers=token).json()["csrf"] == ""
    assert code_of(client.get(f"{API}/models", headers=token)) == "FORBIDDEN"
    assert [t["token_id"] for t in client.get(f"{API}/tokens").json()] == [made["record"]["token_id"]]
    assert client.delete(f"{API}/tokens/{made['record']['token_id']}", headers=csrf).status_code == 200
    assert code_of(client.get(f"{API}/runs", headers=token)) == "LOGIN_REQUIRED"
    assert client.delete(f"{API}/session", headers=csrf).status_code == 200
    assert code_of(client.get(f"{API}/session")) == "LOGIN_REQUIRED"


@pytest.mark.parametrize("bearer", ["administrator", "own"])
def test_script_does_not_do_what_only_the_person_does(client: TestClient, services: Services, bearer: str) -> None:
    """Whoever finds a token in a script makes no other of it and takes no account over."""
    headers = BEARER
    if bearer == "own":
        make_person(services.accounts, "ann.lee", Role.AUDITOR, now=NOW)
        ann = Person("ann.lee", frozenset({Role.AUDITOR}))
        made = services.tokens.make(ann, NewToken(title="t", scope=(Permission.SEE_RUNS,)), now=NOW)
        headers = {"authorization": f"Bearer {made.token}"}
    answers = [
        client.get(f"{API}/tokens", headers=headers),
        client.post(f"{API}/tokens", json={"title": "t", "scope": ["see-runs"]}, headers=headers),
        client.delete(f"{API}/tokens/tok-0a1b2c3d", headers=headers),
        client.put(f"{API}/account/password", json={"old": "x", "new": GOOD}, headers=headers),
        client.post(f"{API}/account/second-factor", json={"password": "x"}, headers=headers),
        client.put(f"{API}/account/second-factor", json={"password": "x", "code": ""}, headers=headers),
    ]
    assert {(a.status_code, code_of(a)) for a in answers} == {(403, "LOGIN_NEEDED_HERE")}


def signed_in(client: TestClient, services: Services, name: str, role: Role) -> dict[str, str]:
    """This client is a browser of this person; gives the CSRF header."""
    person = make_person(services.accounts, name, role, now=NOW)
    answer = client.post(f"{API}/session", json=person.credentials(now=NOW).model_dump())
    return {"x-csrf-token": answer.json()["csrf"]}


def test_administrator_rules_over_others_and_not_over_the_own_account(client: TestClient, services: Services) -> None:
    """Roles, disable, enable, reset; each with the administrator's name in the chain."""
    csrf = signed_in(client, services, "ann.lee", Role.ADMINISTRATOR)
    make_person(services.accounts, "bob", Role.AUDITOR, now=NOW)
    for deed in ("disable", "enable", "reset"):
        assert code_of(client.post(f"{API}/accounts/ann.lee/{deed}", headers=csrf)) == "ACCOUNT_OWN"
        assert client.post(f"{API}/accounts/bob/{deed}", headers=csrf).status_code == 200
    change = {"roles": ["site-representative"], "site": "hospital-a"}
    assert code_of(client.put(f"{API}/accounts/ann.lee/roles", json=change, headers=csrf)) == "ACCOUNT_OWN"
    assert client.put(f"{API}/accounts/bob/roles", json=change, headers=csrf).json()["site"] == "hospital-a"
    assert client.get(f"{API}/accounts/bob").json() == client.get(f"{API}/accounts").json()[1]
    assert (client.get(f"{API}/accounts/carl").status_code, code_of(client.get(f"{API}/accounts/carl"))) == (
        404,
        "ACCOUNT_UNKNOWN",
    )
    mine = [e.action for e in services.audit.entries() if e.actor == "ann.lee" and e.subject == "bob"]
    assert mine == ["ACCOUNT_DISABLED", "ACCOUNT_ENABLED", "ACCOUNT_RESET", "ACCOUNT_ROLES"]


def test_change_of_password_and_second_factor_ends_the_session(
    client: TestClient, services: Services, clock: Clock
) -> None:
    """Also the one in which it was made; the new ones open."""
    person = make_person(services.accounts, "ann.lee", Role.AUDITOR, now=NOW)
    answer = client.post(f"{API}/session", json=person.credentials(now=NOW).model_dump())
    csrf = {"x-csrf-token": answer.json()["csrf"]}
    assert client.get(f"{API}/account/second-factor").status_code == 405
    asked = {"password": person.password}
    key = b32decode(client.post(f"{API}/account/second-factor", json=asked, headers=csrf).json()["totp_key"])
    taken = {"password": person.password, "code": code_at(key, now=NOW)}
    assert len(client.put(f"{API}/account/second-factor", json=taken, headers=csrf).json()["recovery_codes"]) == 8
    assert client.get(f"{API}/session").status_code == 401
    clock.now = NOW + timedelta(minutes=1)
    login = {"account": "ann.lee", "password": person.password, "code": code_at(key, now=clock.now)}
    csrf = {"x-csrf-token": client.post(f"{API}/session", json=login).json()["csrf"]}
    change = {"old": person.password, "new": GOOD}
    assert client.put(f"{API}/account/password", json=change, headers=csrf).status_code == 200
    assert client.get(f"{API}/session").status_code == 401


def test_login_of_another_browser_session_is_not_kept(client: TestClient, services: Services) -> None:
    """Session fixation over HTTP: the cookie that the browser brought is not the one that it holds afterwards."""
    planted = services.sessions.open("token", method="token", replaces="", now=NOW)
    client.cookies.set(COOKIE, planted)
    signed_in(client, services, "ann.lee", Role.AUDITOR)
    assert client.cookies.get(COOKIE, domain="testserver.local") != planted
    assert services.sessions.person(planted, now=NOW) is None


def test_site_is_invited_approved_and_revoked_by_an_account(client: TestClient, services: Services) -> None:
    """What was a command alone: the invite is shown once, and the chain names the account."""
    csrf = signed_in(client, services, "ann.lee", Role.ADMINISTRATOR)
    answer = client.post(f"{API}/sites/hospital-a/invite", json={}, headers=csrf)
    invite = Invite.model_validate_json(answer.content)
    site: FakeSite = make_site("hospital-a")
    assert client.post("/enrol", content=site.request(invite).model_dump_json()).json()["state"] == "pending"
    for seen, code in (
        ({"request_sha256": "0" * 64}, "SITE_REQUEST_CHANGED"),
        ({"fingerprint": "0" * 64}, "SITE_FINGERPRINT"),
    ):
        assert code_of(client.post(f"{API}/sites/hospital-a/approve", json=seen, headers=csrf)) == code
    record = client.get(f"{API}/sites").json()[0]
    seen = {"request_sha256": record["request_sha256"], "fingerprint": record["identity_sha256"]}
    assert client.post(f"{API}/sites/hospital-a/approve", json=seen, headers=csrf).json()["state"] == "approved"
    assert code_of(client.post(f"{API}/sites/hospital-a/invite", json={}, headers=csrf)) == "SITE_ENROLLED"
    assert client.post(f"{API}/sites/hospital-a/revoke", headers=csrf).json()["state"] == "revoked"
    assert code_of(client.post(f"{API}/sites/hospital-z/approve", headers=csrf)) == "SITE_UNKNOWN"
    done = [(e.actor, e.action) for e in services.audit.entries() if e.subject == "hospital-a"]
    assert done == [
        ("ann.lee", "SITE_INVITED"),
        ("hospital-a", "SITE_ASKED"),
        ("ann.lee", "SITE_APPROVED"),
        ("ann.lee", "SITE_REVOKED"),
    ]


def test_guesses_at_tokens_and_links_are_slowed_down(client: TestClient, clock: Clock) -> None:
    """Ten a minute; the right token opens all the same, and a minute later everything does."""
    codes = [code_of(client.get(f"{API}/runs", headers={"authorization": f"Bearer myofed_{n}"})) for n in range(11)]
    assert codes == ["LOGIN_REQUIRED"] * 10 + ["TOO_MANY_ATTEMPTS"]
    assert client.get(f"{API}/runs", headers=BEARER).status_code == 200
    codes = [code_of(client.post(f"{API}/setup/offer", json={"secret": f"{n}" * 30})) for n in (1, 2, 3, 4, 5) * 2]
    assert codes == ["SETUP_UNKNOWN"] * 10
    assert code_of(client.post(f"{API}/setup/offer", json={"secret": "9" * 30})) == "TOO_MANY_ATTEMPTS"
    clock.now = NOW + HOUR
    assert code_of(client.post(f"{API}/setup/offer", json={"secret": "9" * 30})) == "SETUP_UNKNOWN"


def test_four_eyes_over_http(client: TestClient, services: Services) -> None:
    """A lead asks, the lead cannot confirm, an administrator does; unknown ids have their codes."""
    csrf = signed_in(client, services, "lea", Role.STUDY_LEAD)
    assert code_of(client.post(f"{API}/starts", json={"study_id": "nothing"}, headers=csrf)) == "STUDY_UNKNOWN"
    assert code_of(client.post(f"{API}/starts/start-0a1b2c3d/confirm", headers=csrf)) == "FORBIDDEN"
    refused = client.post(f"{API}/starts/start-0a1b2c3d/confirm", headers=BEARER)
    assert (refused.status_code, code_of(refused)) == (404, "START_UNKNOWN")
    assert client.get(f"{API}/starts", headers=BEARER).json() == []
