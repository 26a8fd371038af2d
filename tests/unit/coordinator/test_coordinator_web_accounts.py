"""Pages of accounts: let in by a one-time link, log in with password and code, change the own account, shut out."""

from __future__ import annotations

import html
import re
from base64 import b32decode
from datetime import datetime, timedelta

import pytest
from coordinator_factories import NOW
from fastapi.testclient import TestClient
from web_factories import TOKEN, FakeRuns, Nesting, words_of

from myofed_coordinator.accounts.permissions import Role
from myofed_coordinator.accounts.second_factor import code_at
from myofed_coordinator.accounts.wire import NewAccount
from myofed_coordinator.api.people import PeoplePort, build_people_app
from myofed_coordinator.services import Services

PASSWORD = "tibia wren quartz lantern"


@pytest.fixture
def database_url() -> str | None:
    """SQLite only: the services have their own tests on both; `make prove NAME=pages` walks on both."""
    return None


class Window:
    """A browser without JavaScript, at a moment that a test moves."""

    def __init__(self, services: Services) -> None:
        self.now = NOW
        app = build_people_app(PeoplePort(services, FakeRuns(), TOKEN, self.moment))
        self.client = TestClient(app, base_url="https://testserver", follow_redirects=False)

    def moment(self) -> datetime:
        return self.now

    def csrf(self, path: str) -> str:
        return re.findall(r'name="csrf" value="([^"]+)"', self.client.get(path).text)[0]

    def post(self, path: str, at: str, **fields: object) -> str:
        """Sends the form on page `at`; gives the page that follows."""
        answer = self.client.post(path, data={"csrf": self.csrf(at), **fields})
        if answer.status_code == 303:
            return self.client.get(answer.headers["location"]).text
        reader = Nesting()
        reader.feed(answer.text)
        assert reader.open == []
        return answer.text


def key_on(page: str) -> bytes:
    typed = re.findall(r'class="key-text"><code>([^<]+)<', page)[0].replace(" ", "")
    return b32decode(typed + "=" * (-len(typed) % 8))


def link_on(page: str) -> str:
    return html.unescape(re.findall(r"https://[^<]+/setup#[\w-]+", page)[0])


@pytest.fixture
def window(services: Services) -> Window:
    """Signed in by the administrator's token."""
    made = Window(services)
    assert made.client.post("/login", data={"token": TOKEN}).status_code == 303
    return made


def set_up(window: Window, account: str, role: Role) -> bytes:
    """The account is made by page and set up by its link; gives the second factor's key."""
    page = window.post("/accounts", "/accounts", account=account, role=str(role))
    link = link_on(page)
    offered = window.client.post("/setup/offer", data={"secret": link}).text
    key = key_on(offered)
    assert 'role="img" aria-label="QR code of the second factor for' in offered
    assert "style=" not in offered
    answer = {"secret": link, "password": PASSWORD, "again": PASSWORD, "code": code_at(key, now=window.now)}
    ready = window.client.post("/setup", data=answer)
    assert "Your account is ready" in ready.text
    assert len(re.findall(r"<li><code>", ready.text)) == 8
    return key


def test_person_is_let_in_by_link_and_logs_in_with_password_and_code(window: Window, services: Services) -> None:
    """The whole way by pages; a second use of the link opens nothing."""
    key = set_up(window, "ann.lee", Role.STUDY_LEAD)
    other = Window(services)
    other.now = NOW + timedelta(minutes=1)
    wrong = other.client.post("/login", data={"account": "ann.lee", "password": PASSWORD, "code": "000000"})
    assert (wrong.status_code, "do not fit together" in wrong.text) == (401, True)
    entered = other.client.post(
        "/login?next=x",
        data={"account": "ann.lee", "password": PASSWORD, "code": code_at(key, now=other.now), "next": "/studies"},
    )
    assert entered.headers["location"] == "/studies"
    assert "ann.lee" in other.client.get("/studies").text
    assert other.client.get("/accounts").status_code == 403


@pytest.mark.parametrize("secret", ["", "x", "https://elsewhere/setup#abc", "a" * 43])
def test_wrong_set_up_link_opens_nothing(services: Services, secret: str) -> None:
    """Said in words, with no account named; after ten in a minute the page asks to wait."""
    client = Window(services).client
    answers = [client.post("/setup/offer", data={"secret": secret}) for _ in range(11)]
    assert "This link is not valid" in words_of(answers[0].text)
    assert "Too many failed attempts" in answers[-1].text


def test_set_up_that_fails_is_asked_again_with_the_same_key(window: Window) -> None:
    """Two different passwords, a weak one, a wrong code: each said, nothing lost, nothing set."""
    link = link_on(window.post("/accounts", "/accounts", account="ann.lee", role="study-lead"))
    key = key_on(window.client.post("/setup/offer", data={"secret": link}).text)
    code = code_at(key, now=window.now)
    for password, again, given, said in (
        (PASSWORD, "other", code, "not the same"),
        ("short", "short", code, "PASSWORD_WEAK"),
        (PASSWORD, PASSWORD, "000000", "That code does not fit"),
        ("", "", code, "MALFORMED"),
    ):
        answer = window.client.post(
            "/setup", data={"secret": link, "password": password, "again": again, "code": given}
        )
        assert said in answer.text
        assert key_on(answer.text) == key


def test_account_is_changed_and_shut_out_by_its_page(window: Window, services: Services) -> None:
    """Roles, new link, disable, enable; each in the audit chain."""
    set_up(window, "ben", Role.STUDY_LEAD)
    assert "has these roles" in window.post("/accounts/ben/roles", "/accounts/ben", role="auditor")
    assert services.accounts.show("ben").roles == (Role.AUDITOR,)
    assert "shut out" in window.post("/accounts/ben/disable", "/accounts/ben")
    assert "opens again" in window.post("/accounts/ben/enable", "/accounts/ben")
    assert "/setup#" in window.post("/accounts/ben/reset", "/accounts/ben")
    actions = [entry.action for entry in services.audit.entries()]
    for action in ("ACCOUNT_ROLES", "ACCOUNT_DISABLED", "ACCOUNT_ENABLED", "ACCOUNT_RESET"):
        assert action in actions


@pytest.mark.parametrize(
    "fields",
    [
        {"account": "ann"},
        {"account": "Ann Lee", "role": "auditor"},
        {"account": "ann", "role": "emperor"},
        {"account": "ann", "role": "site-representative"},
        {"account": "ann", "role": "auditor", "site": "hospital-a"},
    ],
)
def test_impossible_account_is_not_made(window: Window, services: Services, fields: dict[str, str]) -> None:
    """ACCOUNT_FORM, and nobody is let in."""
    assert "ACCOUNT_FORM" in window.post("/accounts", "/accounts", **fields)
    assert services.accounts.list_accounts() == []


def test_own_account_is_changed_on_the_profile(window: Window, services: Services) -> None:
    """Token made and revoked, second factor replaced, password changed: every session ends with it."""
    key = set_up(window, "cy", Role.ADMINISTRATOR)
    own = Window(services)
    own.now = NOW + timedelta(minutes=1)
    credentials = {"account": "cy", "password": PASSWORD}
    own.client.post("/login", data={**credentials, "code": code_at(key, now=own.now)})
    assert "your own account" in own.client.get("/accounts/cy").text

    made = own.post("/profile/tokens", "/profile", title="nightly export", scope="see-catalog", days="7")
    token = re.findall(r"myofed_[\w-]+", made)[0]
    assert own.client.get("/api/v1/catalog", headers={"authorization": f"Bearer {token}"}).status_code == 200
    assert "TOKEN_FORM" in own.post("/profile/tokens", "/profile", title="nothing", days="7")
    assert "TOKEN_FORM" in own.post("/profile/tokens", "/profile", title="x", scope="see-catalog", days="soon")
    token_id = re.findall(r"/profile/tokens/(tok-\w+)/revoke", own.client.get("/profile").text)[0]
    assert "opens nothing" in own.post(f"/profile/tokens/{token_id}/revoke", "/profile")

    assert "LOGIN_FAILED" in own.post("/profile/second-factor/offer", "/profile", password="another one")
    new_key = key_on(own.post("/profile/second-factor/offer", "/profile", password=PASSWORD))
    taken = own.post(
        "/profile/second-factor", "/profile", password=PASSWORD, code=code_at(new_key, now=own.now)
    )  # fmt: skip
    assert "These recovery codes" in words_of(taken)
    own.now += timedelta(minutes=1)
    own.client.post("/login", data={**credentials, "code": code_at(new_key, now=own.now)})
    refused = own.post("/profile/password", "/profile", old=PASSWORD, new="one two three four", again="another")
    assert "PASSWORD_REPEATED" in refused
    changed = own.post(
        "/profile/password", "/profile", old=PASSWORD, new="one two three four", again="one two three four"
    )
    assert "The password is changed" in changed
    assert own.client.get("/profile").status_code == 303


def test_holder_of_the_token_has_no_account_to_change(window: Window) -> None:
    """The page says so, and its forms are not there; sent by hand they are refused."""
    page = window.client.get("/profile").text
    assert "which has no account" in page
    assert "/profile/tokens" not in page
    for path in ("/profile/password", "/profile/second-factor", "/profile/tokens"):
        assert "LOGIN_NEEDED_HERE" in window.post(path, "/profile", new="a", again="a", title="t", scope="see-runs")


def test_reserved_and_taken_names_are_refused(window: Window, services: Services) -> None:
    """ACCOUNT_EXISTS for both."""
    services.accounts.add(NewAccount(account="dee", roles=(Role.AUDITOR,)), actor="admin", now=NOW)
    for name in ("dee", "token"):
        assert "ACCOUNT_EXISTS" in window.post("/accounts", "/accounts", account=name, role="auditor")


@pytest.mark.parametrize("deed", ["roles", "reset", "disable", "enable"])
def test_own_account_is_not_changed_by_its_page_either(window: Window, services: Services, deed: str) -> None:
    """A form sent by hand is refused as the API refuses it: no administrator makes itself a study lead."""
    key = set_up(window, "cy", Role.ADMINISTRATOR)
    own = Window(services)
    own.now = NOW + timedelta(minutes=1)
    own.client.post("/login", data={"account": "cy", "password": PASSWORD, "code": code_at(key, now=own.now)})
    before = services.accounts.show("cy")
    assert "ACCOUNT_OWN" in own.post(f"/accounts/cy/{deed}", "/profile", role="study-lead")
    assert services.accounts.show("cy") == before
    assert own.client.get("/accounts").status_code == 200
