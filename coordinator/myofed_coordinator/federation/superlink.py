"""The stock engine processes: their command lines, their environment made from nothing, and when they are ready."""

from __future__ import annotations

import ssl
import sys
from pathlib import Path

import httpx

from myofed_coordinator.home import HomeFolder

BUNDLE = Path(__file__).parent / "bundle"
"""Flower's bundle of a run: a manifest. deploy/flower-app points here."""
TASK_POLL_S = "1.0"
"""How often the SuperExec asks for work; each costs the SuperLink some 20 ms."""


def programs() -> Path:
    """Folder of this environment's console scripts."""
    return Path(sys.executable).parent


def engine_environment(home: HomeFolder, *, process: str) -> dict[str, str]:
    """Everything an engine process sees, inherited by its children: nothing of the caller's environment.

    Telemetry, update check and installation at run time are off; files stay inside the home folder.
    """
    flower_home = home.engine / process
    return {
        "PATH": f"{programs()}:/usr/bin:/bin",
        "HOME": str(home.engine.absolute()),
        "FLWR_HOME": str(flower_home.absolute()),
        "FLWR_TELEMETRY_ENABLED": "0",
        "FLWR_DISABLE_UPDATE_CHECK": "1",
        "FLWR_DISABLE_RUNTIME_DEPENDENCY_INSTALLATION": "1",
        "FLWR_SUPEREXEC_TASK_POLL_INTERVAL": TASK_POLL_S,
        "MYOFED_HOME": str(home.root.absolute()),
        "NO_PROXY": "*",
        "OMP_NUM_THREADS": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUNBUFFERED": "1",
        "LANG": "C.UTF-8",
    }


def superlink_command(home: HomeFolder, *, port: int) -> list[str]:
    """The SuperLink on loopback: nodes authenticated, TLS, its state on disk, no code started by it."""
    return [
        str(programs() / "flower-superlink"),
        *("--host", "127.0.0.1", "--port", str(port)),
        *("--ssl-certfile", str(home.loopback_certificate), "--ssl-keyfile", str(home.loopback_key)),
        *("--ssl-ca-certfile", str(home.loopback_ca)),
        "--enable-supernode-auth",
        "--disable-runtime-dependency-installation",
        *("--isolation", "process", "--superexec-auth-secret-file", str(home.superexec_secret)),
        *("--database", str(home.engine / "state.db")),
    ]


def superexec_command(home: HomeFolder, *, port: int) -> list[str]:
    """The SuperExec, which starts the ServerApp; not a child of the SuperLink, so that a run survives its restart."""
    return [
        str(programs() / "flower-superexec"),
        *("--runtime-api-address", f"127.0.0.1:{port}"),
        *("--root-certificates", str(home.loopback_ca)),
        *("--superexec-auth-secret-file", str(home.superexec_secret)),
    ]


def is_healthy(home: HomeFolder, *, port: int) -> bool:
    """The SuperLink answers on loopback."""
    context = ssl.create_default_context(cafile=str(home.loopback_ca))
    try:
        with httpx.Client(verify=context, trust_env=False, timeout=2.0) as client:
            return client.get(f"https://127.0.0.1:{port}/health").status_code == httpx.codes.OK
    except httpx.TransportError:
        return False
