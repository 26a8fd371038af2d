"""The pages in a real browser: every page of the administrator in light, dark and at 320 px, without JavaScript, by keyboard.

The long walk (every role, both databases, every look) is `make prove NAME=pages`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pages_harness as harness
import pytest
from pages_harness import RUNNING, Looker, Seeded
from pages_walk import LOOKS, findings_of, grave_findings, log_in, log_in_by_token, pages_of, tab_stops
from playwright.sync_api import Browser, expect

from myofed_coordinator.accounts.permissions import Role
from myofed_coordinator.accounts.wire import NewAccount
from myofed_coordinator.api.__main__ import build_app
from myofed_coordinator.config import load_config
from myofed_schemas.clock import system_now

pytestmark = [
    pytest.mark.functional,
    pytest.mark.skipif(not Path(harness.CHROMIUM).exists(), reason="no chromium on this machine (make system-deps)"),
]


LEADS = frozenset({"ask", "wizard", "wizard-sites", "wizard-network", "wizard-training", "wizard-review"})
"""Pages of study leads alone; an administrator is refused."""


@dataclass(frozen=True)
class Port:
    """The seeded coordinator as a browser finds it."""

    seeded: Seeded
    address: str
    opened: Browser

    def token(self) -> str:
        return self.seeded.home.admin_token.read_text().strip()


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Port]:
    """One coordinator and one browser for all tests here."""
    seeded = harness.seed(tmp_path_factory.mktemp("pages"))
    config = load_config(seeded.home)
    app = build_app(seeded.home, config)
    with harness.served(app, seeded.home, config.people) as address, harness.browser() as opened:
        yield Port(seeded, address, opened)
    seeded.services.close()


@pytest.fixture
def it(port: Port) -> Iterator[Looker]:
    """A window of the administrator, signed in."""
    with harness.looker(port.opened, port.address, **LOOKS["light"]) as made:
        log_in_by_token(made, port.token())
        yield made


@pytest.mark.parametrize("look", list(LOOKS))
def test_every_page_is_free_of_grave_findings_and_console_errors(port: Port, look: str) -> None:
    """axe-core: 0 serious or critical; nothing in the console; nothing wider than the window; strict policy."""
    with harness.looker(port.opened, port.address, **LOOKS[look]) as window:
        found = findings_of(window, "/login", look=look, picture="login", short=True)
        log_in_by_token(window, port.token())
        pages = pages_of(port.seeded)
        for name in pages.keys() - LEADS:
            found += findings_of(window, pages[name], look=look, picture=name, short=True)
    assert found == []


def test_person_is_led_through_login_and_sees_what_the_role_allows(port: Port) -> None:
    """Password and code by the form, then exactly the navigation of the role; a page beyond it is refused in words."""
    person = port.seeded.people[Role.STUDY_LEAD]
    with harness.looker(port.opened, port.address, **LOOKS["light"]) as window:
        log_in(window, person, now=system_now())
        links = window.page.locator("header nav a").all_inner_texts()
        assert links == ["Overview", "Sites", "Catalog", "Count", "Requests", "Studies", "Runs", "Models"]
        window.go("/audit")
        assert "FORBIDDEN" in window.page.inner_text(".notice")
        pages = pages_of(port.seeded)
        assert [f for name in sorted(LEADS) for f in findings_of(window, pages[name], look="light", picture=name)] == []
        window.go("/studies/shoulder-muscles")
        window.page.click("text=Ask for a run")
        assert "Somebody else must confirm" in window.page.inner_text(".notice")
        assert grave_findings(window) == []


@pytest.mark.parametrize("look", ["light", "dark"])
def test_second_factor_is_drawn_as_a_code_on_white(port: Port, look: str) -> None:
    """Named for who cannot see it, free of grave findings, under the strict policy; no wider than the page."""
    new = NewAccount(account=f"new.{look}", roles=(Role.STUDY_LEAD,))
    link = port.seeded.services.accounts.add(new, actor="token", now=system_now())
    with harness.looker(port.opened, port.address, **LOOKS[look]) as window:
        window.complaints.clear()
        window.go("/setup")
        window.page.fill("#secret", link.setup_secret)
        window.page.click("text=Go on")
        code = window.page.get_by_role("img", name=f"QR code of the second factor for new.{look}")
        box = code.bounding_box()
        assert box is not None
        assert box["width"] > 150
        drawn = window.page.locator(".qr svg")
        assert drawn.evaluate("one => getComputedStyle(one).backgroundColor") == "rgb(255, 255, 255)"
        assert window.page.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0
        assert grave_findings(window) == []
        assert window.complaints == []
        window.picture(f"set-up-offer-{look}")


def test_choice_in_the_catalog_narrows_without_loading_the_page_again(it: Looker) -> None:
    """A ticked box asks at once, the address follows, the focus stays on the box, the result is announced."""
    it.go("/catalog")
    it.page.evaluate("window.kept = true")
    it.page.check("#region-shoulder")
    expect(it.page.locator(".cards > li")).to_have_count(1)
    assert it.page.evaluate("window.kept && document.activeElement.id") == "region-shoulder"
    assert "region=shoulder" in it.page.url
    expect(it.page.locator("#announce")).to_contain_text("1 data sets")
    it.page.go_back()
    expect(it.page.locator(".cards > li")).to_have_count(4)
    assert it.complaints == []


def test_every_page_and_form_works_without_javascript(port: Port) -> None:
    """Log in, read each page, approve a site, filter the audit, log out: plain HTML does it."""
    with harness.looker(port.opened, port.address, java_script_enabled=False) as window:
        log_in_by_token(window, port.token())
        for path in (path for name, path in pages_of(port.seeded).items() if name not in LEADS):
            window.go(path)
            assert window.page.locator("h1").count() == 1
        window.go(f"/runs/{RUNNING}")
        assert window.page.locator("svg .curve").count() == 3, "mean and two sites"
        window.go("/audit")
        window.page.fill("#action", "SITE_REVOKED")
        window.page.click("text=Filter")
        assert window.page.locator("tbody tr").count() == 1
        window.page.click("text=Log out")
        assert window.page.url.endswith("/login")


def test_site_is_approved_and_revoked_by_its_page(it: Looker, port: Port) -> None:
    """Invite as a download, approval by a button, revocation only with the name typed."""
    it.go("/sites")
    it.page.fill("#site", "hospital-f")
    with it.page.expect_download() as download:
        it.page.click("text=Make the invite")
    assert download.value.suggested_filename == "hospital-f.invite.json"
    it.go("/sites/hospital-d")
    it.page.click("text=Approve hospital-d")
    assert "The site is approved" in it.page.inner_text(".notice")
    it.page.fill("#confirm", "hospital-d")
    it.page.click("text=Revoke hospital-d")
    assert "The site is revoked" in it.page.inner_text(".notice")
    assert it.page.inner_text("h1 .pill") == "revoked"


def test_walk_finds_what_is_planted(it: Looker) -> None:
    """A picture without a text, a pale word and a script in the page are all noticed: silence elsewhere means something."""
    it.go("/")
    it.page.evaluate(
        """() => {
          const main = document.getElementById("main"), word = document.createElement("p");
          main.append(new Image(), word);
          word.textContent = "pale"; word.style.color = "#ccc"; word.style.background = "#fff";
          const script = document.createElement("script");
          script.textContent = "1"; main.append(script);
        }"""
    )
    assert {finding.split()[1].rstrip(":") for finding in grave_findings(it)} == {"image-alt", "color-contrast"}
    assert any("Content Security Policy" in text for text in it.complaints)


def test_run_page_updates_live_and_keeps_focus_and_open_parts(it: Looker, port: Port) -> None:
    """A new round appears without loading the page again; it is announced; the focus stays; polling ends with the run."""
    signed = port.seeded.services.studies.show(harness.STUDY).signed
    it.go(f"/runs/{RUNNING}")
    it.page.wait_for_selector(".drawn canvas")
    it.page.focus("#w-rounds")
    harness.write_run(port.seeded, RUNNING, signed, rounds=5, state="running")
    it.page.wait_for_selector("#rounds tbody tr >> nth=4", timeout=8000)
    assert it.page.evaluate("document.activeElement.id") == "w-rounds"
    expect(it.page.locator("#announce")).to_contain_text("5 of 12 rounds")
    assert grave_findings(it) == []
    harness.write_run(port.seeded, RUNNING, signed, rounds=6, state="stopped")
    it.page.wait_for_selector("#live:not([hx-get])", timeout=8000)
    it.page.wait_for_timeout(100)
    asked: list[str] = []
    it.page.on("request", lambda request: asked.append(request.url))
    it.page.wait_for_timeout(2600)
    assert asked == [], "an ended run is not asked for again"
    assert it.complaints == []
    harness.write_run(port.seeded, RUNNING, signed, rounds=4, state="running")


def test_session_that_ended_leads_the_polling_page_to_the_login(it: Looker, port: Port) -> None:
    """No half page with a login form inside it."""
    it.go(f"/runs/{RUNNING}")
    it.context.clear_cookies()
    it.page.wait_for_url(re.compile(r"/login"), timeout=8000)
    assert it.page.locator("#by-token").count() == 1
    assert it.page.locator("#live").count() == 0


def test_colours_follow_the_switch_and_are_remembered(it: Looker, port: Port) -> None:
    """The choice holds on the next page, and the page says it."""
    it.go("/")
    ground = "getComputedStyle(document.body).backgroundColor"
    before = it.page.evaluate(ground)
    it.page.click("#theme")
    assert it.page.evaluate(ground) != before
    it.go("/sites")
    assert it.page.get_attribute("html", "data-theme") == "dark"
    assert it.page.get_attribute("#theme", "aria-pressed") == "true"
    assert grave_findings(it) == []


@pytest.mark.parametrize("path", ["/", "/sites", "/sites/hospital-d", f"/runs/{RUNNING}", "/audit"])
def test_page_is_used_by_keyboard_alone(it: Looker, path: str) -> None:
    """The first stop skips to the content, every stop is seen, the last leaves the page."""
    it.go(path)
    stops = tab_stops(it)
    assert stops[0] == "Skip to the content"
    assert any("Log out" in stop for stop in stops)
    it.page.evaluate("document.activeElement && document.activeElement.blur()")
    it.go(path)
    it.page.keyboard.press("Tab")
    it.page.keyboard.press("Enter")
    assert it.page.evaluate("document.activeElement.id") == "main"
