"""What every engine of a simulation does: weights on disk, errands out, answers in; at most one update in memory at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from myofed_coordinator.federation.encoding import decode
from myofed_coordinator.federation.engine import Reply, Task
from myofed_coordinator.federation.weights import weights_digest
from myofed_coordinator.runs.folder import RunFolder
from myofed_schemas.clock import utc_text
from myofed_schemas.files import write_atomically
from myofed_schemas.study_options import Transport
from myofed_simulation.clock import SimulationClock
from myofed_simulation.errand import Answer, Desk, Errand
from myofed_simulation.plan import Device, VirtualSite

Told = Callable[[str], None]


@dataclass(frozen=True)
class Means:
    """What virtual sites work with.

    Attributes:
        workers: Processes that play sites.
        cache_bytes: Prepared subjects in memory, each process.
        min_scored: As in the plan.
        device: As in the plan.
    """

    workers: int = 1
    cache_bytes: int = 64 << 20
    min_scored: int = 1
    device: Device = "cpu"


class Courier:
    """Turns tasks into errands and answers into replies; an engine carries both as text."""

    def __init__(
        self, run: RunFolder, sites: Sequence[VirtualSite], means: Means, *, clock: SimulationClock, told: Told
    ) -> None:
        self._desk = Desk(run)
        self._sites = tuple(sites)
        self._means = means
        self._clock = clock
        self._told = told
        self._manifest = run.manifest().manifest
        self._keys = run.sites().node_keys
        self._task: Task | None = None
        self._asked: dict[str, str] = {}
        self._total = 0

    def online(self) -> Mapping[str, int]:
        """Key -> number, of all virtual sites: they are always there."""
        return {self._keys[site.name]: number for number, site in enumerate(self._sites) if site.name in self._keys}

    def errands(self, tasks: Sequence[tuple[int, Task]]) -> list[str]:
        """One a task, as text; the weights that they are about lie on disk, once. The clock stands from here on."""
        task = self._task = tasks[0][1]  # a question is the same for all sites
        write_atomically(self._desk.outgoing, task.packed)
        self._asked, self._total = {}, len(tasks)
        self._clock.hold()
        return [self._errand(self._sites[number], task) for number, task in tasks]

    def sent(self, number: int, ticket: str) -> None:
        """The errand to the site with this number has this ticket."""
        self._asked[ticket] = self._sites[number].name

    def reply(self, ticket: str, answer_json: str) -> Reply:
        """The answer as the round loop takes it; the site's file is gone. The clock goes on after the last one."""
        site = self._asked.pop(ticket)
        answer = Answer.model_validate_json(answer_json)
        self._say()
        packed = self._take(site, answer) if answer.update_sha256 else b""
        return Reply(ticket, answer.code, packed, answer.metrics)

    def failed(self, ticket: str, code: str) -> Reply:
        """No answer came of this errand."""
        self._asked.pop(ticket)
        self._say()
        return Reply(ticket, code)

    def _errand(self, site: VirtualSite, task: Task) -> str:
        return Errand(
            site=site,
            instruction=task.instruction,
            folder=str(self._desk.run.root),
            cache_bytes=self._means.cache_bytes,
            min_scored=self._means.min_scored,
            device=self._means.device,
            at=utc_text(self._clock.now()),
        ).model_dump_json()

    def _take(self, site: str, answer: Answer) -> bytes:
        assert self._task is not None
        path = self._desk.arrival(site)
        parcel = path.read_bytes()
        path.unlink()
        if weights_digest(parcel) != answer.update_sha256:
            return b""  # refused by the round loop as no update
        encoding = (self._manifest.transport or Transport()).encoding
        return decode(parcel, base=self._task.packed, encoding=encoding, spec=self._manifest.state_dict)

    def _say(self) -> None:
        assert self._task is not None
        done = self._total - len(self._asked)
        asked = self._task.instruction
        what = f"round {asked.round} of {self._manifest.rounds}" if asked.kind == "train" else "last model"
        self._told(f"{what}: {done} of {self._total} sites")
        if not self._asked:
            self._clock.release()
