"""One coordinator and N nodes as separate processes over TLS on loopback, driven by their own commands."""

from __future__ import annotations

import json
import multiprocessing
import signal
import socket
import ssl
import time
import urllib.request
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from myofed_demo.commands import Commands, Service, environment
from myofed_demo.progress import Progress
from myofed_demo.settings import DemoOptions
from myofed_schemas.errors import MyofedError
from myofed_schemas.federation import RunStatus
from myofed_schemas.supervise import die_with_parent

T = TypeVar("T")
R = TypeVar("R")

PARALLEL = 2
START_TIMEOUT_S = 120.0
POLL_S = 1.0


def free_ports(count: int) -> tuple[int, ...]:
    """Loopback ports that nobody listens on now, all different."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return tuple(each.getsockname()[1] for each in sockets)
    finally:
        for each in sockets:
            each.close()


def _quiet_until_parent_dies() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the demonstration's own affair
    die_with_parent()


class Federation:
    """The processes of the demonstration and the folders they work in."""

    def __init__(self, options: DemoOptions, progress: Progress) -> None:
        self.options = options
        self.progress = progress
        self.commands = Commands(options.workdir)
        self.home = options.workdir / "coordinator"
        self.people_port, self.sites_port, self._engine_port = free_ports(3)
        self._services: dict[str, Service] = {}
        self._pool = ThreadPoolExecutor(PARALLEL)
        self._processes = ProcessPoolExecutor(
            PARALLEL, mp_context=multiprocessing.get_context("spawn"), initializer=_quiet_until_parent_dies
        )

    @property
    def people_url(self) -> str:
        """Address of the coordinator's page and API."""
        return f"https://127.0.0.1:{self.people_port}"

    def site(self, name: str) -> Path:
        """Folder of a hospital's node."""
        return self.options.workdir / "sites" / name

    def hospital(self, name: str) -> Path:
        """Folder of a hospital's own data: its DICOM and label maps, which its node is given."""
        return self.options.workdir / "hospitals" / name

    def coordinator(self, *arguments: str | Path) -> Any:
        """What a command of the coordinator printed."""
        return self.commands.run("myofed-coordinator", *arguments, "--home", self.home)

    def node(self, name: str, *arguments: str | Path) -> Any:
        """What a command of a node printed."""
        return self.commands.run("myofed-node", *arguments, "--site", self.site(name))

    def each(self, work: Callable[[T], R], items: Iterable[T]) -> list[R]:
        """The results of `work` for all items, in order, made on as many threads as there are cores for."""
        futures = [self._pool.submit(work, item) for item in items]
        return [future.result() for future in futures]

    def make(self, work: Callable[..., Any], *arguments: Any, **keywords: Any) -> Any:
        """The result of pure computation, done in another process, so that two hospitals use two cores."""
        return self._processes.submit(work, *arguments, **keywords).result()

    def start_coordinator(self) -> None:
        """The coordinator has been told to come up (it takes some seconds)."""
        self.commands.run(
            "myofed-coordinator",
            "init",
            self.home,
            "--people",
            f"127.0.0.1:{self.people_port}",
            "--sites",
            f"127.0.0.1:{self.sites_port}",
            "--engine-port",
            str(self._engine_port),
            "--no-four-eyes",
        )
        self._up("coordinator", ["myofed-coordinator", "up", str(self.home)])

    def start_node(self, name: str) -> None:
        """The node's services have been told to come up."""
        self._up(name, ["myofed-node", "up", str(self.site(name))])

    def wait_for(self, what: str, condition: Callable[[], bool], timeout_s: float = START_TIMEOUT_S) -> None:
        """`condition` came true.

        Raises:
            MyofedError: DEMO_TIMEOUT: it did not in time; DEMO_SERVICE: a service ended meanwhile.
        """
        end = time.monotonic() + timeout_s
        while not condition():
            self.check()
            if time.monotonic() > end:
                raise MyofedError(
                    "DEMO_TIMEOUT",
                    f"{what} did not happen within {timeout_s:.0f} s.",
                    hint=f"Look at the logs under {self.options.workdir}.",
                )
            time.sleep(POLL_S)

    def check(self) -> None:
        """Every service still runs."""
        for service in self._services.values():
            service.check()

    def all_ready(self, folder: Path) -> bool:
        """True when every child of the `up` command of this folder serves."""
        status = folder / "run" / "status.json"
        if not status.exists():
            return False
        children = json.loads(status.read_text()).get("children", {})
        return bool(children) and all(state == "ready" for state in children.values())

    def run_status(self, run_id: str) -> RunStatus:
        """The run as the coordinator's API shows it to a person who is logged in."""
        token = (self.home / "keys" / "admin.token").read_text().strip()
        request = urllib.request.Request(  # noqa: S310  always our own https address
            f"{self.people_url}/api/v1/runs/{run_id}", headers={"Authorization": f"Bearer {token}"}
        )
        trust = ssl.create_default_context(cafile=str(self.home / "keys" / "ca.pem"))
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=trust)
        )
        with opener.open(request, timeout=20) as answer:
            return RunStatus.model_validate_json(answer.read())

    def stop(self, *names: str) -> None:
        """These services (all, when none is named) have ended."""
        chosen = [self._services.pop(n) for n in (names or tuple(self._services)) if n in self._services]
        for service in chosen:
            service.ask_to_stop()
        for service in chosen:
            service.stop()

    def close(self) -> None:
        """Nothing of the demonstration runs any more."""
        self.commands.stop()
        self._processes.shutdown(wait=False, cancel_futures=True)
        self._pool.shutdown(wait=True, cancel_futures=True)
        self.stop()

    def _up(self, name: str, argv: list[str]) -> None:
        log = self.options.workdir / f"{name}.log"
        self._services[name] = Service(argv, log=log, variables=environment(self.options.workdir))
