"""Every page as every role in every look, on both databases: axe-core, console, overflow, keyboard; for `make prove NAME=pages`."""

from __future__ import annotations

import os
import secrets
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_TESTS = Path(__file__).parents[1]
sys.path[:0] = [str(_TESTS / "functional"), str(_TESTS)]  # the browser's harness lies with the functional tests

DEFAULT_POSTGRES = "postgresql://root@127.0.0.1:5432/test"


def pages() -> tuple[list[dict[str, Any]], list[str]]:
    """All findings, none of which there may be; a page that a role may not see is looked at as its refusal."""
    import pages_harness as harness

    tried: list[dict[str, Any]] = []
    failed: list[str] = []
    with postgres() as url, harness.browser() as opened:
        for name, database in (("sqlite", None), ("postgresql", url)):
            with tempfile.TemporaryDirectory(prefix="myofed-pages-") as folder:
                seeded = harness.seed(Path(folder), database_url=database)
                try:
                    outcomes = _walk(opened, seeded, name)
                finally:
                    seeded.services.close()
            for outcome, findings in outcomes:
                tried.append({"database": name, **outcome})
                failed += [f"{name} {outcome['role']} {f.look} {f.path}: {f.what}" for f in findings]
    return tried, failed


def _walk(opened: Any, seeded: Any, database: str) -> list[tuple[dict[str, Any], list[Any]]]:
    import pages_harness as harness
    from pages_walk import LOOKS, Finding, findings_of, log_in, pages_of, tab_stops

    from myofed_coordinator.accounts.permissions import Role
    from myofed_coordinator.api.__main__ import build_app
    from myofed_coordinator.config import load_config
    from myofed_schemas.clock import system_now

    config = load_config(seeded.home)
    outcomes = []
    with harness.served(build_app(seeded.home, config), seeded.home, config.people) as address:
        for role in Role:
            with harness.looker(opened, address) as window:
                log_in(window, seeded.people[role], now=system_now())
                cookies = window.context.cookies()
            for look, options in LOOKS.items():
                with harness.looker(opened, address, **options) as window:
                    window.context.add_cookies(cookies)
                    found, shown = [], 0
                    for name, path in pages_of(seeded).items():
                        picture = f"{name}-{role}-{database}"
                        findings = findings_of(window, path, look=look, picture=picture)
                        refused = window.page.locator("h1").inner_text() == "That did not work"
                        expected = "the server responded with a status of 40" if refused else "never"
                        found += [f for f in findings if expected not in f.what]
                        shown += not refused
                        try:
                            tab_stops(window, at_most=250)
                        except AssertionError as error:
                            found.append(Finding(look, path, str(error)))
                outcomes.append(({"role": str(role), "look": look, "pages": shown, "findings": len(found)}, found))
                print(f"{database} {role} {look}: {shown} pages, {len(found)} findings")
    return outcomes


@contextmanager
def postgres() -> Iterator[str]:
    """URL of an empty database of its own, dropped afterwards."""
    import psycopg
    from sqlalchemy import make_url

    server = os.environ.get("MYOFED_TEST_POSTGRES_URL", DEFAULT_POSTGRES)
    name = f"myofed_proof_{secrets.token_hex(6)}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
        try:
            yield (
                make_url(server)
                .set(drivername="postgresql+psycopg", database=name)
                .render_as_string(hide_password=False)
            )
        finally:
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
