"""Which processes `up` starts, and what they see."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from site_factories import FakeCoordinator, demo_site, enrol

from myofed_node import up
from myofed_node.confinement import find_confinement
from myofed_node.site_setup import Site
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode
from myofed_schemas.service_loop import only_one

PORTS = up.Ports(egress=1111, supernode=2222)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return demo_site(tmp_path / "site")


def test_site_that_did_not_join_is_not_started(site: Site) -> None:
    """There is nobody to talk to."""
    with pytest.raises(MyofedError) as caught:
        up.run(site.folder, site.config)
    assert caught.value.code == "NOT_ENROLLED"


def test_second_up_is_refused(site: Site) -> None:
    """The first one's address stays."""
    enrol(site, FakeCoordinator())
    site.folder.egress_address.write_bytes(b"of the first")
    with only_one(site.folder.run / "up.lock"), pytest.raises(MyofedError) as caught:
        up.run(site.folder, site.config)
    assert caught.value.code == "ALREADY_RUNNING"
    assert site.folder.egress_address.read_bytes() == b"of the first"


def test_children_inherit_nothing_and_phone_nobody(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """No secret, proxy or Python path of the caller's environment reaches a process of the node."""
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy:1")
    monkeypatch.setenv("SECRET", "x")
    specs = [spec for group in up.children(site.folder, site.config, PORTS) for spec in group]
    assert [spec.name for spec in specs] == ["worker", "egress", "supernode", "executor", "service"]
    for spec in specs:
        assert spec.environment["FLWR_TELEMETRY_ENABLED"] == "0"
        assert spec.environment["FLWR_DISABLE_UPDATE_CHECK"] == "1"
        assert spec.environment["FLWR_DISABLE_RUNTIME_DEPENDENCY_INSTALLATION"] == "1"
        assert spec.environment["NO_PROXY"] == "*"
        assert not {"HTTPS_PROXY", "SECRET", "PYTHONPATH"} & set(spec.environment)
        assert spec.environment["HOME"].startswith(str(site.folder.run))


def test_supernode_reaches_the_egress_only_and_starts_no_code(site: Site) -> None:
    """TLS to loopback, process isolation with the executor's secret, the Runtime API on loopback."""
    command = " ".join(up.supernode_command(site.folder, PORTS))
    assert "--superlink 127.0.0.1:1111" in command
    assert "--isolation process" in command
    assert f"--superexec-auth-secret-file {site.folder.executor_secret}" in command
    assert f"--root-certificates {site.folder.loopback_ca}" in command
    assert "--host 127.0.0.1 --port 2222" in command
    assert "--insecure" not in command


def test_worker_keeps_prepared_inputs_in_the_sites_folder(site: Site) -> None:
    """Beside the data set they were made of, and nowhere else."""
    (worker,), *_ = up.children(site.folder, site.config, PORTS)
    assert f"--inputs {site.folder.root}/cache/inputs" in " ".join(worker.argv)


def test_worker_is_ready_once_it_answers(site: Site) -> None:
    """Nobody listens yet."""
    (worker,), *_ = up.children(site.folder, site.config, PORTS)
    assert worker.ready() is False


def test_every_service_is_kept_from_the_key(site: Site) -> None:
    """All five are started by the confinement, in the way that this host offers; the worker without a network, too."""
    way = find_confinement(site.folder)
    for spec in (spec for group in up.children(site.folder, site.config, PORTS) for spec in group):
        start = list(spec.argv).index("myofed_node.confinement")
        assert list(spec.argv)[start + 1 : start + 3] == [way.value, str(site.folder.deid_keys)]
        assert str(site.folder.confinement(spec.name)) in spec.argv


def test_up_sweeps_away_what_killed_processes_left_half_written(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the site's own folders, before any service starts; the data set is left to those who write it."""
    enrol(site, FakeCoordinator())
    deep = site.folder.study("thigh-muscles") / "local-tensors" / "run-0123abcd"
    folders = [site.folder.root, site.folder.run, site.folder.keys, site.folder.models, deep]
    for folder in (*folders, site.folder.dataset):
        folder.mkdir(parents=True, exist_ok=True)
        left = folder / ".state.json.0123abcd.tmp"
        left.touch()
        os.utime(left, (0, 0))
    seen: list[Path] = []
    monkeypatch.setattr(up, "children", lambda *_: seen.extend(site.folder.root.rglob("*.tmp")) or [])
    monkeypatch.setattr(up.ServiceLoop, "run", lambda _: ExitCode.DONE)
    assert up.run(site.folder, site.config) is ExitCode.DONE
    assert seen == [site.folder.dataset / ".state.json.0123abcd.tmp"]
