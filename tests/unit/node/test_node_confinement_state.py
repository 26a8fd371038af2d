"""A running service counts as confined only by its own process's record, and what the kernel shows."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from site_factories import demo_site

from myofed_node.confinement import Confinement, find_confinement, without_key
from myofed_node.confinement_state import load_confinement, unconfined_services
from myofed_node.site_folder import SiteFolder


@pytest.fixture
def folder(tmp_path: Path) -> SiteFolder:
    return demo_site(tmp_path / "a").folder


def _status(folder: SiteFolder, **pids: int) -> None:
    folder.status.write_text(json.dumps({"children": dict.fromkeys(pids, "ready"), "pids": pids}))


def _record(folder: SiteFolder, *, pid: int, confinement: str) -> None:
    folder.confinement("egress").write_text(json.dumps({"name": "egress", "pid": pid, "confinement": confinement}))


def test_nothing_that_runs_is_unconfined_where_nothing_runs(folder: SiteFolder) -> None:
    """Without a status, with a damaged one, and with one whose processes are gone."""
    assert unconfined_services(folder) == ()
    folder.status.write_text("{")
    assert unconfined_services(folder) == ()
    _status(folder, egress=4194305)
    assert unconfined_services(folder) == ()


@pytest.mark.parametrize("content", [None, "{", "{}"])
def test_record_that_is_not_there_or_damaged_is_none(folder: SiteFolder, content: str | None) -> None:
    """And the service counts as unconfined."""
    if content is not None:
        folder.confinement("egress").write_text(content)
    assert load_confinement(folder, "egress") is None


@pytest.fixture
def sleeper() -> subprocess.Popen[bytes]:
    """A process that is not confined."""
    with subprocess.Popen(["sleep", "60"]) as process:
        yield process
        process.kill()


def test_record_counts_for_its_process_and_its_way(folder: SiteFolder, sleeper: subprocess.Popen[bytes]) -> None:
    """No record, another process's, one that says none, and one that says hidden while the process sees the key."""
    _status(folder, egress=sleeper.pid)
    assert unconfined_services(folder) == ("egress",)
    _record(folder, pid=sleeper.pid + 1, confinement="landlock")
    assert unconfined_services(folder) == ("egress",)
    for confinement, expected in (("none", ("egress",)), ("hidden", ("egress",)), ("landlock", ()), ("own-user", ())):
        _record(folder, pid=sleeper.pid, confinement=confinement)
        assert unconfined_services(folder) == expected, confinement


def test_process_that_cannot_be_looked_into_is_believed(
    folder: SiteFolder, sleeper: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its record is all that is known."""
    _status(folder, egress=sleeper.pid)
    _record(folder, pid=sleeper.pid, confinement="hidden")

    def refuse(_path: Path) -> list[str]:
        raise PermissionError

    monkeypatch.setattr("myofed_node.confinement_state.os.listdir", refuse)
    assert unconfined_services(folder) == ()


def test_process_that_is_confined_is_known_by_its_own_view(folder: SiteFolder) -> None:
    """The kernel shows its empty folder from outside."""
    way = find_confinement(folder)
    if way is not Confinement.HIDDEN:
        pytest.skip("this host allows no mount in a user namespace")
    code = "print('up', flush=True); input()"
    command = without_key([sys.executable, "-c", code], folder=folder, name="egress", confinement=way)
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"up\n"
        _status(folder, egress=process.pid)
        assert unconfined_services(folder) == ()
        process.kill()
