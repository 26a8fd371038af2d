"""The stock engine processes: how they are started, and what they see."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from myofed_coordinator import up
from myofed_coordinator.config import CoordinatorConfig
from myofed_coordinator.federation import superlink
from myofed_coordinator.home import HomeFolder
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode
from myofed_schemas.service_loop import free_port, only_one


@pytest.fixture
def database_url() -> None:
    """No table is looked at here: SQLite is enough."""


def test_second_up_is_refused(home: HomeFolder) -> None:
    """One supervisor a home."""
    with only_one(home.run / "up.lock"), pytest.raises(MyofedError) as caught:
        up.run(home, CoordinatorConfig())
    assert caught.value.code == "ALREADY_RUNNING"


def test_superlink_is_on_loopback_authenticated_and_starts_no_code(home: HomeFolder) -> None:
    """Every flag on which the wall rests."""
    command = " ".join(superlink.superlink_command(home, port=1234))
    for flag in (
        "--host 127.0.0.1 --port 1234",
        "--enable-supernode-auth",
        "--isolation process",
        f"--superexec-auth-secret-file {home.superexec_secret}",
        "--disable-runtime-dependency-installation",
        f"--ssl-ca-certfile {home.loopback_ca}",
    ):
        assert flag in command
    assert "--insecure" not in command


def test_children_inherit_nothing_and_phone_nobody(home: HomeFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    """No secret, proxy or Python path of the caller's environment reaches the engine."""
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy:1")
    monkeypatch.setenv("SECRET", "x")
    specs = [spec for group in up.children(home, CoordinatorConfig(), engine_port=1234) for spec in group]
    names = ["people-port", "runs", "sites-port", "status-port", "superexec", "superlink"]
    assert sorted(spec.name for spec in specs) == names
    for spec in specs:
        assert spec.environment["FLWR_TELEMETRY_ENABLED"] == "0"
        assert spec.environment["FLWR_DISABLE_UPDATE_CHECK"] == "1"
        assert spec.environment["FLWR_DISABLE_RUNTIME_DEPENDENCY_INSTALLATION"] == "1"
        assert not {"HTTPS_PROXY", "SECRET", "PYTHONPATH"} & set(spec.environment)


def test_engine_that_does_not_answer_is_not_healthy(home: HomeFolder) -> None:
    """Nobody listens there."""
    assert superlink.is_healthy(home, port=free_port()) is False


def test_bundle_is_one_that_flower_accepts() -> None:
    """Flower builds it, and it holds the two files it names, the manifest and the licence, and nothing else."""
    import io
    import zipfile

    from flwr.cli.build import build_fab_from_disk

    with zipfile.ZipFile(io.BytesIO(build_fab_from_disk(superlink.BUNDLE))) as archive:
        names = set(archive.namelist())
    code = {"myofed_manifest/__init__.py", "myofed_manifest/client_app.py", "myofed_manifest/server_app.py"}
    assert {"pyproject.toml", *code} <= names
    assert {name for name in names if name.endswith(".py")} == code


def test_up_sweeps_away_what_killed_processes_left_half_written(
    home: HomeFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the home and in every run's folder, before any service starts; what is young may be under way."""
    run = home.run_folder("run-0123abcd")
    for folder in (home.root, home.run, home.models, run, run / "updates"):
        folder.mkdir(parents=True, exist_ok=True)
        left = folder / ".state.json.0123abcd.tmp"
        left.touch()
        os.utime(left, (0, 0))
    young = run / ".status.json.0123abcd.tmp"
    young.touch()
    seen: list[Path] = []
    monkeypatch.setattr(up, "children", lambda *_, **__: seen.extend(home.root.rglob("*.tmp")) or [])
    monkeypatch.setattr(up.ServiceLoop, "run", lambda _: ExitCode.DONE)
    assert up.run(home, CoordinatorConfig()) is ExitCode.DONE
    assert seen == [young]
