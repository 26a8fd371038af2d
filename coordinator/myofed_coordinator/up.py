"""`myofed-coordinator up`: engine, both ports and the runs' supervisor as child processes, until a signal."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from myofed_coordinator.config import CoordinatorConfig, split_address
from myofed_coordinator.federation import superlink
from myofed_coordinator.home import HomeFolder
from myofed_schemas.canonical import canonical_json
from myofed_schemas.exit_codes import ExitCode
from myofed_schemas.files import sweep_half_written, write_atomically
from myofed_schemas.service_loop import ServiceLoop, free_port, is_listening, only_one
from myofed_schemas.supervise import ChildSpec, Supervisor


def run(home: HomeFolder, config: CoordinatorConfig) -> ExitCode:
    """All services ran until SIGTERM, SIGINT or SIGHUP, and none is left.

    Raises:
        MyofedError: ALREADY_RUNNING.
    """
    for folder in (home.run, home.logs, home.engine, home.runs):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with only_one(home.run / "up.lock"):
        sweep_half_written(written_folders(home), now=time.time())
        groups = children(home, config, engine_port=config.engine_port or free_port())
        line = f"ready: people's port {config.people_url}, sites' port {config.sites_url}"
        return ServiceLoop(
            groups=[Supervisor(group) for group in groups],
            status=home.status,
            announce=partial(print, line, file=sys.stderr, flush=True),
        ).run()


def written_folders(home: HomeFolder) -> list[Path]:
    """Where a process that was killed may have left a file half written."""
    runs = [path for pattern in ("run-*", "run-*/updates") for path in home.runs.glob(pattern)]
    return [home.root, home.run, home.keys, home.models, *runs]


def children(home: HomeFolder, config: CoordinatorConfig, *, engine_port: int) -> list[list[ChildSpec]]:
    """The processes of `up`, in groups that start side by side: the engine's chain, and each of the two ports."""
    here, port = str(home.root), str(engine_port)
    healthy = partial(superlink.is_healthy, home, port=engine_port)
    child = partial(_child, home, config)
    groups = [
        [
            child("superlink", superlink.superlink_command(home, port=engine_port), ready=healthy),
            child("superexec", superlink.superexec_command(home, port=engine_port)),
            child("runs", _module("myofed_coordinator.runs", here, port)),
        ],
        [
            child(
                "sites-port",
                _module("myofed_coordinator.federation.sites_port", here, port),
                ready=partial(is_listening, *split_address(config.sites)),
            )
        ],
        [
            child(
                "people-port",
                _module("myofed_coordinator.api", here),
                ready=partial(is_listening, *split_address(config.people)),
            )
        ],
    ]
    return [*groups, [_status_child(child, home, config.status, port)]] if config.status else groups


def _status_child(child: Callable[..., ChildSpec], home: HomeFolder, address: str, engine_port: str) -> ChildSpec:
    """The status port; where it listens stands in `run/status-port.json`."""
    host, asked = split_address(address)
    port = asked or free_port()
    write_atomically(home.status_port, canonical_json({"url": f"http://{host}:{port}"}) + b"\n")
    command = _module("myofed_coordinator.health", str(home.root), str(port), engine_port)
    return child("status-port", command, ready=partial(is_listening, host, port))


def _module(name: str, *arguments: str) -> list[str]:
    return [sys.executable, "-m", name, *arguments]


def _child(
    home: HomeFolder,
    config: CoordinatorConfig,
    name: str,
    command: Sequence[str],
    *,
    ready: Callable[[], bool] = lambda: True,
) -> ChildSpec:
    environment = superlink.engine_environment(home, process=name)
    return ChildSpec(
        name=name,
        argv=command,
        environment={**environment, "MYOFED_LOG_FORMAT": config.log_format},
        log=home.logs / f"{name}.log",
        cwd=home.run,
        ready=ready,
    )
