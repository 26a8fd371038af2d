"""The proof of disclosure control: an independent attack on the cubes of random cohorts, and what they still answer."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from time import monotonic
from typing import Any

from myofed_node.config import SiteConfig
from myofed_node.count_cube import cube_of, rounding_of, told_of
from myofed_node.disclosure.base_table import Subject
from myofed_node.disclosure.protect import protect
from myofed_node.disclosure.versions import Release, Task
from myofed_schemas.canonical import canonical_json
from myofed_schemas.cube import MAX_FILTERS, CountCube
from proofs.disclosure_attack import FLAG, Attack, Cell, Finding, Version, tally
from proofs.disclosure_cohorts import Cohort, random_cohort

COHORTS = 1000
SITE = SiteConfig(site="alpha")
PROCESSES = int(os.environ.get("MYOFED_PROOF_PROCESSES", "2"))


@dataclass(frozen=True)
class Tried:
    """One cohort.

    Attributes:
        seed: Of the cohort.
        subjects: At the first moment.
        cells: Cells below k that the attacker asked for.
        findings: What it learnt.
        answered: By number of conditions: (counts >= k, of them told).
        protect_s: Seconds of one core for both versions.
    """

    seed: int
    subjects: int
    cells: int
    findings: tuple[Finding, ...]
    answered: dict[int, tuple[int, int]]
    protect_s: float


def try_cohort(seed: int) -> Tried:
    """Two versions are protected as the node does, and attacked alone and together, as both audiences see them."""
    cohort, started = random_cohort(seed), monotonic()
    rounding = rounding_of(SITE.policy.cube())
    first = protect(Task(cohort.first, cohort.dimensions, rounding))
    before = Release(cohort.first, first.told, rounding) if first.told else None
    early = _changed(cohort) < rounding.k
    second = protect(Task(cohort.second, cohort.dimensions, rounding, before, early=before is not None and early))
    took = monotonic() - started
    cubes = [
        _through_the_wire(cube_of(each, config=SITE, version=v)) for v, each in enumerate((first, second), start=1)
    ]
    findings: list[Finding] = []
    asked = 0
    for k in (rounding.k, rounding.public_k):
        found, cells = _attack(cohort, cubes, k=k)
        findings += found
        asked += cells
    return Tried(seed, len(cohort.first), asked, tuple(findings), _answered(cohort, cubes[0]), round(took, 2))


def _through_the_wire(cube: CountCube) -> CountCube:
    return CountCube.model_validate_json(canonical_json(cube))


def _changed(cohort: Cohort) -> int:
    old, new = (Counter(_combination(each, cohort.dimensions, ()) for each in s) for s in (cohort.first, cohort.second))
    return ((old - new) + (new - old)).total()


def _attack(cohort: Cohort, cubes: Sequence[CountCube], *, k: int) -> tuple[list[Finding], int]:
    """The attacker who sees numbers from k on."""
    values = _vocabulary(cohort)
    versions = [
        Version(
            {said: count for said, count in told_of(cube).items() if count >= k},
            cube.policy.k,
            cube.policy.public_k,
            cube.policy.round_to,
        )
        for cube in cubes
    ]
    flags = values.get(FLAG, ())
    old, new = (
        Counter(_combination(each, cohort.dimensions, flags) for each in s) for s in (cohort.first, cohort.second)
    )
    members = {"01": (old & new).elements(), "1": (new - old).elements(), "0": (old - new).elements()}
    groups = ["01", "1", "0"] if old - new else ["01", "1"]
    if not any(version.told for version in versions):
        return [], 0
    attack = Attack(versions, groups, values, seed=cohort.seed)
    truth = attack.count(tally(groups, members))
    attack.guess()
    signed_in = k == cubes[0].policy.k
    differences = [("+", False), *([("-", False)] if "0" in groups else [])] if signed_in else []
    asked = [("0", signed_in), ("1", signed_in), *differences]
    found = [finding for among, empty in asked for finding in attack.conclude(truth, among, k=k, zeros=empty)]
    return found, sum(1 for _ in attack.cells()) * len(asked)


def _vocabulary(cohort: Cohort) -> dict[str, tuple[str, ...]]:
    """The values that occur; all others are one more for the attacker."""
    every = (*cohort.first, *cohort.second)
    return {
        name: tuple(sorted({value for subject in every for value in subject.get(name, ())}))
        for name in cohort.dimensions
    }


def _combination(subject: Subject, dimensions: Sequence[str], flags: Sequence[str]) -> frozenset[tuple[str, str]]:
    single = {(name, subject[name][0]) for name in dimensions if name != FLAG}  # type: ignore[index]  the cohort's own names
    has = subject.get("sequence", ())
    shown = flags or has
    return frozenset(single | {(FLAG, flag if flag in has else f"!{flag}") for flag in shown})


def _answered(cohort: Cohort, cube: CountCube) -> dict[int, tuple[int, int]]:
    """For 1, 2 and 3 conditions: how many true counts are at least k, and how many of them are told."""
    counts: Counter[Cell] = Counter()
    for subject in cohort.first:
        said = sorted((name, value) for name, values in subject.items() for value in values)
        counts.update(cell for size in range(1, MAX_FILTERS + 1) for cell in _cells(said, size))
    told = told_of(cube)
    large = [cell for cell, count in counts.items() if count >= cube.policy.k]
    return {
        size: (sum(len(c) == size for c in large), sum(len(c) == size and c in told for c in large))
        for size in range(1, MAX_FILTERS + 1)
    }


def _cells(said: list[tuple[str, str]], size: int) -> Iterator[Cell]:
    from itertools import combinations

    yield from combinations(said, size)


def disclosure(cohorts: int = COHORTS) -> tuple[list[dict[str, Any]], list[str]]:
    """The attack on all cohorts; a cell that was recovered is a failure."""
    tried: list[Tried] = []
    with ProcessPoolExecutor(PROCESSES) as pool:
        for each in pool.map(try_cohort, range(cohorts)):
            tried.append(each)
            if len(tried) % max(1, cohorts // 20) == 0:
                print(f"{len(tried)} cohorts, {sum(len(t.findings) for t in tried)} cells recovered", flush=True)
    failed = [f"cohort {t.seed}: {f}" for t in tried for f in t.findings]
    return [_summary(tried)], failed


def _summary(tried: Sequence[Tried]) -> dict[str, Any]:
    return {
        "cohorts": len(tried),
        "cells_asked": sum(t.cells for t in tried),
        "cells_recovered": sum(len(t.findings) for t in tried),
        "slowest_protect_s": max(t.protect_s for t in tried),
        "answered_percent": _shares(tried),
    }


def _shares(tried: Sequence[Tried]) -> Mapping[str, Any]:
    """By size of the cohort and number of conditions: percent of true counts >= k that are told."""
    shares: dict[str, Any] = {}
    for low, high in ((5, 12), (13, 25), (26, 50), (51, 100), (101, 200)):
        group = [t for t in tried if low <= t.subjects <= high]
        shares[f"{low}-{high}"] = {
            size: _percent([t.answered[size] for t in group]) for size in range(1, MAX_FILTERS + 1)
        }
    return shares


def _percent(pairs: Sequence[tuple[int, int]]) -> float | None:
    large = sum(pair[0] for pair in pairs)
    return round(100 * sum(pair[1] for pair in pairs) / large, 1) if large else None
