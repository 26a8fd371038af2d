"""100,000 hostile files: none stops a run, takes long, writes elsewhere or comes out with an identity."""

from __future__ import annotations

import datetime as dt
import logging
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from planted.search import Index

from myofed_anonymization import SiteKeys, default_policy, deidentify, read_report
from myofed_anonymization.deidentify import Options
from myofed_schemas.deid import FileOutcome, WithheldCode
from proofs.mutant_judge import judge_mutant, planted_index
from proofs.mutants import Mutant, mutant

BATCH = 2000
SECONDS_A_FILE = 10
ESCAPE = Path("/tmp/myofed-mutant-escape")
"""Some mutants carry it for a UID."""
LEAST_RELEASED = 0.1
"""Below this share the search for leaks says little."""
KEYS = SiteKeys(bytes(range(32)))
NOW = dt.datetime(2026, 11, 24, tzinfo=dt.UTC)
_LAYOUT = re.compile(
    r"2\.25\.\d{1,39}/2\.25\.\d{1,39}/(2\.25\.\d{1,39}\.dcm|side-record\.json)|deidentification-report\.(json|html)"
)
_FAULT = re.compile(r"file (\d+) met a fault of ours: (.*)")


@dataclass(slots=True)
class Batch:
    """What became of some mutants; `failed` names each by its number, so that `mutant(seed, number)` makes it again."""

    files: int = 0
    released: int = 0
    slowest_s: float = 0.0
    codes: Counter[str] = field(default_factory=Counter)
    ways: Counter[str] = field(default_factory=Counter)
    limits: Counter[str] = field(default_factory=Counter)
    failed: list[str] = field(default_factory=list)

    def add(self, other: Batch) -> None:
        """The counts are those of both."""
        self.files += other.files
        self.released += other.released
        self.slowest_s = max(self.slowest_s, other.slowest_s)
        for mine, theirs in ((self.codes, other.codes), (self.ways, other.ways), (self.limits, other.limits)):
            mine.update(theirs)
        self.failed += other.failed


def mutated_files(count: int = 100_000, seed: int = 1, *, processes: int = 2) -> tuple[list[dict[str, Any]], list[str]]:
    """What became of so many mutants, and what must not have."""
    begin, total = time.monotonic(), Batch()
    with ProcessPoolExecutor(processes) as pool:
        runs = [pool.submit(run_batch, seed, first, min(BATCH, count - first)) for first in range(0, count, BATCH)]
        for done, run in enumerate(as_completed(runs), start=1):
            total.add(run.result())
            print(
                f"{done} of {len(runs)} batches, {total.released} released, {len(total.failed)} failed", file=sys.stderr
            )
    failed = total.failed
    if total.released < LEAST_RELEASED * count:
        failed.append(f"{total.released} of {count} released: too few to say that none leaks")
    tried = {
        "seed": seed,
        "files": total.files,
        "released": total.released,
        "withheld_by_code": dict(sorted(total.codes.items())),
        "released_by_mutation": dict(sorted(total.ways.items())),
        "within_stated_limits": dict(sorted(total.limits.items())),
        "slowest_file_s": round(total.slowest_s, 2),
        "seconds": round(time.monotonic() - begin, 1),
    }
    return [tried], failed


def run_batch(seed: int, first: int, size: int) -> Batch:
    """The mutants with these numbers, de-identified in one run in a folder that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="myofed-mutants-") as folder:
        try:
            return _judged(Path(folder), [mutant(seed, number) for number in range(first, first + size)])
        except Exception as error:  # noqa: BLE001  whatever a run raises on hostile files is what is looked for
            return Batch(
                files=size, failed=[f"run of {first} to {first + size - 1} ended with {type(error).__name__}: {error}"]
            )


def _judged(top: Path, mutants: list[Mutant]) -> Batch:
    inside = top / "a" / "b" / "c"
    source, out = inside / "in" / "Fantasia^Ottilie", inside / "out"
    source.mkdir(parents=True)
    for folder in (top, top / "a", inside, inside / "decoys"):
        folder.mkdir(exist_ok=True)
        for number in range(2):
            (folder / f"decoy-{number}").write_bytes(b"decoy")
    for one in mutants:
        (source / f"{one.number:09d}").write_bytes(one.content)
    found, around = Batch(files=len(mutants)), _around(top, out)
    with _faults() as faults:
        times = _timed_run(source, out)
    found.slowest_s = max(times)
    if found.slowest_s > SECONDS_A_FILE:
        found.failed.append(f"{mutants[0].number}...: a file took {found.slowest_s:.1f} s")
    if _around(top, out) != around or ESCAPE.exists():
        found.failed.append(f"{mutants[0].number}...: something outside of the output folder changed")
    outcomes = read_report(out).files
    if [outcome.number for outcome in outcomes] != list(range(1, len(mutants) + 1)):
        found.failed.append(f"{mutants[0].number}...: not every input has exactly one outcome")
        return found
    for one, outcome in zip(mutants, outcomes, strict=True):
        _note(found, one, outcome, out, faults)
    released = {outcome.output for outcome in outcomes if outcome.output}
    found.failed += [f"{mutants[0].number}...: {fault}" for fault in _layout_faults(out, released)]
    return found


def _timed_run(source: Path, out: Path) -> list[float]:
    """Seconds between one outcome and the next, with one worker; its start counts to the first."""
    times = [time.monotonic()]
    policy = default_policy().model_copy(update={"max_seconds": SECONDS_A_FILE})
    deidentify(
        source,
        out,
        keys=KEYS,
        policy=policy,
        now=NOW,
        options=Options(processes=1),
        progress=lambda done, total: times.append(time.monotonic()),
    )
    return [later - earlier for earlier, later in pairwise(times)]


def _note(found: Batch, one: Mutant, outcome: FileOutcome, out: Path, faults: dict[int, str]) -> None:
    told = f"{one.number} ({one.seed}: {', '.join(one.how)})"
    if outcome.code is not None:
        found.codes[outcome.code.value] += 1
        if outcome.code in {WithheldCode.WORKER_DIED, WithheldCode.TIME_LIMIT}:
            found.failed.append(f"{told}: {outcome.code.value} {faults.get(outcome.number, '')}")
        return
    assert outcome.output is not None
    found.released += 1
    found.ways.update(set(one.how))
    judgement = judge_mutant(one.content, (out / outcome.output).read_bytes(), dates=one.dates)
    found.limits.update(judgement.limits)
    found.failed += [f"{told}: {fault}" for fault in judgement.faults]


def _layout_faults(out: Path, released: set[str]) -> list[str]:
    """Files of the output folder that do not belong there, and planted values in what is no image."""
    files = {
        path.relative_to(out).as_posix(): path for path in out.rglob("*") if not path.is_dir() or path.is_symlink()
    }
    faults = [
        "a file of another form of name lies in the output folder" for name in files if not _LAYOUT.fullmatch(name)
    ]
    if {name for name in files if name.endswith(".dcm")} != released:
        faults.append("the images in the output folder are not those of the report")
    index = Index.of(["fantasia", "ottilie"])
    for name, path in files.items():
        if not name.endswith(".dcm"):
            content = path.read_bytes().lower()
            faults += [
                f"a planted value stands in {path.name}"
                for each in (index, planted_index())
                for _ in each.hits(content)
            ]
    return faults


def _around(top: Path, out: Path) -> dict[str, tuple[int, int]]:
    """Size and time of everything but the output folder."""
    paths = (path for path in top.rglob("*") if path != out and out not in path.parents)
    return {
        str(path): (path.lstat().st_size if path.is_file() else 0, path.lstat().st_mtime_ns if path.is_file() else 0)
        for path in paths
    }


@contextmanager
def _faults() -> Iterator[dict[int, str]]:
    """Faults that the engine logs while this holds, by the running number of the file."""
    found: dict[int, str] = {}

    class _Keeper(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if match := _FAULT.fullmatch(record.getMessage()):
                found[int(match[1])] = match[2]

    logger, keeper = logging.getLogger("myofed_anonymization"), _Keeper()
    logger.addHandler(keeper)
    try:
        yield found
    finally:
        logger.removeHandler(keeper)
