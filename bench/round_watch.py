"""Wall and processor time of rounds, measured from outside and in the same way for every system."""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import psutil

LOOK_S = 0.05
PATIENCE_S = 600.0


@dataclass(frozen=True)
class Rounds:
    """What the rounds after the first cost.

    Attributes:
        wall_s: From the end of one round to the end of the next, each.
        cpu_s: Of all processes of the system, a round.
        peak_mb: Largest resident memory of one process meanwhile, where it was watched.
        parts: CPU a round by what the processes are, where their names say it.
    """

    wall_s: tuple[float, ...]
    cpu_s: float
    peak_mb: float = 0.0
    parts: Mapping[str, float] = field(default_factory=dict)

    def figures(self, name: str) -> dict[str, float]:
        """Median wall and mean CPU under this name."""
        return {f"{name}_wall_s": statistics.median(self.wall_s), f"{name}_cpu_s": self.cpu_s}


def cpu_seconds(processes: Iterable[psutil.Process], name: Callable[[list[str]], str]) -> dict[str, float]:
    """User and system time so far, of these processes and of the children they have waited for; by their names."""
    total: dict[str, float] = defaultdict(float)
    for process in processes:
        try:
            used, words = process.cpu_times(), process.cmdline()
        except psutil.Error:
            continue
        total[name(words)] += used.user + used.system + used.children_user + used.children_system
    return total


def family(*pids: int) -> list[psutil.Process]:
    """These processes and everything under them."""
    found: list[psutil.Process] = []
    for pid in pids:
        try:
            parent = psutil.Process(pid)
            found += [parent, *parent.children(recursive=True)]
        except psutil.Error:
            continue
    return found


def watch(
    ends: Callable[[], list[float]],
    families: Callable[[], Iterable[psutil.Process]],
    *,
    rounds: int,
    lost: Callable[[], object] = lambda: None,
    name: Callable[[list[str]], str] = lambda _words: "",
) -> Rounds:
    """Waits until so many rounds have ended; the first one warms up and is not counted.

    Args:
        ends: Times at which rounds ended so far.
        families: All processes of the system now.
        rounds: With the first.
        lost: What went wrong, once the system has given up.
        name: What a process with this command line is called in the figures.
    """
    begin: dict[str, float] = {}
    deadline = time.monotonic() + PATIENCE_S
    while len(came := ends()) < rounds:
        if not begin and came:
            begin = cpu_seconds(families(), name)
        if (why := lost()) or time.monotonic() > deadline:
            sys.exit(f"bench round: {len(came)} of {rounds} rounds within {PATIENCE_S} s: {why}")
        time.sleep(LOOK_S)
    used = {part: (s - begin.get(part, 0.0)) / (rounds - 1) for part, s in cpu_seconds(families(), name).items()}
    wall = tuple(later - earlier for earlier, later in pairwise(came))
    return Rounds(wall, sum(used.values()), parts={part: s for part, s in used.items() if part})


def timeline(path: Path) -> list[float]:
    """Times in a file of JSON lines; none where nothing was written yet."""
    return [json.loads(line)["at"] for line in path.read_text().splitlines()] if path.exists() else []
