"""One random cohort: its versions are protected as the node does, and attacked together, as both audiences see them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from time import process_time

from myofed_node.config import SiteConfig
from myofed_node.count_cube import cube_of, release_of, rounding_of, told_of
from myofed_node.disclosure.base_table import Subject
from myofed_node.disclosure.protect import Protected, protect
from myofed_node.disclosure.versions import Task
from myofed_schemas.canonical import canonical_json
from myofed_schemas.cube import MAX_FILTERS, CountCube
from proofs.disclosure_attack import Attack, Finding
from proofs.disclosure_cohorts import Cohort, random_cohort
from proofs.disclosure_model import FLAG, Cell, Condition, Model, Table, Version, groups_of, worlds_of

SITE = SiteConfig(site="alpha")
Protector = Callable[[Task], Protected]


@dataclass(frozen=True)
class Attacked:
    """What an attack on some versions of one cohort gave.

    Attributes:
        cells: Cells below k that the attacker asked for.
        solved: Integer programmes that this took.
        findings: What it learnt.
        seconds: Of one core.
    """

    cells: int
    solved: int
    findings: tuple[Finding, ...]
    seconds: float


@dataclass(frozen=True)
class Tried:
    """One cohort.

    Attributes:
        seed: Of the cohort.
        subjects: At the first moment.
        two: Two versions, for which the guarantee is made.
        three: Three versions, for which none is made; for a part of the cohorts.
        told: By number of conditions, for true counts >= k of the first version: `true>told` -> cells; `true>` is withheld.
        protect_s: Seconds of one core for two versions.
    """

    seed: int
    subjects: int
    two: Attacked
    three: Attacked | None
    told: dict[int, dict[str, int]]
    protect_s: float


def try_cohort(seed: int, *, protector: Protector = protect, third: bool = False) -> Tried:
    """Two versions, and with `third` three, are protected one after the other and attacked.

    Args:
        seed: Of the cohort.
        protector: What is attacked.
        third: Whether a third version is made and attacked, too.
    """
    cohort = random_cohort(seed)
    started = process_time()
    cubes = published(cohort, cohort.moments[:2], protector=protector)
    took = process_time() - started
    two, three = attacked(cohort, cubes), None
    if third:
        three = attacked(cohort, published(cohort, cohort.moments, protector=protector, known=cubes))
    return Tried(seed, len(cohort.first), two, three, _told(cohort, cubes[0]), round(took, 2))


def published(
    cohort: Cohort,
    moments: Sequence[tuple[Subject, ...]],
    *,
    protector: Protector = protect,
    known: Sequence[CountCube] = (),
    sites: Sequence[SiteConfig] = (),
) -> list[CountCube]:
    """Each version beside the last one that told anything, as the node publishes them.

    Args:
        cohort: Whose dimensions are counted by.
        moments: Subjects of each version.
        protector: What is attacked.
        known: The first cubes, where they were made before.
        sites: For each version the site with its policy; the usual one where there is none.
    """
    cubes: list[CountCube] = list(known)
    for number in range(len(known), len(moments)):
        site = sites[number] if sites else SITE
        rounding = rounding_of(site.policy.cube())
        before = next((n for n in reversed(range(number)) if told_of(cubes[n])), None)
        standing = None if before is None else release_of(cubes[before], moments[before])
        early = standing is not None and 0 < _changed(cohort, moments[number - 1], moments[number]) < rounding.k
        protected = protector(Task(moments[number], cohort.dimensions, rounding, standing, early=early))
        cube = cube_of(protected, config=site, version=number + 1)
        cubes.append(CountCube.model_validate_json(canonical_json(cube)))
    return cubes


def _changed(cohort: Cohort, old: Iterable[Subject], new: Iterable[Subject]) -> int:
    before, after = (Counter(_combination(each, cohort.dimensions, ()) for each in some) for some in (old, new))
    return ((before - after) + (after - before)).total()


def attacked(
    cohort: Cohort, cubes: Sequence[CountCube], *, moments: Sequence[tuple[Subject, ...]] | None = None
) -> Attacked:
    """People who are signed in, then everybody with what everybody sees; all these cubes of a cohort together.

    Args:
        cohort: Whose they are.
        cubes: Versions; where their k differ, cells below the smallest are asked for.
        moments: Of the cubes; the cohort's first ones where it is not given.
    """
    started = process_time()
    moments = cohort.moments[: len(cubes)] if moments is None else moments
    values = _vocabulary(cohort, moments)
    members = _members(moments, cohort.dimensions, values.get(FLAG, ()))
    groups = groups_of(len(moments), _removals(members, len(moments)))
    worlds = worlds_of(groups, len(moments))
    versions = tuple(str(number) for number in range(len(moments)))
    known: list[Table] = []
    findings: list[Finding] = []
    asked = solved = 0
    signed_in = min(cube.policy.k for cube in cubes), worlds, versions
    everybody = min(cube.policy.public_k for cube in cubes), versions, ()
    for (k, among, zeros), public in ((signed_in, False), (everybody, True)):
        seen = tuple(_seen(cube, public=public) for cube in cubes)
        if any(version.told for version in seen):
            model = Model(seen, groups, values, among)
            attack, truth = Attack(model, seed=cohort.seed), model.tally(members)
            asked += len(attack.asked(truth, k=k, zeros=zeros).closed)
            findings += attack.conclude(truth, k=k, zeros=zeros, known=known)
            known, solved = attack.tables, solved + attack.solved
    return Attacked(asked, solved, tuple(findings), round(process_time() - started, 2))


def _seen(cube: CountCube, *, public: bool) -> Version:
    """What people who are signed in see, or everybody."""
    least = cube.policy.public_k if public else cube.policy.k
    told = {said: count for said, count in told_of(cube).items() if count >= least}
    return Version(told, cube.policy.k, cube.policy.public_k, cube.policy.round_to)


def _vocabulary(cohort: Cohort, moments: Sequence[tuple[Subject, ...]]) -> dict[str, tuple[str, ...]]:
    """The values that occur; all others are one more for the attacker."""
    return {
        name: tuple(sorted({value for some in moments for subject in some for value in subject.get(name, ())}))
        for name in cohort.dimensions
    }


def _members(
    moments: Sequence[tuple[Subject, ...]], dimensions: Sequence[str], flags: Sequence[str]
) -> dict[str, list[frozenset[Condition]]]:
    """By the versions that subjects are in: alike ones are the same subject in as many versions as possible."""
    there: Counter[tuple[frozenset[Condition], str]] = Counter()
    gone: Counter[tuple[frozenset[Condition], str]] = Counter()
    for number, some in enumerate(moments):
        wanted = Counter(_combination(each, dimensions, flags) for each in some)
        stayed: Counter[tuple[frozenset[Condition], str]] = Counter()
        for (combination, group), count in there.items():
            kept = min(count, wanted[combination])
            wanted[combination] -= kept
            stayed[combination, f"{group}{number}"] += kept
            gone[combination, group] += count - kept
        for combination, count in wanted.items():
            stayed[combination, str(number)] += count
        there = stayed
    members: dict[str, list[frozenset[Condition]]] = {}
    for combination, group in (there + gone).elements():
        members.setdefault(group, []).append(combination)
    return members


def _removals(members: Iterable[str], versions: int) -> set[int]:
    steps = pairwise(map(str, range(versions)))
    return {step for step, (old, new) in enumerate(steps) if any(old in g and new not in g for g in members)}


def _combination(subject: Subject, dimensions: Sequence[str], flags: Sequence[str]) -> frozenset[Condition]:
    single = {(name, subject[name][0]) for name in dimensions if name != FLAG}  # type: ignore[index]  the cohort's own names
    has = subject.get("sequence", ())
    shown = flags or has
    return frozenset(single | {(FLAG, flag if flag in has else f"!{flag}") for flag in shown})


def _told(cohort: Cohort, cube: CountCube) -> dict[int, dict[str, int]]:
    """For 1, 2 and 3 conditions: true counts of at least k, and as what they are told."""
    counts: Counter[Cell] = Counter()
    for subject in cohort.first:
        said = sorted((name, value) for name, values in subject.items() for value in values)
        counts.update(cell for size in range(1, MAX_FILTERS + 1) for cell in combinations(said, size))
    told = told_of(cube)
    found: dict[int, Counter[str]] = {size: Counter() for size in range(1, MAX_FILTERS + 1)}
    for cell, count in counts.items():
        if count >= cube.policy.k:
            found[len(cell)][f"{count}>{told.get(cell, '')}"] += 1
    return {size: dict(sorted(some.items())) for size, some in found.items()}
