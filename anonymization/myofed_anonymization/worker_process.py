"""The process that touches hostile bytes: one file at a time, with bounded memory, ended by its parent when it takes too long.

It speaks over one inherited socket: the setup once (pickled, parent to child only), then a number and a path for every file;
back come JSON documents. Nothing else is printed: a traceback could hold a patient's name.
"""

from __future__ import annotations

import gc
import hashlib
import os
import resource
import signal
import sys
import traceback
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from myofed_anonymization.journal import EarlierOutcomes, numbers_of
from myofed_anonymization.keys import SiteKeys
from myofed_anonymization.one_file import Bench, Treated, read_input, treat, withheld
from myofed_anonymization.output_folder import JOURNAL, Staging
from myofed_anonymization.policy import Policy
from myofed_anonymization.pseudonym_sources import PseudonymSource
from myofed_anonymization.treatment import Rules
from myofed_anonymization.vault import Vault
from myofed_anonymization.withheld import WithheldError
from myofed_schemas.deid import FileOutcome, WithheldCode
from myofed_schemas.errors import MyofedError
from myofed_schemas.supervise import die_with_parent

ALLOCATIONS_A_COLLECTION = 50_000
"""As many objects as twenty files leave in memory meanwhile; Python's own 700 make it look several times a file."""


@dataclass(frozen=True, slots=True)
class Setup:
    """What a worker needs for all files of a run."""

    keys: SiteKeys
    policy: Policy
    pseudonyms: PseudonymSource | None
    vault: Vault | None
    out: Path
    staging: Path
    resume: bool


@dataclass(frozen=True, slots=True)
class Task:
    """One file to treat."""

    number: int
    path: Path


class Reply(BaseModel):
    """What a worker answers; only codes, counts and digests."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["treated", "failed"]
    outcome: FileOutcome | None = None
    numbers: dict[str, tuple[float, ...]] = {}
    fault: str = ""
    """Type and place in our code of an error that no file should cause; never its text."""
    code: str = ""
    message: str = ""
    hint: str = ""
    exit_code: int = 1


class Worker:
    """Treats files, one after the other."""

    def __init__(self, setup: Setup) -> None:
        rules = Rules.of(setup.keys, setup.policy, setup.pseudonyms)
        staging = Staging(setup.out, setup.staging, f"candidate-{os.getpid()}.dcm")
        self._bench = Bench(rules, staging, setup.vault)
        self._earlier = EarlierOutcomes(setup.staging / JOURNAL) if setup.resume else None

    def answer(self, task: Task) -> Reply:
        """The reply to this task; no fault of a file is raised."""
        try:
            treated = self._treated(task)
        except MyofedError as error:
            return Reply(
                kind="failed",
                code=error.code,
                message=error.message,
                hint=error.hint,
                exit_code=int(error.exit_code),
            )
        except MemoryError:
            treated = withheld(task.number, WithheldCode.MEMORY_LIMIT)
        except OSError as error:
            place = os.strerror(error.errno) if error.errno else "no reason given"
            return Reply(
                kind="failed",
                code="OUT_NOT_WRITABLE",
                message=f"expected an output folder that can be written, found: {place}",
                hint="check space and permissions of the output folder",
                exit_code=1,
            )
        except Exception as error:  # noqa: BLE001  a bug met by one file must not stop the others; told by type and place only
            return Reply(
                kind="treated",
                outcome=withheld(task.number, WithheldCode.WORKER_DIED).outcome,
                fault=f"{type(error).__name__} at {_place(error)}",
            )
        return Reply(kind="treated", outcome=treated.outcome, numbers=treated.numbers)

    def _treated(self, task: Task) -> Treated:
        try:
            content = read_input(task.path, max_bytes=self._bench.rules.policy.max_file_bytes)
        except WithheldError as refusal:
            return withheld(task.number, refusal.reason)
        sha256 = hashlib.sha256(content).hexdigest()
        return self._taken_over(sha256, task.number) or treat(
            content, sha256=sha256, number=task.number, bench=self._bench
        )

    def _taken_over(self, sha256: str, number: int) -> Treated | None:
        """The outcome of a killed run for these bytes, where what it released lies unchanged in the output folder."""
        found = self._earlier.find(sha256) if self._earlier else None
        if found is None:
            return None
        file, numbers = found
        if file.output and _digest(self._bench.staging.out / file.output) != file.output_sha256:
            return None
        return Treated(file.model_copy(update={"number": number}), numbers_of(numbers))


def _digest(path: Path) -> str | None:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except FileNotFoundError:
        return None


def _place(error: Exception) -> str:
    """File and line of our code that met the error."""
    ours = [f for f in traceback.extract_tb(error.__traceback__) if "myofed_anonymization" in f.filename]
    return f"{Path(ours[-1].filename).name}:{ours[-1].lineno}"


def serve(connection: Connection) -> None:
    """Answers until the parent closes the connection."""
    worker = Worker(connection.recv())
    connection.send_bytes(b"ready")
    while True:
        try:
            task = connection.recv()
        except EOFError:
            return
        connection.send_bytes(worker.answer(task).model_dump_json().encode())


def main(arguments: list[str]) -> None:
    """A worker on the inherited socket with this number, of at most so many bytes of memory.

    Args:
        arguments: File descriptor and limit.
    """
    descriptor, max_memory_bytes = (int(argument) for argument in arguments)
    die_with_parent(signal.SIGKILL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core file would hold a patient's data
    resource.setrlimit(resource.RLIMIT_AS, (max_memory_bytes, max_memory_bytes))
    gc.freeze()  # what was imported is for good, and a file leaves no cycles behind: there is little to look for
    gc.set_threshold(ALLOCATIONS_A_COLLECTION)
    serve(Connection(descriptor))


if __name__ == "__main__":  # pragma: no cover  what the pool starts; its tests see it at work
    main(sys.argv[1:])
