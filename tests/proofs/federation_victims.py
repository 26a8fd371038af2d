"""Whom a kill of the federation hits: one process, an `up` without its children, or everything of one machine at once."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass

import psutil

from proofs.federation_plant import COORDINATOR, Plant

OF_COORDINATOR = {
    "coordinator, all": None,
    "coordinator, up": "up",
    "gateway": "sites-port",
    "engine, superlink": "superlink",
    "engine, superexec": "superexec",
    "engine, ServerApp": "ServerApp",
    "runs": "runs",
    "people's port": "people-port",
}
OF_NODE = {
    "node, all": None,
    "node, up": "up",
    "supernode": "supernode",
    "egress": "egress",
    "executor": "executor",
    "worker": "worker",
    "service": "service",
}
KINDS = (*OF_COORDINATOR, *OF_NODE)
SERVER_APP = "flwr-serverapp"


@dataclass(frozen=True)
class Planned:
    """One kill to come.

    Attributes:
        kind: One of KINDS.
        service: `coordinator`, or the name of a site.
        round: It falls when this round is in progress, or a later one.
        delay_s: So long after the round began, or after the kill before it.
    """

    kind: str
    service: str
    round: int
    delay_s: float


def plan_of_kills(
    kills: int, *, rounds: int, sites: tuple[str, ...], kinds: tuple[str, ...], seed: int, delay_s: float = 4.0
) -> list[Planned]:
    """Every kind as often as any other or once more, in random order, at random moments over all rounds.

    A moment is up to `delay_s` after a round began or after the kill before it, in the last round up to an eighth of that.
    """
    rng = random.Random(seed)
    chosen = [kinds[number % len(kinds)] for number in range(kills - kills % len(kinds))]
    chosen += rng.sample(kinds, kills % len(kinds))
    rng.shuffle(chosen)
    longest = [delay_s / 8 if number * rounds // kills + 1 == rounds else delay_s for number in range(kills)]
    return [
        Planned(
            kind=kind,
            service=COORDINATOR if kind in OF_COORDINATOR else rng.choice(sites),
            round=number * rounds // kills + 1,
            delay_s=round(rng.uniform(0, longest[number]), 3),
        )
        for number, kind in enumerate(chosen)
    ]


def kill(plant: Plant, planned: Planned, *, over: Callable[[], bool], seconds: float = 300) -> int:
    """The victim had SIGKILL; how many processes died of it directly, 0 where the run was over before there was a victim."""
    end = time.monotonic() + seconds
    while not over() and time.monotonic() < end:
        if died := _kill(plant, planned):
            return died
        time.sleep(0.05)  # it is down of an earlier kill, and comes back
    return 0


def _kill(plant: Plant, planned: Planned) -> int:
    process = plant.process(planned.service)
    if process is None or process.popen.poll() is not None or not process.status.exists():
        return 0
    name = (OF_COORDINATOR | OF_NODE)[planned.kind]
    try:
        if name is None:
            return sum(_killed(p) for p in process.family())
        if name == "up":
            return _killed(psutil.Process(process.popen.pid))
        if name == "ServerApp":
            return sum(_killed(p) for p in process.family() if _is_server_app(p))
        return _killed(psutil.Process(process.pids()[name])) if name in process.pids() else 0
    except (psutil.Error, FileNotFoundError):  # gone between two looks
        return 0


def _is_server_app(process: psutil.Process) -> bool:
    try:
        return any(SERVER_APP in part for part in process.cmdline()[:2])
    except psutil.Error:  # one that ended, and is waited for by nobody yet
        return False


def _killed(process: psutil.Process) -> int:
    try:
        process.kill()
    except psutil.NoSuchProcess:
        return 0
    return 1
