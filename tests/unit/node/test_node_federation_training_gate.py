"""Pause, kill switch and hours: closed unless it is clear that they are open."""

from __future__ import annotations

from datetime import UTC, datetime, time
from pathlib import Path

import pytest
from site_factories import NOW, audited_actions, demo_site

from myofed_node.config import DEMO_POLICY
from myofed_node.federation.training_gate import check_gate, gate, inside, state_path, stopped, turn
from myofed_node.site_setup import Site
from myofed_schemas.errors import MyofedError

NIGHTS = DEMO_POLICY.model_copy(update={"training_window": "20:00-06:00"})


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return demo_site(tmp_path / "site")


def code(site: Site, *, hour: int = 12, policy: object = DEMO_POLICY) -> str:
    local = datetime(2026, 1, 1, hour, 30, tzinfo=UTC)
    try:
        check_gate(site.folder, policy, local=local)  # type: ignore[arg-type]
    except MyofedError as error:
        return error.code
    return "OK"


def test_switch_that_cannot_be_read_is_closed(site: Site) -> None:
    """A damaged file stops training, also a task under way."""
    for damage in (b"", b"{}", b'{"state":"open","since":"x"}'):
        state_path(site.folder).write_bytes(damage)
        assert code(site) == "SITE_PAUSED"
        assert stopped(site.folder)
        assert gate(site.folder, DEMO_POLICY, local=NOW) == "damaged"


def test_paused_site_refuses_until_it_is_resumed_and_says_so_in_its_chain(site: Site) -> None:
    """A pause lets the task under way end; a stop does not."""
    turn(site.folder, "paused", by="chief", now=NOW)
    assert (code(site), stopped(site.folder)) == ("SITE_PAUSED", False)
    turn(site.folder, "stopped", by="chief", now=NOW)
    assert (code(site), stopped(site.folder)) == ("SITE_PAUSED", True)
    turn(site.folder, "open", by="chief", now=NOW)
    assert (code(site), stopped(site.folder)) == ("OK", False)
    assert audited_actions(site) == ["TRAINING_PAUSED", "TRAINING_STOPPED", "TRAINING_RESUMED"]


def test_outside_the_window_no_task_begins(site: Site) -> None:
    """By the site's own clock; a pause comes first."""
    assert [code(site, hour=h, policy=NIGHTS) for h in (12, 20, 23, 5, 6)] == [
        "OUTSIDE_WINDOW", "OK", "OK", "OK", "OUTSIDE_WINDOW",
    ]  # fmt: skip
    turn(site.folder, "paused", by="chief", now=NOW)
    assert code(site, policy=NIGHTS) == "SITE_PAUSED"


@pytest.mark.parametrize(
    ("window", "now", "within"),
    [
        ("08:00-17:00", time(8, 0), True),
        ("08:00-17:00", time(16, 59, 59), True),
        ("08:00-17:00", time(17, 0), False),
        ("08:00-17:00", time(7, 59), False),
        ("22:00-04:00", time(0, 0), True),
        ("22:00-04:00", time(4, 0), False),
        ("06:00-06:00", time(12, 0), True),
    ],
)
def test_window_ends_before_its_last_minute(window: str, now: time, within: bool) -> None:
    """First minute in, last out; from a time to the same time is the whole day."""
    assert inside(window, now) is within


def test_site_that_was_never_paused_is_open(site: Site) -> None:
    """No file is no pause."""
    assert gate(site.folder, DEMO_POLICY, local=NOW) == "open"
