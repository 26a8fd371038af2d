"""The round loop's engine over Flower's simulation engine (flwr 1.41.0 with ray): one node a virtual site, errands as messages.

The only file here that knows Flower. A message carries the names of files, so that Flower's in-memory state and ray's object
store stay small, however large the model and however many the sites.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec

from myofed_coordinator.federation.engine import Engine, Reply, Task
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode
from myofed_simulation.courier import Courier

QUIET = {
    "FLWR_TELEMETRY_ENABLED": "0",
    "FLWR_DISABLE_UPDATE_CHECK": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_DEDUP_LOGS": "0",
}
"""Nobody phones home; both read these when they are imported."""
OBJECT_STORE_BYTES = 80 << 20
"""Ray's smallest is 75 MiB; the messages are of some hundred bytes."""
TTL_S = 7 * 86_400.0
"""A message waits until its site's turn comes."""
ANSWER, ERRAND, TEXT = "answer", "errand", "text"
LOOK_S = 0.1


def check_installed() -> None:
    """Flower's simulation engine can be used here.

    Raises:
        MyofedError: SIMULATION_NO_RAY.
    """
    if find_spec("ray") is None:
        raise MyofedError(
            "SIMULATION_NO_RAY",
            "expected ray for Flower's simulation engine, found none",
            hint="pip install 'myofed[simulation]', or --engine pool, which needs nothing and gives the same weights",
            exit_code=ExitCode.USAGE,
        )


def run_in_flower(work: Callable[[Engine], None], courier: Courier, *, sites: int, workers: int) -> None:
    """`work` has been done with an engine whose messages Flower's simulation engine carries.

    Args:
        work: Runs the rounds; what it raises is raised here.
        courier: Makes errands and reads answers.
        sites: Nodes.
        workers: Ray actors, one CPU each.

    Raises:
        MyofedError: What `work` raises.
    """
    os.environ.update({name: os.environ.get(name, value) for name, value in QUIET.items()})
    from flwr.app import Context
    from flwr.serverapp import Grid, ServerApp
    from flwr.simulation import run_simulation

    from myofed_simulation.flower_client import app as client

    server, given_up = ServerApp(), threading.Event()

    @server.main()
    def main(grid: Grid, context: Context) -> None:  # noqa: ARG001  Flower's signature
        work(FlowerEngine(grid, courier, sites=sites, given_up=given_up))

    start_ray(workers)
    try:
        run_simulation(
            server_app=server,
            client_app=client,
            num_supernodes=sites,
            backend_config={"client_resources": {"num_cpus": 1, "num_gpus": 0.0}},
        )
    finally:
        given_up.set()


def start_ray(workers: int) -> None:
    """Ray runs with so many CPUs, before Flower would start it, and a stop signal reaches us as before.

    Ray takes SIGTERM for itself, which would end this process as if it had crashed.
    """
    ray = import_module("ray")
    ours = signal.getsignal(signal.SIGTERM)
    ray.init(num_cpus=workers, include_dashboard=False, log_to_driver=False, object_store_memory=OBJECT_STORE_BYTES)
    signal.signal(signal.SIGTERM, ours)


class FlowerEngine:
    """Carries errands to Flower's virtual nodes and answers back."""

    def __init__(self, grid: object, courier: Courier, *, sites: int, given_up: threading.Event) -> None:
        """Nothing is sent yet.

        Args:
            grid: Flower's.
            courier: Makes errands and reads answers.
            sites: So many nodes are waited for.
            given_up: Set when Flower's engine has ended, by Ctrl-C say: its ServerApp's thread would wait for ever.
        """
        from flwr.serverapp import Grid

        assert isinstance(grid, Grid)
        self._grid = grid
        self._courier = courier
        self._sites = sites
        self._given_up = given_up
        self._nodes: list[int] = []

    def online(self) -> Mapping[str, int]:
        """All virtual sites, once all nodes are up: the n-th site is played by the n-th node."""
        self._nodes = sorted(self._grid.get_node_ids())
        return self._courier.online() if len(self._nodes) >= self._sites else {}

    def send(self, tasks: Sequence[tuple[int, Task]]) -> list[str]:
        """All errands are with Flower; tickets are its message ids."""
        from flwr.app import ConfigRecord, Message, MessageType, RecordDict

        messages = [
            Message(
                RecordDict({ERRAND: ConfigRecord({TEXT: errand})}),
                dst_node_id=self._nodes[number],
                message_type=MessageType.TRAIN,
                ttl=TTL_S,
            )
            for (number, _), errand in zip(tasks, self._courier.errands(tasks), strict=True)
        ]
        tickets = list(self._grid.push_messages(messages))
        for (number, _), ticket in zip(tasks, tickets, strict=True):
            self._courier.sent(number, ticket)
        return tickets

    def replies(self, tickets: Sequence[str]) -> Iterator[Reply]:
        """Those that have come by now.

        Raises:
            SystemExit: Flower's engine has ended; this ends the thread, and the run can go on later.
        """
        if self._given_up.is_set():
            raise SystemExit
        for message in self._grid.pull_messages(tickets):
            ticket = message.metadata.reply_to_message_id
            if message.has_error():
                yield self._courier.failed(ticket, "SITE_FAILED")
            else:
                yield self._courier.reply(ticket, str(message.content[ANSWER][TEXT]))
        time.sleep(LOOK_S)
