"""The commands about the site itself."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from site_factories import FakeCoordinator, demo_site, enrol
from typer.testing import CliRunner

import myofed_node.join
import myofed_node.up
from myofed_node.cli import app
from myofed_schemas.enrolment import EnrolmentReply
from myofed_schemas.exit_codes import ExitCode


@pytest.mark.parametrize(("state", "code", "status"), [("pending", "PENDING", 23), ("approved", "OK", 0)])
def test_join_ends_with_23_until_it_is_approved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, state: str, code: str, status: int
) -> None:
    """The folder is an argument or --site; the reply is the document."""
    site = demo_site(tmp_path / "a").folder.root
    reply = EnrolmentReply.model_validate({"state": state, "code": code})
    monkeypatch.setattr(myofed_node.join, "read_invite", lambda _path: SimpleNamespace())
    monkeypatch.setattr(myofed_node.join, "join_within", lambda *_args, **_named: reply)
    for folder in ([str(site)], ["--site", str(site)]):
        result = CliRunner().invoke(app, ["join", *folder, "--invite", "x", "--json"])
        assert result.exit_code == status
        assert json.loads(result.stdout)["state"] == state


def test_up_runs_an_enrolled_site_with_a_valid_loopback_certificate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Demo is told on the screen; the status of the services is the command's."""
    site = demo_site(tmp_path / "a")
    enrol(site, FakeCoordinator())
    site.folder.loopback_ca.unlink()
    started = []

    def run(folder: object, config: object) -> ExitCode:
        assert site.folder.loopback_ca.exists()
        started.append((folder, config))
        return ExitCode.DONE

    monkeypatch.setattr(myofed_node.up, "run", run)
    result = CliRunner().invoke(app, ["up", str(site.folder.root)])
    assert result.exit_code == 0, result.output
    assert started == [(site.folder, site.config)]
    assert "DEMO POLICY" in result.stderr
