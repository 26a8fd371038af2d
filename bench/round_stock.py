"""Rounds of stock Flower 1.41.0 for `bench round`: its own executor, a packed model, TLS and node authentication, no wall."""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from bench.round_watch import Rounds, family, timeline, watch
from bench.round_work import large_weights, small_weights
from myofed_coordinator.config import CoordinatorConfig
from myofed_coordinator.federation import superlink
from myofed_coordinator.federation.flower_adapter import EngineControl
from myofed_coordinator.home import HomeFolder
from myofed_coordinator.initialise import initialise
from myofed_node import up
from myofed_node.settings import initial_config
from myofed_node.site_setup import make_site
from myofed_schemas.service_loop import free_port

REPOSITORY = Path(__file__).parents[1]
BUNDLE = Path(__file__).parent / "round_bundle"
SITES = ("site-a", "site-b", "site-c")
POLL_VARIABLE = "FLWR_SUPEREXEC_TASK_POLL_INTERVAL"
STARTS_WITHIN_S = 60.0


@dataclass
class Stock:
    """The processes of a stock federation on loopback."""

    root: Path
    home: HomeFolder
    port: int
    control: EngineControl | None = None
    started: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self, argv: list[str], environment: Mapping[str, str]) -> None:
        """One more process; Flower's own poll intervals, and this repository on its path."""
        own = {name: value for name, value in environment.items() if name != POLL_VARIABLE}
        log = (self.root / "stock.log").open("ab")
        with_path = {**own, "PYTHONPATH": str(REPOSITORY)}
        self.started.append(subprocess.Popen(argv, env=with_path, stdout=log, stderr=log, cwd=self.root))

    def stop(self) -> None:
        """Nothing of it is left."""
        everything = family(*(process.pid for process in self.started))
        for process in reversed(everything):
            process.kill()
        for process in self.started:
            process.wait()


@contextmanager
def stock_federation() -> Iterator[Stock]:
    """SuperLink, SuperExec and three SuperNodes, all as their makers ship them."""
    now = datetime.now(tz=UTC)
    with tempfile.TemporaryDirectory(prefix="myofed-stock-", ignore_cleanup_errors=True) as folder:
        root = Path(folder)
        config = CoordinatorConfig(people=f"127.0.0.1:{free_port()}", sites=f"127.0.0.1:{free_port()}", demo=True)
        home = initialise(root / "coordinator", config, actor="bench", now=now)
        home.engine.mkdir(mode=0o700, exist_ok=True)
        it = Stock(root, home, free_port())
        try:
            it.start(superlink.superlink_command(home, port=it.port), _environment(it, "superlink"))
            _until_healthy(it)
            it.start(superlink.superexec_command(home, port=it.port), _environment(it, "superexec"))
            it.control = EngineControl(f"127.0.0.1:{it.port}", ca=home.loopback_ca, bundle=BUNDLE)
            for name in SITES:
                _start_node(it, it.control, name, now)
            yield it
        finally:
            it.stop()


def measure(it: Stock, *, kind: str, rounds: int, steps: int) -> Rounds:
    """So many rounds of one kind: `empty`, `unet` or `model100mb`."""
    weights, ends = it.root / f"{kind}.safetensors", it.root / f"{kind}.jsonl"
    weights.write_bytes(large_weights() if kind == "model100mb" else small_weights())
    assert it.control is not None
    run = it.control.start(
        {
            "weights": str(weights),
            "timeline": str(ends),
            "rounds": str(rounds),
            "steps": str(steps),
            "sites": str(len(SITES)),
        }
    )
    processes = [process.pid for process in it.started]
    measured = watch(lambda: timeline(ends), lambda: family(*processes), rounds=rounds)
    while not it.control.has_ended(run):
        time.sleep(0.5)
    return measured


def _environment(it: Stock, process: str) -> dict[str, str]:
    return superlink.engine_environment(it.home, process=process)


def _until_healthy(it: Stock) -> None:
    end = time.monotonic() + STARTS_WITHIN_S
    while not superlink.is_healthy(it.home, port=it.port):
        if time.monotonic() > end:
            raise TimeoutError((it.root / "stock.log").read_text()[-2000:])
        time.sleep(0.2)


def _start_node(it: Stock, control: EngineControl, name: str, now: datetime) -> None:
    site = make_site(it.root / name, config=initial_config(name, demo=True, settings=[]), now=now)
    site.folder.run.mkdir(mode=0o700, parents=True, exist_ok=True)
    control.register(site.folder.flower_public_key.read_text(), name=name)
    argv = [
        str(superlink.programs() / "flower-supernode"),
        *("--superlink", f"127.0.0.1:{it.port}", "--root-certificates", str(it.home.loopback_ca)),
        *("--auth-supernode-private-key", str(site.folder.flower_key)),
        *("--port", str(free_port()), "--isolation", "subprocess"),
    ]
    it.start(argv, up.environment(site.folder, process="supernode"))
