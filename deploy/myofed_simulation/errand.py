"""One message to a virtual site as it crosses a process: names of files, never weights; and what the site says to it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from myofed_coordinator.runs.folder import RunFolder
from myofed_schemas.federation import Instruction, TaskMetrics
from myofed_schemas.ids import Code, Sha256, UtcTime
from myofed_schemas.wire import WireModel
from myofed_simulation.plan import Device, VirtualSite


class Errand(WireModel):
    """What a virtual site is asked to do.

    Attributes:
        site: Who.
        instruction: What, as the coordinator sends it.
        folder: The run's; weights lie there.
        cache_bytes: Prepared subjects that a process keeps in memory, over all sites.
        min_scored: A Dice leaves as a sum over at least so many subjects.
        device: Where to compute.
        at: When it was sent.
    """

    site: VirtualSite
    instruction: Instruction
    folder: str
    cache_bytes: int
    min_scored: int
    device: Device
    at: UtcTime


class Answer(WireModel):
    """What a virtual site says; its weights, where it has any, lie in `Desk.arrival`."""

    code: Code
    metrics: TaskMetrics | None = None
    update_sha256: Sha256 | None = None


@dataclass(frozen=True)
class Desk:
    """Where a run's messages lie.

    Attributes:
        run: The run's folder, which the rounds read and write as in a real federation.
    """

    run: RunFolder

    @property
    def outgoing(self) -> Path:
        """The global weights of the question under way, once for all sites."""
        return self.run.root / "outgoing.safetensors"

    def arrival(self, site: str) -> Path:
        """What this site sent, until the round loop takes it."""
        return self.run.root / "arrivals" / f"{site}.safetensors"

    def site(self, site: str) -> Path:
        """What this site keeps for itself from round to round."""
        return self.run.root / "sites" / site
