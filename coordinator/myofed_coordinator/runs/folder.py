"""The folder of one run: everything its ServerApp reads and writes, so that any process may die and another go on."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, Field, ValidationError

from myofed_schemas.canonical import canonical_json
from myofed_schemas.errors import MyofedError
from myofed_schemas.federation import RunStatus
from myofed_schemas.files import write_atomically
from myofed_schemas.ids import Code, Sha256, SiteId, UtcTime
from myofed_schemas.study import SignedManifest
from myofed_schemas.wire import WireModel

FINAL_STATES = ("completed", "failed", "stopped")


class RunSites(WireModel):
    """Who takes part: each site with the SHA-256 of its Flower node key (PEM SubjectPublicKeyInfo).

    A site that is revoked during the run is taken out; the ServerApp reads this again at every poll.
    """

    node_keys: dict[SiteId, Sha256]


class Submission(WireModel):
    """The last time this run was handed to the engine; written by the `runs` process alone.

    Attributes:
        engine_run: Flower's number of the run, up to 2**64, in decimal digits: JSON numbers hold less.
        attempts: Submissions since the last finished round.
        rounds: Rounds that were finished when it was submitted.
        submitted_at: UTC.
    """

    engine_run: str = Field(pattern=r"^[0-9]{1,20}$")
    attempts: int = Field(ge=0)
    rounds: int = Field(ge=0)
    submitted_at: UtcTime


class RoundRecord(WireModel):
    """What the ServerApp must know of a finished round beside its report.

    Attributes:
        digests: Site -> SHA-256 of what it sent, over names and numbers.
        memory_sha256: Of the file of the strategy's memory; None where it has none.
        examples: Site -> training subjects, as a bucket; empty for a round of an earlier release.
    """

    digests: dict[SiteId, Sha256]
    memory_sha256: Sha256 | None = None
    examples: dict[SiteId, int] = Field(default_factory=dict)


class ServerProcess(WireModel):
    """Who took the run's lock last: the ServerApp's process.

    Attributes:
        pid: Its number.
        started_ticks: When the kernel started it (proc(5), field 22), so that a number given out again is told apart.
    """

    pid: int = Field(ge=1)
    started_ticks: int = Field(ge=0)


class RunEvent(WireModel):
    """One line of `events.jsonl`: what the ServerApp did, in codes; and `RUN_HUNG`, where it was killed for doing nothing."""

    at: UtcTime
    event: Code
    round: int = Field(ge=0)
    site: SiteId | None = None
    code: Code = "OK"


@dataclass(frozen=True)
class RunFolder:
    """Paths and documents of one run."""

    root: Path

    @property
    def run_id(self) -> str:
        """The run's name is its folder's."""
        return self.root.name

    @property
    def initial_weights(self) -> Path:
        """What the first round sends."""
        return self.root / "initial.safetensors"

    @property
    def stop_request(self) -> Path:
        """Exists once a person asked to stop the run."""
        return self.root / "stop"

    @property
    def closed(self) -> Path:
        """Exists once the run has ended and everything about its end is done."""
        return self.root / "closed"

    @property
    def events(self) -> Path:
        """One line an event."""
        return self.root / "events.jsonl"

    @property
    def updates(self) -> Path:
        """Checked updates of the round in progress wait here for their turn; emptied after it."""
        return self.root / "updates"

    def weights(self, round_number: int) -> Path:
        """The global model after this round."""
        return self.root / f"round-{round_number:04d}.safetensors"

    def report(self, round_number: int) -> Path:
        """The report of this round; written after its weights, so it says that they are whole."""
        return self.root / f"round-{round_number:04d}.json"

    def record(self, round_number: int) -> Path:
        """What each site sent in this round, as digests."""
        return self.root / f"round-{round_number:04d}.record.json"

    def round_record(self, round_number: int) -> RoundRecord:
        """What each site sent in this round; empty for a round of an earlier release.

        Raises:
            MyofedError: RUN_INCOMPLETE where it is damaged.
        """
        path = self.record(round_number)
        return _document(RoundRecord, path) if path.exists() else RoundRecord(digests={})

    def memory(self, round_number: int) -> Path:
        """What the strategy remembers after this round, where it remembers anything."""
        return self.root / f"round-{round_number:04d}.memory.safetensors"

    def outgoing(self, round_number: int) -> Path:
        """The weights that this round sends out."""
        return self.weights(round_number - 1) if round_number > 1 else self.initial_weights

    def manifest(self) -> SignedManifest:
        """What the sites approved and this run does."""
        return _document(SignedManifest, self.root / "manifest.json")

    def write_manifest(self, manifest: SignedManifest) -> None:
        """The run's manifest is on disk."""
        write_atomically(self.root / "manifest.json", canonical_json(manifest))

    def sites(self) -> RunSites:
        """Who takes part now."""
        return _document(RunSites, self.root / "sites.json")

    def write_sites(self, sites: RunSites) -> None:
        """From the next poll on, only these take part."""
        write_atomically(self.root / "sites.json", canonical_json(sites))

    def status(self) -> RunStatus:
        """The run's state as last written."""
        return _document(RunStatus, self.root / "status.json")

    def write_status(self, status: RunStatus) -> None:
        """The run's state is on disk."""
        write_atomically(self.root / "status.json", status.model_dump_json().encode())

    def submission(self) -> Submission | None:
        """The last submission, or None where the engine never saw this run."""
        path = self.root / "submission.json"
        return _document(Submission, path) if path.exists() else None

    def write_submission(self, submission: Submission) -> None:
        """The submission is on disk."""
        write_atomically(self.root / "submission.json", canonical_json(submission))

    def look(self) -> None:
        """The ServerApp looked for what is new: it lives."""
        self._alive.touch(mode=0o600)

    def last_look(self) -> int:
        """Changes with every look; 0 before the first."""
        return self._alive.stat().st_mtime_ns if self._alive.exists() else 0

    def last_event(self) -> int:
        """Grows with every event; 0 before the first."""
        return self.events.stat().st_size if self.events.exists() else 0

    def server(self) -> ServerProcess | None:
        """The process that holds the lock, where it is held; None where none ever took it."""
        path = self.root / "server.json"
        return _document(ServerProcess, path) if path.exists() else None

    @property
    def _alive(self) -> Path:
        return self.root / "alive"

    def note(self, event: RunEvent) -> None:
        """The event is the last line of `events.jsonl`; a line that a kill cut short gives way to it."""
        descriptor = os.open(self.events, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            whole = os.pread(descriptor, os.fstat(descriptor).st_size, 0).rfind(b"\n") + 1
            os.ftruncate(descriptor, whole)
            os.pwrite(descriptor, canonical_json(event) + b"\n", whole)
        finally:
            os.close(descriptor)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Nobody else runs this run meanwhile; the kernel frees the lock when the process dies.

        Raises:
            MyofedError: RUN_LOCKED.
        """
        with self._lock():
            me = ServerProcess(pid=os.getpid(), started_ticks=started_ticks(os.getpid()) or 0)
            write_atomically(self.root / "server.json", canonical_json(me))
            self.look()
            yield

    def is_locked(self) -> bool:
        """A live ServerApp works on this run."""
        try:
            with self._lock():
                return False
        except MyofedError:
            return True

    @contextmanager
    def _lock(self) -> Iterator[None]:
        descriptor = os.open(self.root / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield
        except BlockingIOError:
            raise MyofedError("RUN_LOCKED", "expected nobody else on this run, found a live ServerApp") from None
        finally:
            os.close(descriptor)


def started_ticks(pid: int) -> int | None:
    """When the kernel started this process, in its own ticks; None where there is no such process."""
    try:
        stat = Path("/proc", str(pid), "stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    return int(stat.rpartition(")")[2].split()[19])


Document = TypeVar("Document", bound=BaseModel)


def _document(kind: type[Document], path: Path) -> Document:
    try:
        return kind.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        raise MyofedError("RUN_INCOMPLETE", f"expected {path.name} in the run's folder, found none") from None
    except ValidationError:
        raise MyofedError("RUN_INCOMPLETE", f"expected a whole {path.name}, found a damaged one") from None


def read_events(folder: RunFolder) -> list[RunEvent]:
    """All whole events; a line that a kill cut short is left out."""
    if not folder.events.exists():
        return []
    lines = folder.events.read_bytes().split(b"\n")[:-1]
    return [RunEvent.model_validate(json.loads(line)) for line in lines]
