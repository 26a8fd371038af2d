"""What is looked at on every page: errors of the console, axe-core's findings, overflow, and the way of the keyboard."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from axe_playwright_python.sync_playwright import Axe
from coordinator_factories import FakePerson
from pages_harness import COMPLETED, RUNNING, STUDY, Looker, Seeded

RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
GRAVE = ("serious", "critical")
BY_LOOK = {"dark": ["color-contrast"], "phone": ["target-size", "scrollable-region-focusable", "meta-viewport"]}
"""In the short walk these looks are asked only for what differs from the light one."""
LOOKS: dict[str, dict[str, object]] = {
    "light": {"color_scheme": "light", "viewport": {"width": 1280, "height": 800}},
    "dark": {"color_scheme": "dark", "viewport": {"width": 1280, "height": 800}},
    "phone": {"color_scheme": "light", "viewport": {"width": 320, "height": 700}},
}
"""As the acceptance asks: both schemes, and 320 px (WCAG 2.2, 1.4.10)."""


@dataclass(frozen=True)
class Finding:
    """Something wrong with one page in one look."""

    look: str
    path: str
    what: str


def pages_of(seeded: Seeded) -> dict[str, str]:
    """Every page, each with its name; what a person may not see answers 403."""
    return {
        "overview": "/",
        "sites": "/sites",
        "site-pending": "/sites/hospital-d",
        "catalog": "/catalog",
        "catalog-chosen": "/catalog?region=thigh&sort=title",
        "card": "/catalog/hospital-a/thigh-dixon",
        "card-counts": "/catalog/hospital-a/thigh-dixon/counts",
        "count": "/feasibility",
        "requests": "/requests",
        "request": f"/requests/{seeded.request}",
        "studies": "/studies",
        "study": f"/studies/{STUDY}",
        "study-ready": "/studies/shoulder-muscles",
        "wizard": "/study-draft",
        "wizard-sites": "/study-draft/sites",
        "wizard-network": "/study-draft/network",
        "wizard-training": "/study-draft/training",
        "wizard-review": "/study-draft/review",
        "ask": "/catalog/hospital-a/thigh-dixon/ask",
        "runs": "/runs",
        "run": f"/runs/{RUNNING}",
        "run-completed": f"/runs/{COMPLETED}",
        "models": "/models",
        "model": f"/models/{seeded.model}",
        "audit": "/audit",
        "audit-verified": "/audit/verify",
        "accounts": "/accounts",
        "account": "/accounts/auditor",
        "profile": "/profile",
        "set-up": "/setup",
    }


def findings_of(it: Looker, path: str, *, look: str, picture: str = "", short: bool = False) -> list[Finding]:
    """All that is wrong with this page; with `short`, only what this look can change."""
    it.complaints.clear()
    it.go(path)
    found = [f"console: {text}" for text in it.complaints]
    found += [f"axe: {text}" for text in grave_findings(it, BY_LOOK.get(look) if short else None)]
    over = it.page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
    if over > 0:
        found.append(f"{over} px wider than the window")
    if picture:
        it.picture(f"{picture}-{look}")
    return [Finding(look, path, what) for what in found]


def grave_findings(it: Looker, rules: list[str] | None = None) -> list[str]:
    """axe-core's serious and critical violations on the page as it stands, by these rules or by all."""
    wanted = {"type": "rule", "values": rules} if rules else {"type": "tag", "values": RULES}
    results = Axe().run(it.page, options={"runOnly": wanted, "resultTypes": ["violations"]})
    return [
        f"{v['impact']} {v['id']}: {v['nodes'][0]['html'][:160]}"
        for v in results.response["violations"]
        if v["impact"] in GRAVE
    ]


def tab_stops(it: Looker, *, at_most: int = 60) -> list[str]:
    """Every stop of the Tab key from the top of the page until it leaves the page, each with its visible focus.

    Raises:
        AssertionError: A stop cannot be seen, or the key is trapped.
    """
    it.page.evaluate("document.activeElement && document.activeElement.blur()")
    stops: list[str] = []
    for _ in range(at_most):
        it.page.keyboard.press("Tab")
        stop = it.page.evaluate(
            """() => {
              const one = document.activeElement;
              if (!one || one === document.body) { return null; }
              const style = getComputedStyle(one), box = one.getBoundingClientRect();
              const seen = (style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0) || style.boxShadow !== "none";
              return { name: (one.id ? "#" + one.id + " " : "") + (one.getAttribute("aria-label") || one.textContent || one.name).trim().slice(0, 60),
                       seen, inside: box.width > 0 && box.right > 0 && box.bottom > 0 };
            }"""
        )
        if stop is None:
            return stops
        assert stop["seen"], f"no focus to be seen at {stop['name']}"
        assert stop["inside"], f"focus outside of the page at {stop['name']}"
        if stops and stop["name"] == stops[0]:
            return stops
        stops.append(stop["name"])
    raise AssertionError(f"more than {at_most} stops, or a trap: {stops[-3:]}")


def log_in_by_token(it: Looker, token: str) -> None:
    """The holder of the administrator's token is signed in."""
    it.go("/login")
    it.page.click("#by-token summary")
    it.page.fill("#token", token)
    it.page.click("#by-token button")


def log_in(it: Looker, person: FakePerson, *, now: datetime) -> None:
    """Somebody with an own account is signed in by password and code; each code works once."""
    given = person.credentials(now=now)
    it.go("/login")
    it.page.fill("#account", given.account)
    it.page.fill("#password", given.password)
    it.page.fill("#code", given.code)
    it.page.click("main button[type=submit] >> nth=0")
    assert "/login" not in it.page.url
