"""Pause, resume and the kill switch as commands; what they turn is in the status."""

from __future__ import annotations

import getpass
import json
from pathlib import Path

import pytest
from site_factories import audited_actions, demo_site
from typer.testing import CliRunner

import myofed_node.commands.training
import myofed_node.learning.worker_client
from myofed_node.audit import SiteAudit
from myofed_node.cli import app
from myofed_node.learning.protocol import WorkerState
from myofed_node.site_setup import Site


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return demo_site(tmp_path / "a")


def run(site: Site, command: str) -> dict[str, object]:
    result = CliRunner().invoke(app, [command, "--site", str(site.folder.root), "--json"])
    assert result.exit_code == 0, result.output
    document: dict[str, object] = json.loads(result.stdout)
    return document


def test_each_command_turns_the_switch_and_status_tells(site: Site) -> None:
    """Who turned it stands in the audit chain; nothing runs here, so no task can be under way."""
    assert run(site, "status")["training"] == "open"
    for command, state in (("pause", "paused"), ("stop-training", "stopped"), ("resume", "open")):
        assert run(site, command) == {"training": state, "task_under_way": None}
        assert run(site, "status")["training"] == state
    assert audited_actions(site) == ["TRAINING_PAUSED", "TRAINING_STOPPED", "TRAINING_RESUMED"]
    assert [e.actor for e in SiteAudit(site.folder).entries()][1:] == [getpass.getuser()] * 3


def worker(monkeypatch: pytest.MonkeyPatch, *, busy: int) -> list[int]:
    """A worker that is busy for so many pings."""
    pings: list[int] = []

    def ping(_path: Path) -> WorkerState:
        pings.append(1)
        return WorkerState(busy=len(pings) <= busy, network="none", device="cpu")

    monkeypatch.setattr(myofed_node.learning.worker_client, "ping", ping)
    monkeypatch.setattr(myofed_node.commands.training.time, "sleep", lambda _s: None)
    return pings


def test_stop_waits_until_the_task_has_ended_and_pause_does_not(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kill switch tells what it did; a pause lets the task go on."""
    pings = worker(monkeypatch, busy=3)
    assert run(site, "stop-training")["task_under_way"] is False
    assert len(pings) == 4
    worker(monkeypatch, busy=3)
    assert run(site, "pause")["task_under_way"] is True


def test_task_that_does_not_end_in_time_is_told(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """An evaluation has no steps at which it could end."""
    worker(monkeypatch, busy=10**6)
    monkeypatch.setattr(myofed_node.commands.training, "STOP_WITHIN_S", 0.0)
    result = CliRunner().invoke(app, ["stop-training", "--site", str(site.folder.root)])
    assert "a task is still under way" in result.stderr
