"""The acceptance walk by page and by command, on SQLite and on PostgreSQL; for `make prove NAME=consortium`."""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from proofs.pages import postgres

_TESTS = Path(__file__).parents[1]
sys.path[:0] = [str(_TESTS / "functional"), str(_TESTS)]  # the walk lies with the functional tests


def consortium_walks() -> tuple[list[dict[str, Any]], list[str]]:
    """Each pair of hands on each database."""
    tried: list[dict[str, Any]] = []
    failed: list[str] = []
    with postgres() as first, postgres() as second:
        for database, hands, url in (
            ("sqlite", "page", None),
            ("sqlite", "command", None),
            ("postgresql", "page", first),
            ("postgresql", "command", second),
        ):
            started = time.monotonic()
            fault = _walked(hands, url)
            seconds = round(time.monotonic() - started, 1)
            tried.append({"database": database, "hands": hands, "seconds": seconds, "fault": fault})
            failed += [f"{database} by {hands}: {fault}"] if fault else []
            print(f"{database} by {hands}: {seconds} s {fault}")
    return tried, failed


def _walked(hands: str, url: str | None) -> str:
    """What went wrong; empty where nothing did."""
    import consortium_walk as walk
    import pages_harness as harness

    with tempfile.TemporaryDirectory(prefix="myofed-walk-") as name:
        folder = Path(name)
        try:
            with walk.consortium(folder, database_url=url) as it:
                if hands == "command":
                    walk.walk(it, walk.ByCommand(it.federation.home), folder)
                    return ""
                with harness.browser() as opened, walk.by_page(it, opened, folder) as pages:
                    walk.walk(it, pages, folder)
                    return "; ".join(pages.grave)
        except AssertionError as error:
            return str(error)[:500] or "an assertion of the walk"
