"""Signing in at an identity provider: every spoiled answer is refused, then the way in, over TLS, on both databases."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from threading import Event, Semaphore, Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from coordinator_factories import HOUR, NOW
from fake_provider import CLIENT, SECRET, FakeProvider, served
from fastapi.testclient import TestClient
from pydantic import ValidationError
from sqlalchemy import delete

from myofed_coordinator.accounts.identity_provider import DISCOVERY_LASTS, TALKS_AT_ONCE, Handshake, IdentityProvider
from myofed_coordinator.accounts.login import ADDRESS_WINDOW, PER_ADDRESS
from myofed_coordinator.accounts.models import ApiTokenRow, SessionRow
from myofed_coordinator.accounts.oidc_settings import GrantedRole, OidcSettings
from myofed_coordinator.accounts.permissions import Permission, Person, Role
from myofed_coordinator.accounts.wire import NewAccount, NewToken
from myofed_coordinator.api.people import API, PeoplePort, build_people_app
from myofed_coordinator.services import Services, open_runs, open_services
from myofed_schemas.clock import utc_text
from myofed_schemas.errors import MyofedError

TOKEN = "t" * 43
ROLES = {
    "leads": GrantedRole(role=Role.STUDY_LEAD),
    "admins": GrantedRole(role=Role.ADMINISTRATOR),
    "rep-a": GrantedRole(role=Role.SITE_REPRESENTATIVE, site="hospital-a"),
    "rep-b": GrantedRole(role=Role.SITE_REPRESENTATIVE, site="hospital-b"),
}


class Browser:
    """A client of the port that goes to the provider and back."""

    def __init__(self, client: TestClient, provider: FakeProvider, services: Services, moment: list[Any]) -> None:
        self.client = client
        self.provider = provider
        self.services = services
        self.moment = moment

    def go(self) -> dict[str, str]:
        answer = self.client.get("/oidc/login")
        assert answer.headers["location"].startswith(f"{self.provider.issuer}/authorize?tenant=1&"), answer.headers
        return self.provider.sign_in(answer.headers["location"])

    def come_back(self, parameters: dict[str, str]) -> str:
        """The code of the refusal, or the name of who is signed in."""
        answer = self.client.get("/oidc/callback", params=parameters)
        if answer.status_code == 303:
            return parse_qs(urlsplit(answer.headers["location"]).query)["refused"][0]
        assert (answer.status_code, 'content="0;url=/"' in answer.text) == (200, True)
        return str(self.client.get(f"{API}/session").json()["account"])

    def sign_in(self) -> str:
        return self.come_back(self.go())


@pytest.fixture
def browser(services: Services, tmp_path: Path) -> Iterator[Browser]:
    """A browser, and a provider that the home is configured for."""
    provider, moment = FakeProvider(NOW), [NOW]
    with served(provider, tmp_path) as ca:
        shutil.copy(ca, services.home.keys / "provider-ca.pem")
        (services.home.keys / "oidc.secret").write_text(SECRET + "\n")
        settings = OidcSettings(issuer=provider.issuer + "/", client_id=CLIENT, ca_file="provider-ca.pem", roles=ROLES)
        configured = open_services(services.home, services.config.model_copy(update={"oidc": settings}))
        app = build_people_app(PeoplePort(configured, open_runs(configured), TOKEN, lambda: moment[0]))
        with TestClient(app, base_url="https://testserver", follow_redirects=False) as client:
            yield Browser(client, provider, configured, moment)
        configured.close()


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    "spoil",
    [
        {"claims": {"nonce": "another"}},
        {"claims": {"nonce": None}},
        {"claims": {"aud": "another"}},
        {"claims": {"aud": [CLIENT, "another"], "azp": "another"}},
        {"claims": {"iss": "https://127.0.0.1:1"}},
        {"claims": {"exp": int((NOW - HOUR).timestamp())}},
        {"claims": {"exp": None}},
        {"claims": {"sub": ""}},
        {"claims": {"sub": 7}},
        {"claims": {"sub": "s" * 256}},
        {"claims": {"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"}},
        {"signing": "other"},
        {"signing": "none"},
        {"signing": "shared"},
        {"/token": (200, b"{}")},
        {"/token": (200, b"not json")},
        {"/token": (200, b"x" * 300_000)},
        {"/token": (302, b"")},
        {"/token": (500, b"")},
        {"/jwks": (200, b'{"keys": []}')},
        {"/jwks": (200, b'{"keys": [{"kty": "none"}]}')},
    ],
)
def test_spoiled_answer_of_the_provider_lets_nobody_in(browser: Browser, spoil: dict[str, Any]) -> None:
    """Nonce, audience, issuer, time, subject, signature, algorithm, form: one that is not right is enough."""
    browser.provider.spoil = spoil
    assert browser.sign_in() == "OIDC_ANSWER"
    assert browser.services.accounts.list_accounts() == []
    assert browser.client.get(f"{API}/session").status_code == 401


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    "discovery", [{"issuer": "https://127.0.0.1:1"}, {"token_endpoint": "http://127.0.0.1/token"}, {"jwks_uri": None}]
)
def test_discovery_of_another_issuer_or_without_tls_is_refused(browser: Browser, discovery: dict[str, Any]) -> None:
    """No browser is led anywhere, and no secret leaves."""
    browser.provider.spoil = {"discovery": discovery}
    answer = browser.client.get("/oidc/login")
    assert answer.headers["location"] == "/login?refused=OIDC_ANSWER"


def test_return_that_this_browser_did_not_begin_is_refused(browser: Browser) -> None:
    """Another state, no cookie, an old one, another issuer, or the same return twice."""
    back = browser.go()
    assert browser.come_back({**back, "state": "another"}) == "OIDC_STATE"
    assert browser.come_back(back) == "OIDC_STATE"  # the cookie is gone with the first return
    back = browser.go()
    assert browser.come_back({**back, "iss": "https://evil.example"}) == "OIDC_STATE"
    back = browser.go()
    browser.moment[0] = NOW + HOUR
    assert browser.come_back(back) == "OIDC_STATE"
    assert browser.come_back({}) == "OIDC_STATE"
    browser.client.cookies.set("__Host-myofed-oidc", "AAAA")
    assert browser.come_back(back) == "OIDC_STATE"


def test_code_of_another_attempt_is_refused(browser: Browser) -> None:
    """PKCE: a stolen code opens nothing without the verifier of its own attempt."""
    stolen = browser.go()["code"]
    back = browser.go()
    assert browser.come_back({**back, "code": stolen}) == "OIDC_ANSWER"


def test_refusal_of_the_provider_is_told(browser: Browser) -> None:
    """It answers without a code."""
    back = browser.go()
    assert browser.come_back({"state": back["state"], "error": "access_denied"}) == "OIDC_DENIED"


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("groups", [[], ["others"], "others", None, [7], {"leads": True}])
def test_no_account_is_made_without_a_mapping(browser: Browser, groups: Any) -> None:
    """Whoever the provider knows is nobody here unless a value of the claim means a role."""
    browser.provider.claims["groups"] = groups
    assert browser.sign_in() == "OIDC_NO_ROLE"
    assert browser.services.accounts.list_accounts() == []


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("name", ["Ann Lee", "", None, "token", "root", "x" * 49, "bob"])
def test_name_that_is_none_or_another_persons_is_refused(browser: Browser, name: Any) -> None:
    """Nobody takes over a local account by having its name at the provider."""
    browser.services.accounts.add(NewAccount(account="bob", roles=(Role.AUDITOR,)), actor="token", now=NOW)
    browser.provider.claims["preferred_username"] = name
    assert browser.sign_in() == "OIDC_NAME"


def test_person_cannot_speak_for_two_sites(browser: Browser) -> None:
    """The first thing that a representative's account says is for whom."""
    browser.provider.claims["groups"] = ["rep-a", "rep-b"]
    assert browser.sign_in() == "OIDC_NAME"


def test_first_login_makes_the_account_and_each_login_its_roles(browser: Browser) -> None:
    """The provider's groups of today count; one that lost them all has no session any more."""
    assert browser.sign_in() == "ann.lee"
    who = browser.client.get(f"{API}/session").json()
    assert who["roles"] == ["study-lead"]
    assert browser.client.get("/").status_code == 200
    browser.provider.claims.update(groups=["admins", "rep-a"], preferred_username="renamed")
    assert browser.sign_in() == "ann.lee"
    account = browser.services.accounts.show("ann.lee")
    assert (account.roles, account.site, account.oidc) == (
        (Role.ADMINISTRATOR, Role.SITE_REPRESENTATIVE),
        "hospital-a",
        True,
    )
    browser.provider.claims["groups"] = []
    assert browser.sign_in() == "OIDC_NO_ROLE"
    assert browser.client.get(f"{API}/session").status_code == 401
    actions = [(e.actor, e.action) for e in browser.services.audit.entries()][1:]
    assert actions == [
        ("system", "ACCOUNT_ADDED"),
        ("ann.lee", "SIGNED_IN"),
        ("system", "ACCOUNT_ROLES"),
        ("ann.lee", "SIGNED_IN"),
        ("system", "ACCOUNT_LOST_ROLES"),
    ]


def test_api_token_ends_where_the_provider_gives_no_role_any_more(browser: Browser) -> None:
    """Who left the group does not go on by a token that was made before."""
    assert browser.sign_in() == "ann.lee"
    csrf = {"x-csrf-token": browser.client.get(f"{API}/session").json()["csrf"]}
    wish = {"title": "script", "scope": ["see-catalog"], "days": 30}
    token = browser.client.post(f"{API}/tokens", json=wish, headers=csrf).json()["token"]
    held = {"authorization": f"Bearer {token}"}
    assert browser.client.get(f"{API}/catalog", headers=held).status_code == 200
    browser.provider.claims["groups"] = []
    assert browser.sign_in() == "OIDC_NO_ROLE"
    assert browser.client.get(f"{API}/catalog", headers=held).status_code == 401


def test_api_token_opens_for_thirty_days_after_the_login_at_the_provider(browser: Browser) -> None:
    """The provider does not tell that somebody was removed: longer ones are refused, and one made for longer is over."""
    assert browser.sign_in() == "ann.lee"
    browser.moment[0] = NOW + timedelta(minutes=50)
    csrf = {"x-csrf-token": browser.client.get(f"{API}/session").json()["csrf"]}
    wish = {"title": "script", "scope": ["see-catalog"], "days": 31}
    answer = browser.client.post(f"{API}/tokens", json=wish, headers=csrf)
    assert (answer.status_code, answer.json()["code"]) == (403, "TOKEN_DAYS")
    assert '"90"' not in browser.client.get("/profile").text
    made = browser.client.post(f"{API}/tokens", json={**wish, "days": 30}, headers=csrf).json()
    assert made["record"]["expires_at"] == utc_text(NOW + timedelta(days=30))
    with browser.services.database.write() as session:
        session.get_one(ApiTokenRow, made["record"]["token_id"]).expires_at = utc_text(NOW + timedelta(days=365))
    held, month = {"authorization": f"Bearer {made['token']}"}, browser.moment[0] + timedelta(days=30)
    browser.moment[0] = month - timedelta(seconds=1)
    assert browser.client.get(f"{API}/catalog", headers=held).status_code == 200
    browser.moment[0] = month
    assert browser.client.get(f"{API}/catalog", headers=held).status_code == 401
    assert browser.services.tokens.list_tokens("ann.lee", now=month) == []


def test_api_token_without_a_login_at_the_provider_is_refused(browser: Browser) -> None:
    """Where no login is known, nothing says that the provider still knows the person."""
    assert browser.sign_in() == "ann.lee"
    with browser.services.database.write() as session:
        session.execute(delete(SessionRow))
    wish = NewToken(title="script", scope=(Permission.SEE_CATALOG,), days=1)
    with pytest.raises(MyofedError) as caught:
        browser.services.tokens.make(Person("ann.lee", frozenset({Role.STUDY_LEAD})), wish, now=NOW)
    assert caught.value.code == "TOKEN_DAYS"


def test_disabled_account_stays_out_whatever_the_provider_says(browser: Browser) -> None:
    """And it has no password, no roles and no second factor that could be changed here."""
    browser.sign_in()
    browser.services.accounts.disable("ann.lee", actor="token", now=NOW)
    assert browser.sign_in() == "LOGIN_FAILED"
    browser.services.accounts.enable("ann.lee", actor="token", now=NOW)
    assert browser.sign_in() == "ann.lee"
    csrf = {"x-csrf-token": browser.client.get(f"{API}/session").json()["csrf"]}
    change = {"old": "x", "new": "tibia wren quartz lantern"}
    answers = [
        browser.client.put(f"{API}/account/password", json=change, headers=csrf),
        browser.client.post(f"{API}/account/second-factor", json={"password": "x"}, headers=csrf),
    ]
    assert [answer.json()["code"] for answer in answers] == ["ACCOUNT_OIDC"] * 2
    login = {"account": "ann.lee", "password": "", "code": ""}
    assert browser.client.post(f"{API}/session", json={**login, "password": "x"}).json()["code"] == "LOGIN_FAILED"


def test_attempt_asks_for_a_code_with_pkce_state_and_nonce(browser: Browser) -> None:
    """What goes through the browser is ours to check again; the secret never does."""
    browser.sign_in()
    browser.sign_in()
    first, second = browser.provider.asked
    assert (first["response_type"], first["code_challenge_method"], first["scope"]) == (
        "code",
        "S256",
        "openid profile",
    )
    assert first["redirect_uri"] == "https://127.0.0.1:8443/oidc/callback"
    for name in ("state", "nonce", "code_challenge"):
        assert len(first[name]) >= 43
        assert first[name] != second[name]
    assert SECRET not in str(browser.provider.asked)


def test_secret_in_the_form_where_the_provider_wants_it_so(browser: Browser) -> None:
    """`client_secret_post`."""
    browser.provider.spoil = {"discovery": {"token_endpoint_auth_methods_supported": ["client_secret_post"]}}
    assert browser.sign_in() == "ann.lee"


def test_provider_that_is_away_or_unknown_to_us_is_told(browser: Browser) -> None:
    """No CA, no secret, nobody there: each its code, at the login page."""
    keys = browser.services.home.keys
    back = browser.go()
    (keys / "oidc.secret").write_text("")
    assert browser.come_back(back) == "OIDC_SETTINGS"
    back = browser.go()
    (keys / "oidc.secret").unlink()
    assert browser.come_back(back) == "OIDC_SETTINGS"
    browser.moment[0] = NOW + DISCOVERY_LASTS  # what it said of itself is kept no longer
    shutil.copy(browser.services.home.ca, keys / "provider-ca.pem")
    assert browser.client.get("/oidc/login").headers["location"] == "/login?refused=OIDC_UNREACHABLE"
    (keys / "provider-ca.pem").unlink()
    assert browser.client.get("/oidc/login").headers["location"] == "/login?refused=OIDC_SETTINGS"


def test_provider_is_asked_about_itself_once_in_ten_minutes(browser: Browser) -> None:
    """Who calls the public page again and again makes no work there, and waits for nobody here."""
    browser.sign_in()
    browser.provider.spoil = {"/.well-known/openid-configuration": (500, b"")}
    assert browser.sign_in() == "ann.lee"
    browser.moment[0] = NOW + DISCOVERY_LASTS - timedelta(seconds=1)
    browser.go()
    browser.moment[0] = NOW + DISCOVERY_LASTS
    assert browser.client.get("/oidc/login").headers["location"] == "/login?refused=OIDC_ANSWER"


def test_address_that_goes_to_the_provider_again_and_again_is_slowed_down(browser: Browser) -> None:
    """Ways there and back that lead to no login count; those that do lead to one do not."""
    for _ in range(PER_ADDRESS):
        assert browser.sign_in() == "ann.lee"
    back = browser.go()
    for _ in range(PER_ADDRESS - 1):
        assert browser.come_back({**back, "state": "another"}) == "OIDC_STATE"
    assert browser.client.get("/oidc/login").headers["location"] == "/login?refused=TOO_MANY_ATTEMPTS"
    assert browser.come_back(back) == "TOO_MANY_ATTEMPTS"
    browser.moment[0] = NOW + ADDRESS_WINDOW
    assert browser.sign_in() == "ann.lee"


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_provider_that_hangs_keeps_few_threads(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    """So many wait for it; the next is refused at once, and after they are through there is room again."""
    settings = OidcSettings(issuer="https://127.0.0.1:1", client_id=CLIENT, roles=ROLES)
    provider = IdentityProvider(settings, keys=services.home.keys, redirect_uri="https://x.example/oidc/callback")
    waiting, go_on, codes = Semaphore(0), Event(), list[str]()

    def hangs(*_arguments: object, **_named: object) -> bytes:
        waiting.release()
        assert go_on.wait(20)
        return b"{}"

    def ask() -> None:
        with pytest.raises(MyofedError) as caught:
            provider.authorization_url(Handshake("s", "n", "v" * 43), now=NOW)
        codes.append(caught.value.code)

    monkeypatch.setattr("myofed_coordinator.accounts.identity_provider._sent", hangs)
    crowd = [Thread(target=ask) for _ in range(TALKS_AT_ONCE)]
    for thread in crowd:
        thread.start()
    try:
        for _ in crowd:
            assert waiting.acquire(timeout=20)
        ask()
        assert codes == ["OIDC_BUSY"]
    finally:
        go_on.set()
        for thread in crowd:
            thread.join()
    ask()
    assert codes[1:] == ["OIDC_ANSWER"] * (TALKS_AT_ONCE + 1)


def test_paths_exist_only_where_a_provider_is_configured(services: Services) -> None:
    """Nothing answers there otherwise."""
    app = build_people_app(PeoplePort(services, open_runs(services), TOKEN, lambda: NOW))
    with TestClient(app, base_url="https://testserver", follow_redirects=False) as client:
        assert client.get("/oidc/login").status_code == 404


@pytest.mark.parametrize(
    "change",
    [
        {"issuer": "http://provider.example"},
        {"roles": {}},
        {"client_secret_file": "../ca.key"},
        {"roles": {"x": {"role": "site-representative"}}},
        {"roles": {"x": {"role": "auditor", "site": "hospital-a"}}},
        {"secret": "inline"},
    ],
)
def test_settings_that_do_not_hold_are_refused(change: dict[str, Any]) -> None:
    """TLS only, at least one role, a site exactly with its role, no secret in config.yaml."""
    right = {"issuer": "https://provider.example", "client_id": "x", "roles": {"a": {"role": "auditor"}}}
    assert OidcSettings.model_validate(right).roles["a"].role is Role.AUDITOR
    with pytest.raises(ValidationError):
        OidcSettings.model_validate({**right, **change})
