"""The people's port as the process that `up` starts, over TLS on loopback."""

from __future__ import annotations

import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from coordinator_factories import NOW

from myofed_coordinator.api.__main__ import main
from myofed_coordinator.config import CoordinatorConfig
from myofed_coordinator.home import HomeFolder
from myofed_coordinator.initialise import initialise
from myofed_schemas.exit_codes import ExitCode


@pytest.fixture
def running(tmp_path: Path) -> Iterator[tuple[HomeFolder, str, subprocess.Popen[bytes]]]:
    """Home, URL and process of a people's port that accepts connections."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    home = initialise(tmp_path / "home", CoordinatorConfig(people=f"127.0.0.1:{port}"), actor="admin", now=NOW)
    process = subprocess.Popen([sys.executable, "-m", "myofed_coordinator.api", str(home.root)], env=dict(os.environ))
    end = time.monotonic() + 60
    while time.monotonic() < end and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                break
        time.sleep(0.1)
    yield home, f"https://127.0.0.1:{port}", process
    process.kill()
    process.wait()


def test_home_that_does_not_open_has_its_exit_code(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The supervisor's log says in one line why the port did not start; no traceback."""
    assert main([str(tmp_path)]) == ExitCode.SITE_FOLDER
    assert "NOT_A_HOME" in capsys.readouterr().err


def test_token_that_is_too_short_does_not_open_a_port(home: HomeFolder, capsys: pytest.CaptureFixture[str]) -> None:
    """An emptied token file never means "no token needed"."""
    home.admin_token.write_text("")
    assert main([str(home.root)]) == ExitCode.SITE_FOLDER
    assert "ADMIN_TOKEN" in capsys.readouterr().err


def test_port_serves_over_tls_and_stops_at_sigterm(running: tuple[HomeFolder, str, subprocess.Popen[bytes]]) -> None:
    """The consortium's CA vouches for it, the token opens it, SIGTERM ends it; plain HTTP gets no answer."""
    home, url, process = running
    trust = ssl.create_default_context(cafile=str(home.ca))
    trust.verify_flags |= ssl.VERIFY_X509_STRICT
    headers = {"authorization": f"Bearer {home.admin_token.read_text()}"}
    with httpx.Client(verify=trust, trust_env=False, timeout=30) as client:
        assert client.get(f"{url}/health").json() == {"state": "OK"}
        assert client.get(f"{url}/api/v1/sites").status_code == 401
        assert client.get(f"{url}/api/v1/sites", headers=headers).json() == []
        assert client.get(f"{url}/api/v1/runs", headers=headers).json() == []
        with pytest.raises(httpx.HTTPError):
            client.get(url.replace("https", "http"))
    process.send_signal(signal.SIGTERM)
    process.wait(20)
