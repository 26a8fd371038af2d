"""A run whose processes are killed with SIGKILL again and again: it ends completed, with the bits of an undisturbed run."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

from myofed_coordinator.runs.folder import FINAL_STATES, RunFolder, read_events
from proofs.federation_judge import (
    digest_of,
    faults_of_a_site,
    faults_of_the_coordinators_chain,
    faults_of_the_end,
    faults_of_the_weights,
    half_files,
    is_cosigned,
    times_asked,
)
from proofs.federation_plant import SITES, Plant, approved_study, plant, wall
from proofs.federation_victims import KINDS, Planned, kill, plan_of_kills

TIMEOUT_S = 300
"""Longer than a busy machine takes to start a worker, and than the 60 s after which the engine gives a node up."""
ROUND_WITHIN_S = 900
"""A kill that is due in a round waits at most so long for the round."""
OLD_S = 70
"""`up` sweeps away what a killed process left half written once it is older than this."""


@dataclass(frozen=True)
class Done:
    """One kill.

    Attributes:
        kind: Of `federation_victims`.
        service: Whose.
        round: In progress when it fell; one more than the rounds there were reports of.
        after_s: Seconds after that round began.
        processes: So many had SIGKILL.
        at: Unix time.
    """

    kind: str
    service: str
    round: int
    after_s: float
    processes: int
    at: float


@dataclass(frozen=True)
class Size:
    """How large the proof is.

    Attributes:
        rounds: Of each of the two runs.
        local_steps: Of each round.
        sites: Their names.
        kinds: What is killed.
        trains: With the real worker.
        delay_s: See `plan_of_kills`.
        started_again: Afterwards everything is stopped and started once more, and nothing half written may be left.
    """

    rounds: int = 20
    local_steps: int = 20
    sites: tuple[str, ...] = SITES
    kinds: tuple[str, ...] = KINDS
    trains: bool = True
    delay_s: float = 4.0
    started_again: bool = True


FULL = Size()


def killed_federation(kills: int = 50, seed: int = 1, *, size: Size = FULL) -> tuple[list[dict[str, Any]], list[str]]:
    """What so many kills in one run did and cost, and what must not have happened."""
    begin, rounds, sites = time.monotonic(), size.rounds, size.sites
    plan = plan_of_kills(kills, rounds=rounds, sites=sites, kinds=size.kinds, seed=seed, delay_s=size.delay_s)
    with (
        tempfile.TemporaryDirectory(prefix="myofed-fed-kills-") as folder,
        plant(Path(folder), sites=sites, trains=size.trains) as made,
    ):
        approved_study(made, rounds=rounds, local_steps=size.local_steps, round_timeout_s=TIMEOUT_S)
        undisturbed = made.it.start_run()
        made.it.finish(undisturbed, seconds=60 * rounds)
        say(f"undisturbed: {rounds} rounds, {undisturbed.status().state}")
        made.keep_up()
        run = made.it.start_run()
        done = _kill_all(made, run, plan)
        failed = [] if len(done) == kills else [f"only {len(done)} of {kills} kills fell while the run was running"]
        made.it.finish(run, seconds=ROUND_WITHIN_S)
        failed += _faults(made, run, undisturbed, size=size)
        tried = _tried(made, run, undisturbed, done)
    return [{"seed": seed, **tried, "seconds": round(time.monotonic() - begin, 1)}], failed


def _kill_all(made: Plant, run: RunFolder, plan: Sequence[Planned]) -> list[Done]:
    """The kills that fell while the run was running."""
    done: list[Done] = []
    for number, planned in enumerate(plan):
        _await_round(run, planned.round)
        time.sleep(planned.delay_s)
        processes = kill(made, planned, over=lambda: _over(run))
        at, current = time.time(), in_progress(run)
        if _over(run) or not processes:
            say(f"kill {number}: {planned.kind} of {planned.service} found the run over")
            continue
        after = at - _began(run, current)
        done.append(Done(planned.kind, planned.service, current, round(after, 2), processes, at))
        say(f"kill {number}: {planned.kind} of {planned.service} in round {current}, {after:.1f} s after its begin")
    return done


def say(line: str) -> None:
    """A long proof tells where it stands."""
    print(f"{time.strftime('%H:%M:%S')} {line}", file=sys.stderr, flush=True)


def in_progress(run: RunFolder) -> int:
    """The round that is being done: one more than there are reports of."""
    number = 1
    while run.report(number).exists():
        number += 1
    return number


def _over(run: RunFolder) -> bool:
    return run.status().state in FINAL_STATES


def _await_round(run: RunFolder, number: int) -> None:
    """The round is in progress, a later one is, or the run is over."""
    first = number == 1
    wall.until(
        lambda: _over(run) or in_progress(run) > number or (in_progress(run) == number and (not first or _heard(run))),
        seconds=ROUND_WITHIN_S,
        what=f"round {number} of a run that is {run.status().state}",
    )


def _heard(run: RunFolder) -> bool:
    return any(event.event == "ROUND_STARTED" for event in read_events(run))


def _began(run: RunFolder, number: int) -> float:
    """When the round before it ended, or the run was ordered."""
    return (run.report(number - 1) if number > 1 else run.initial_weights).stat().st_mtime


def _faults(made: Plant, run: RunFolder, undisturbed: RunFolder, *, size: Size) -> list[str]:
    """What must not be, first while everything is up, then after a stop, another start and a stop."""
    rounds, sites = size.rounds, size.sites
    failed = [f"undisturbed: {m}" for m in faults_of_the_end(undisturbed.status(), rounds=rounds, sites=sites)]
    failed += faults_of_the_end(run.status(), rounds=rounds, sites=sites)
    made.await_ready()
    wall.until(run.closed.exists, seconds=60, what="run closed")
    for site in sites:
        what = f"head of {site} co-signed"
        wall.until(lambda site=site: is_cosigned(made, site, run), seconds=120, what=what)  # type: ignore[misc]
    failed += faults_of_the_weights(run, undisturbed, rounds=rounds)
    failed += made.stop() + made.ended
    ended = time.monotonic()
    failed += faults_of_the_coordinators_chain(made, run)
    for site in sites:
        failed += faults_of_a_site(made, site, run, undisturbed)
    if not size.started_again:
        return failed
    time.sleep(max(0.0, OLD_S - (time.monotonic() - ended)))
    for name in made.names():
        made.start(name)
    made.await_ready()
    failed += made.stop()
    return failed + [f"half written: {path}" for path in half_files(made)]


def _tried(made: Plant, run: RunFolder, undisturbed: RunFolder, done: Sequence[Done]) -> dict[str, Any]:
    reports, calm = run.status().rounds, undisturbed.status().rounds
    ends = [run.report(report.round).stat().st_mtime for report in reports]
    usual = median(report.seconds for report in calm) if calm else 0.0
    costs = [next((end - kill.at for end in ends if end > kill.at), None) for kill in done]
    events = [event.event for event in read_events(run)]
    return {
        "kills": len(done),
        "rounds": len(reports),
        "sites": list(made.it.nodes),
        "state": run.status().state,
        "round_s_undisturbed": round(usual, 2),
        "run_s_undisturbed": round(sum(report.seconds for report in calm), 1),
        "run_s": round(ends[-1] - run.initial_weights.stat().st_mtime, 1) if ends else None,
        "weights_sha256": [digest_of(run.weights(report.round)) for report in reports],
        "weights_sha256_undisturbed": [digest_of(undisturbed.weights(report.round)) for report in calm],
        "run_resumed": events.count("RUN_RESUMED") + events.count("RUN_STARTED") - 1,
        "asked_again": events.count("SITE_ASKED_AGAIN"),
        "most_times_asked": {site: max(times_asked(made, site, run).values(), default=0) for site in made.it.nodes},
        "by_kind": _by_kind(done, costs),
        "each": [
            {**{k: v for k, v in asdict(kill).items() if k != "at"}, "next_round_s": cost and round(cost, 1)}
            for kill, cost in zip(done, costs, strict=True)
        ],
    }


def _by_kind(done: Sequence[Done], costs: Sequence[float | None]) -> dict[str, dict[str, float | int]]:
    """How many kills of each kind, and how long it was until a round ended; another kill may have come between."""
    kinds = sorted({kill.kind for kill in done})
    table: dict[str, dict[str, float | int]] = {}
    for kind in kinds:
        of_kind = [cost for kill, cost in zip(done, costs, strict=True) if kill.kind == kind and cost is not None]
        table[kind] = {
            "kills": sum(kill.kind == kind for kill in done),
            "median_s": round(median(of_kind), 1) if of_kind else 0.0,
            "longest_s": round(max(of_kind), 1) if of_kind else 0.0,
        }
    return table
