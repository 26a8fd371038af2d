"""`myofed-node up`: worker, egress, SuperNode, executor and the site's service as child processes, until a signal."""

from __future__ import annotations

import secrets
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from myofed_node.config import SiteConfig
from myofed_node.confinement import Confinement, find_confinement, without_key
from myofed_node.coordinator_link import load_link
from myofed_node.federation.egress_client import EgressAddress
from myofed_node.learning import worker_client
from myofed_node.learning.network import Isolation, find_isolation, without_network
from myofed_node.site_folder import SiteFolder
from myofed_schemas.canonical import canonical_json
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode
from myofed_schemas.files import sweep_half_written, write_atomically
from myofed_schemas.json_log import Style
from myofed_schemas.service_loop import ServiceLoop, free_port, is_listening, only_one
from myofed_schemas.supervise import ChildSpec, Supervisor

TOKEN_BYTES = 32


@dataclass(frozen=True)
class Ports:
    """Ports on 127.0.0.1, chosen anew at each start.

    Attributes:
        egress: The only way out.
        supernode: The SuperNode's Runtime API, for the executor.
    """

    egress: int
    supernode: int


def run(folder: SiteFolder, config: SiteConfig) -> ExitCode:
    """All services ran until SIGTERM, SIGINT or SIGHUP, and none is left.

    Raises:
        MyofedError: NOT_ENROLLED, ALREADY_RUNNING, SOCKET_PATH_TOO_LONG.
    """
    link = load_link(folder)
    worker_client.check_socket_path(folder.worker_socket)
    for path in (folder.run, folder.logs, folder.dataset):
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    with only_one(folder.run / "up.lock"):
        sweep_half_written(written_folders(folder), now=time.time())
        ports = Ports(egress=free_port(), supernode=free_port())
        address = EgressAddress(port=ports.egress, token=secrets.token_hex(TOKEN_BYTES))
        write_atomically(folder.egress_address, canonical_json(address))
        groups = children(folder, config, ports)
        try:
            return ServiceLoop(
                groups=[Supervisor(group) for group in groups],
                status=folder.status,
                announce=partial(print, f"ready: {config.site} at {link.sites_url}", file=sys.stderr, flush=True),
            ).run()
        finally:
            folder.egress_address.unlink(missing_ok=True)


def written_folders(folder: SiteFolder) -> list[Path]:
    """Where a process that was killed may have left a file half written; the data set sees to its own."""
    below = [
        path
        for root in (folder.studies, folder.planning, folder.negotiations)
        for path in root.rglob("*")
        if path.is_dir()
    ]
    return [folder.root, folder.run, folder.keys, folder.models, *below]


def children(folder: SiteFolder, config: SiteConfig, ports: Ports) -> list[list[ChildSpec]]:
    """The processes of `up`, in groups that start side by side: worker; egress, SuperNode, executor; service.

    Each is kept from the key of the pseudonyms as far as this host can do it, but for the one that de-identifies: the
    pipeline, which is there where the site has a DICOM port.
    """
    here, confinement = str(folder.root), find_confinement(folder)
    child = partial(_child, _Surroundings(folder, confinement, config.log_format))
    worker = _module(
        "myofed_node.learning.worker",
        *("--socket", str(folder.worker_socket), "--threads", str(config.worker_threads)),
        *("--inputs", str(folder.inputs)),
    )
    isolation, listening = find_isolation(), partial(is_listening, "127.0.0.1")
    egress = _module("myofed_node.federation.egress_port", here)
    executor = _module("myofed_node.federation.executor_process", here, str(ports.supernode))
    return [
        [child("worker", worker, isolation=isolation, ready=partial(_answers, folder))],
        [
            child("egress", egress, ready=partial(listening, ports.egress)),
            child("supernode", supernode_command(folder, ports), ready=partial(listening, ports.supernode)),
            child("executor", executor),
        ],
        [child("service", _module("myofed_node.service", here))],
        *_intake(folder, config, child),
    ]


def _intake(folder: SiteFolder, config: SiteConfig, child: Callable[..., ChildSpec]) -> list[list[ChildSpec]]:
    """The DICOM port and the pipeline behind it; none where the site takes nothing in by network."""
    settings, here = config.intake, str(folder.root)
    if settings.port is None:
        return []
    listening = partial(is_listening, settings.address, settings.port)
    ports = [
        child(
            "intake" if number == 1 else f"intake-{number}",
            _module("myofed_node.intake.dicom_port", here, str(number)),
            ready=listening,
        )
        for number in range(1, settings.processes + 1)
    ]
    pipeline = _module("myofed_node.intake.study_process", here)
    return [ports, [child("pipeline", pipeline, isolation=find_isolation(), deidentifies=True)]]


def supernode_command(folder: SiteFolder, ports: Ports) -> list[str]:
    """The stock SuperNode: it reaches the egress only, and starts no code."""
    return [
        str(Path(sys.executable).parent / "flower-supernode"),
        *("--superlink", f"127.0.0.1:{ports.egress}", "--root-certificates", str(folder.loopback_ca)),
        *("--auth-supernode-private-key", str(folder.flower_key)),
        *("--host", "127.0.0.1", "--port", str(ports.supernode)),
        *("--isolation", "process", "--superexec-auth-secret-file", str(folder.executor_secret)),
    ]


def environment(folder: SiteFolder, *, process: str) -> dict[str, str]:
    """Everything a child sees: nothing of the caller's environment.

    Flower's telemetry, update check and installation at run time are off; no proxy is taken from anywhere.
    """
    home = folder.run / "home" / process
    return {
        "PATH": f"{Path(sys.executable).parent}:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": str(home.absolute()),
        "FLWR_HOME": str((home / "flwr").absolute()),
        "FLWR_TELEMETRY_ENABLED": "0",
        "FLWR_DISABLE_UPDATE_CHECK": "1",
        "FLWR_DISABLE_RUNTIME_DEPENDENCY_INSTALLATION": "1",
        "NO_PROXY": "*",
        "OMP_NUM_THREADS": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUNBUFFERED": "1",
        "LANG": "C.UTF-8",
    }


def _answers(folder: SiteFolder) -> bool:
    try:
        worker_client.ping(folder.worker_socket, timeout_s=1.0)
    except MyofedError:
        return False
    return True


def _module(name: str, *arguments: str) -> list[str]:
    return [sys.executable, "-m", name, *arguments]


@dataclass(frozen=True)
class _Surroundings:
    """What all services of the site share."""

    folder: SiteFolder
    confinement: Confinement
    log_format: Style


def _child(
    around: _Surroundings,
    name: str,
    command: Sequence[str],
    *,
    isolation: Isolation = Isolation.NONE,
    deidentifies: bool = False,
    ready: Callable[[], bool] = lambda: True,
) -> ChildSpec:
    """A service, kept from the key unless it `deidentifies`, and with `isolation` from the network."""
    folder = around.folder
    home = folder.run / "home" / name
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    confined = (
        list(command)
        if deidentifies
        else without_key(command, folder=folder, name=name, confinement=around.confinement)
    )
    return ChildSpec(
        name=name,
        argv=without_network(confined, isolation=isolation),
        environment={**environment(folder, process=name), "MYOFED_LOG_FORMAT": around.log_format},
        log=folder.logs / f"{name}.log",
        cwd=folder.run,
        ready=ready,
    )
