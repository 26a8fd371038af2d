"""One simulated run: prepared, done by the coordinator's own round loop, exported; killed, it goes on after the last round."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

from myofed_coordinator.federation.collect import Pace
from myofed_coordinator.federation.engine import Engine
from myofed_coordinator.federation.rounds import RoundLoop
from myofed_coordinator.runs.folder import RunFolder, RunSites
from myofed_schemas.canonical import canonical_json
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode
from myofed_schemas.federation import RunStatus
from myofed_schemas.files import write_atomically
from myofed_schemas.study import SignedManifest, StudyManifest
from myofed_simulation.clock import SimulationClock
from myofed_simulation.courier import Courier, Means, Told
from myofed_simulation.export import export, versions
from myofed_simulation.flower_engine import check_installed, run_in_flower
from myofed_simulation.folder import OutFolder
from myofed_simulation.plan import EngineName, Plan, RunRecord, SiteData, VirtualSite
from myofed_simulation.pool_engine import PoolEngine, WorkerLostError, worker_processes
from myofed_simulation.sites import data_of, names_of, virtual_sites
from myofed_simulation.study import for_sites

UNSIGNED = "0" * 128
NOBODY = "0" * 64
"""Nobody signs a simulated run: no site has to be convinced."""


@dataclass(frozen=True)
class Job:
    """A plan and how to carry it out, which has no say in the weights.

    Attributes:
        plan: What decides the weights.
        weights: The initial ones.
        out: Where to.
        engine: Which carries the messages.
        means: What virtual sites work with.
        command: As typed.
    """

    plan: Plan
    weights: bytes
    out: OutFolder
    engine: EngineName
    means: Means
    command: Sequence[str] = ()


@dataclass(frozen=True)
class Prepared:
    """A run that can begin, or go on."""

    manifest: StudyManifest
    sites: tuple[VirtualSite, ...]
    data: tuple[SiteData, ...]
    run: RunFolder


def simulate(job: Job, *, told: Told) -> RunRecord:
    """The run has ended, and its files lie in the folder.

    Raises:
        MyofedError: SIMULATION_*, or why the run failed; `run.json` has the same code.
    """
    if job.engine == "flower":
        check_installed()
    ready = prepare(job, told=told)
    record = _record(job, ready)
    write_atomically(job.out.record, canonical_json(record))
    with ready.run.locked():
        shutil.rmtree(ready.run.root / "arrivals", ignore_errors=True)
        try:
            run_rounds(job, ready, told)
        finally:
            record = export(job.out, record, ready.run)
    if record.state != "completed":
        raise MyofedError(
            record.code,
            "expected the run to be completed, found that it ended otherwise",
            hint="its events.jsonl says how; another run needs another folder",
            exit_code=ExitCode.RUN_FAILED,
        )
    return record


def prepare(job: Job, *, told: Told) -> Prepared:
    """Plan, weights, subjects and the run's folder lie there; the same for the same plan, however often.

    Raises:
        MyofedError: SIMULATION_FOLDER, SIMULATION_OTHER_RUN, SIMULATION_SITES, SIMULATION_DATA, SIMULATION_SUBJECTS.
    """
    _claim(job)
    manifest = for_sites(job.plan.study, names_of(job.plan))
    sites = virtual_sites(job.plan, manifest, data=job.out.data, told=told)
    data = tuple(data_of(site) for site in sites)
    run = RunFolder(job.out.root / _run_id(job.plan, data))
    if any(other.name != run.run_id for other in job.out.root.glob("run-*")):
        raise _refused("SIMULATION_OTHER_RUN", "the data that this folder's run began with", "other data")
    if not (run.root / "status.json").exists():
        begin(run, manifest, job.weights)
    return Prepared(manifest, sites, data, run)


def _claim(job: Job) -> None:
    """The folder is this plan's, new or again."""
    out, plan = job.out, canonical_json(job.plan)
    try:
        if not out.plan.exists():
            if out.root.exists() and any(out.root.iterdir()):
                raise _refused("SIMULATION_FOLDER", "a new or empty folder, or one of this simulation", "another")
            out.root.mkdir(parents=True, exist_ok=True)
            write_atomically(out.plan, plan)
    except (NotADirectoryError, FileExistsError, FileNotFoundError, PermissionError):
        raise _refused("SIMULATION_FOLDER", "a folder that can be written", "a file, or a place that cannot") from None
    if out.plan.read_bytes() != plan:
        raise _refused("SIMULATION_OTHER_RUN", "the folder of this plan", "that of another")
    write_atomically(out.initial, job.weights)


def _run_id(plan: Plan, data: Sequence[SiteData]) -> str:
    text = ":".join([plan.digest(), *(site.data_sha256 for site in data)])
    return f"run-{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def begin(run: RunFolder, manifest: StudyManifest, weights: bytes) -> None:
    """The run's folder is ready for its first round."""
    run.root.mkdir(mode=0o700, parents=True, exist_ok=True)
    digest = manifest.digest()
    run.write_manifest(SignedManifest(manifest=manifest, digest=digest, signature=UNSIGNED, signer=NOBODY))
    keys = {name: hashlib.sha256(name.encode()).hexdigest() for name in manifest.sites}
    run.write_sites(RunSites(node_keys=keys))
    write_atomically(run.initial_weights, weights)
    run.write_status(
        RunStatus(
            run_id=run.run_id,
            study_id=manifest.study_id,
            manifest_digest=digest,
            state="submitted",
            code="OK",
            rounds=(),
        )
    )


def run_rounds(job: Job, ready: Prepared, told: Told) -> None:
    """The run has ended, by the coordinator's round loop over the job's engine; the caller holds the folder's lock.

    Raises:
        MyofedError: Why the run failed; or SIMULATION_WORKER_LOST, after which it can go on.
    """
    clock = SimulationClock()
    courier = Courier(ready.run, ready.sites, job.means, clock=clock, told=told)

    def rounds(engine: Engine) -> None:
        RoundLoop(ready.run, engine, Pace(clock, lambda: None, poll_s=0.1)).run()

    if job.engine == "flower":
        run_in_flower(rounds, courier, sites=len(ready.sites), workers=job.means.workers)
        return
    try:
        with _workers(job.means.workers) as executor:
            rounds(PoolEngine(courier, executor))
    except WorkerLostError:
        raise MyofedError(
            "SIMULATION_WORKER_LOST",
            "expected every worker process to live, found one that ended (often: out of memory)",
            hint="run the same command again with fewer workers; it goes on after the last round",
        ) from None


@contextmanager
def _workers(count: int) -> Iterator[Executor]:
    """One worker needs no process of its own."""
    if count > 1:
        with worker_processes(count) as pool:
            yield pool
        return
    with ThreadPoolExecutor(1) as thread:
        try:
            yield thread
        finally:
            thread.shutdown(wait=False, cancel_futures=True)


def _record(job: Job, ready: Prepared) -> RunRecord:
    return RunRecord(
        command=tuple(job.command),
        versions=versions(),
        plan=job.plan,
        manifest=ready.manifest,
        manifest_sha256=ready.manifest.digest(),
        run_id=ready.run.run_id,
        engine=job.engine,
        workers=job.means.workers,
        sites=ready.data,
    )


def _refused(code: str, expected: str, found: str) -> MyofedError:
    return MyofedError(code, f"expected {expected}, found {found}", hint="name another --out", exit_code=ExitCode.USAGE)
