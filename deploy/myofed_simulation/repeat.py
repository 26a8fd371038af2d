"""A run done again from what it left behind, and compared bit by bit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode
from myofed_schemas.ids import Sha256
from myofed_schemas.wire import WireModel
from myofed_simulation.courier import Means, Told
from myofed_simulation.folder import OutFolder
from myofed_simulation.plan import EngineName, RunRecord
from myofed_simulation.run import Job, prepare, simulate
from myofed_simulation.study import read


class Comparison(WireModel):
    """What `repeat` found.

    Attributes:
        agrees: Every round's weights and the kept model are the same to the bit.
        rounds: How many were compared.
        model_sha256: Of the repeated run.
        versions_differ: Packages whose version is not that of the first run.
    """

    agrees: bool
    rounds: int
    model_sha256: Sha256 | None
    versions_differ: tuple[str, ...]


@dataclass(frozen=True)
class Again:
    """How to repeat.

    Attributes:
        record: `run.json` of a completed run; its folder holds the initial weights.
        out: New folder.
        engine: Of the repeated run.
        workers: Processes that play sites.
        cache_bytes: As in `Means`.
        command: As typed.
    """

    record: Path
    out: Path
    engine: EngineName
    workers: int
    cache_bytes: int
    command: Sequence[str] = ()


def repeat(again: Again, *, told: Told) -> Comparison:
    """The run has been done again, and agrees.

    Raises:
        MyofedError: SIMULATION_RECORD, SIMULATION_NOT_REPEATABLE, SIMULATION_DATA_CHANGED, SIMULATION_DIFFERS, or what
            `simulate` raises.
    """
    first = read_record(again.record)
    plan = first.plan
    job = Job(
        plan=plan,
        weights=read(OutFolder(again.record.parent).initial, what="the initial weights beside the record"),
        out=OutFolder(again.out),
        engine=again.engine,
        means=Means(again.workers, again.cache_bytes, plan.min_scored, plan.device),
        command=again.command,
    )
    ready = prepare(job, told=told)
    if [site.data_sha256 for site in first.sites] != [site.data_sha256 for site in ready.data]:
        raise _refused("SIMULATION_DATA_CHANGED", "the same files at every site", "others")
    return _compared(first, simulate(job, told=told))


def read_record(path: Path) -> RunRecord:
    """A completed run's record.

    Raises:
        MyofedError: SIMULATION_FILE, SIMULATION_RECORD, SIMULATION_NOT_REPEATABLE.
    """
    try:
        record = RunRecord.model_validate_json(read(path, what="a run's run.json"))
    except ValidationError:
        raise _refused("SIMULATION_RECORD", "a run.json of this release", "another document") from None
    if record.state != "completed":
        raise _refused("SIMULATION_RECORD", "the record of a completed run", f"one that is {record.state}")
    if record.manifest.privacy is not None:
        raise _refused("SIMULATION_NOT_REPEATABLE", "a study without privacy", "one whose noise has no seed")
    return record


def _compared(first: RunRecord, second: RunRecord) -> Comparison:
    versions = sorted(
        name for name in {*first.versions, *second.versions} if first.versions.get(name) != second.versions.get(name)
    )
    agrees = (first.rounds_sha256, first.model_sha256) == (second.rounds_sha256, second.model_sha256)
    if not agrees:
        pairs = zip(first.rounds_sha256, second.rounds_sha256, strict=False)
        same = next((n for n, (a, b) in enumerate(pairs) if a != b), 0)
        raise MyofedError(
            "SIMULATION_DIFFERS",
            f"expected the same bits in every round, found others after {same} equal rounds",
            hint=f"other versions: {', '.join(versions) or 'none'}; other processors and GPUs give other bits",
            exit_code=ExitCode.FAILED,
        )
    return Comparison(
        agrees=True, rounds=len(second.rounds_sha256), model_sha256=second.model_sha256, versions_differ=tuple(versions)
    )


def _refused(code: str, expected: str, found: str) -> MyofedError:
    return MyofedError(code, f"expected {expected}, found {found}", exit_code=ExitCode.BAD_INPUT)
