"""One per cent of `make prove NAME=disclosure`: an attacker with an integer programme recovers no cell below k."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import combinations, count, islice
from pathlib import Path

import numpy as np
import pytest
from proofs import disclosure_attack
from proofs.disclosure import disclosure
from proofs.disclosure_attack import Attack, Finding
from proofs.disclosure_cohorts import random_cohort
from proofs.disclosure_kept import Kept
from proofs.disclosure_model import Cell, Model, Version, groups_of, worlds_of
from proofs.disclosure_moves import Moves
from proofs.disclosure_try import SITE, attacked, published, try_cohort

from myofed_node.disclosure.protect import NOTHING, Protected, protect
from myofed_node.disclosure.versions import Task, problem_of

SEEDS = tuple(
    islice((s for s in count() if len(random_cohort(s).dimensions) < 4 and len(random_cohort(s).first) <= 60), 10)
)
LEAKY = 23
"""A cohort of 200 in which a careless publication gives something away."""
FEW = 6
"""A cohort with few cells."""
FEMALE, MALE = (("sex", "female"),), (("sex", "male"),)
SEX = {"sex": ("female", "male")}


def _model(told: dict[Cell, int], *, k: int = 5, public_k: int = 10, round_to: int = 5) -> Model:
    return Model((Version(told, k, public_k, round_to),), ("0",), SEX, ("0",))


def _conclude(model: Model, females: int, males: int, *, zeros: bool) -> list[Finding]:
    truth = model.tally({"0": [frozenset(FEMALE)] * females + [frozenset(MALE)] * males})
    return Attack(model, seed=1).conclude(truth, k=5, zeros=["0"] if zeros else [])


def _unchecked(task: Task) -> Protected:
    """Withholds what is below k, and nothing beside it: no complementary suppression."""
    if task.total is None:
        return NOTHING
    problem = problem_of(replace(task, early=False), filters=3)
    counts = problem.counts(problem.rows, problem.presence)[task.new]
    places = np.flatnonzero(problem.worlds[task.new].told & problem.space.canonical)
    numbers = {problem.space.said(int(place)): task.rounding.told(int(counts[place])) for place in places}
    told = {said: number for said, number in numbers.items() if number is not None}
    return Protected(told, cells=0, witnesses=0, filters=3)


def _forgetful(task: Task) -> Protected:
    """Proves each version alone, as if nothing stood published."""
    return protect(replace(task, before=None, early=False))


def test_attack_recovers_a_cell_that_exact_numbers_give_away() -> None:
    """Total 40 and men 37, told exactly, leave three, though they are withheld; also that nobody else is there."""
    found = _conclude(_model({(): 40, MALE: 37}, public_k=5, round_to=1), 3, 37, zeros=False)
    assert found == []  # the three may be of neither sex: "other" and "unknown" are values, too
    told = {(): 40, MALE: 37, FEMALE: 3}
    found = _conclude(_model(told, k=1, public_k=1, round_to=1), 3, 37, zeros=True)
    assert (FEMALE, 3, 3) in {(finding.cell, finding.lowest, finding.highest) for finding in found}
    assert ((("sex", "(other)"),), 0, 0) in {(finding.cell, finding.lowest, finding.highest) for finding in found}


def test_attack_recovers_the_rest_of_a_used_up_vocabulary() -> None:
    """Of three values that there are, two told exactly leave the third: no rounding, no complementary suppression."""
    values = {"genetic": ("confirmed", "not-confirmed", "unknown")}
    told: dict[Cell, int] = {(): 20, (("genetic", "confirmed"),): 10, (("genetic", "unknown"),): 8}
    model = Model((Version(told, 5, 5, 1),), ("0",), values, ("0",))
    members = [
        frozenset({("genetic", value)})
        for value, n in zip(values["genetic"], (10, 2, 8), strict=True)
        for _ in range(n)
    ]
    found = Attack(model, seed=1).conclude(model.tally({"0": members}), k=5, zeros=[])
    assert [(finding.cell, finding.lowest, finding.highest) for finding in found] == [
        ((("genetic", "not-confirmed"),), 2, 2)
    ]


def test_attacker_reads_told_numbers_as_the_documentation_says() -> None:
    """5 stands for 5..9, 10 for 10..12, 15 for 13..17."""
    version = Version({}, k=5, public_k=10, round_to=5)
    assert [version.meant(number) for number in (5, 10, 15, 20)] == [(5, 9), (10, 12), (13, 17), (18, 22)]


def test_rounded_total_and_one_part_do_not_pin_the_rest() -> None:
    """40 and 35: nobody can say that the other three are three, or that there are any."""
    assert _conclude(_model({(): 40, MALE: 40}), 3, 38, zeros=True) == []


def test_truth_that_contradicts_what_is_told_is_no_quiet_success() -> None:
    """A number told for another count than it stands for would make every question moot."""
    with pytest.raises(ValueError, match="truth is not among the tables"):
        _conclude(_model({(): 40, MALE: 30}), 3, 38, zeros=True)


@pytest.mark.parametrize("protector", [_unchecked, _forgetful], ids=["no complement", "versions apart"])
def test_attack_catches_a_careless_protection(protector: object) -> None:
    """What withholds too little is found, and is decided, not only slow."""
    careless = try_cohort(LEAKY, protector=protector).two.findings  # type: ignore[arg-type]  one of the two above
    assert careless
    assert all(finding.decided for finding in careless)
    assert try_cohort(LEAKY).two.findings == ()


def test_exact_numbers_of_a_random_cohort_are_caught() -> None:
    """No rounding, and only what is below k withheld: cells below k are recovered to the number."""
    cohort, counts = random_cohort(LEAKY), Counter[Cell]()
    for subject in cohort.first:
        said = sorted((name, value) for name, values in subject.items() for value in values)
        counts.update(cell for size in range(4) for cell in combinations(said, size))
    exact = {cell: number for cell, number in counts.items() if number >= 5}
    values = {
        name: tuple(sorted({value for subject in cohort.first for value in subject.get(name, ())}))
        for name in cohort.dimensions
    }
    model = Model((Version(exact, 5, 5, 1),), ("0",), values, ("0",))
    flags = values["sequence"]
    members = [
        frozenset(
            {(name, subject[name][0]) for name in cohort.dimensions if name != "sequence"}
            | {("sequence", flag if flag in subject["sequence"] else f"!{flag}") for flag in flags}
        )
        for subject in cohort.first
    ]
    found = Attack(model, seed=1).conclude(model.tally({"0": members}), k=5, zeros=["0"])
    assert any(finding.lowest == finding.highest == finding.true > 0 for finding in found)


def test_integer_programme_alone_concludes_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """The walk spares work and decides nothing: without it HiGHS closes the same cells, and opens the same."""
    cohort = random_cohort(LEAKY)
    careless = published(cohort, cohort.moments[:2], protector=_unchecked)
    with_walk = attacked(cohort, careless)
    monkeypatch.setattr(Moves, "run", lambda _: None)
    alone = attacked(cohort, careless)
    assert {(f.among, f.cell) for f in alone.findings} == {(f.among, f.cell) for f in with_walk.findings} != set()
    assert alone.cells == with_walk.cells
    assert alone.solved > with_walk.solved


def test_what_is_not_decided_in_time_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    """A solver that gives up has not shown that a cell is open."""
    monkeypatch.setattr(Moves, "run", lambda _: None)
    monkeypatch.setattr(disclosure_attack, "TIME_LIMIT_S", 0.0)
    cohort = random_cohort(FEW)
    found = attacked(cohort, published(cohort, cohort.moments[:2])).findings
    assert found
    assert not any(finding.decided for finding in found)


def test_attacker_tells_who_was_added_from_who_was_removed() -> None:
    """Who knows that nobody was removed has fewer tables to reckon with."""
    assert groups_of(2, ()) == ("01", "1")
    assert groups_of(2, (0,)) == ("01", "0", "1")
    assert groups_of(3, ()) == ("012", "12", "2")
    assert worlds_of(("01", "1"), 2) == ("0", "1", "+01")
    assert worlds_of(("01", "0", "1"), 2) == ("0", "1", "+01", "-01")


@pytest.mark.parametrize("seed", SEEDS)
def test_attack_recovers_no_cell_below_k(seed: int) -> None:
    """Neither from the first version, nor the second, nor their difference; for both audiences."""
    tried = try_cohort(seed).two
    assert tried.cells > 0
    assert tried.findings == ()


@pytest.mark.parametrize("seed", [FEW, 2, 11, LEAKY])
def test_raised_k_is_kept_alone_and_the_old_one_together(seed: int) -> None:
    """Who holds the new version alone learns nothing below the new k; who holds both, nothing below the old one."""
    cohort = random_cohort(seed)
    raised = SITE.model_copy(update={"policy": SITE.policy.model_copy(update={"cube_k": 12, "card_k": 20})})
    for moments in (cohort.moments[:2], (cohort.first, cohort.first)):
        cubes = published(cohort, moments, sites=(SITE, raised))
        assert [cube.policy.k for cube in cubes] == [5, 12]
        assert all(cell.count >= 12 for cell in cubes[1].cells)
        assert attacked(cohort, cubes, moments=moments).findings == ()
        assert attacked(cohort, cubes[1:], moments=moments[1:]).findings == ()
    assert cubes[1].subjects is not None


def test_proof_goes_on_where_it_was_killed(tmp_path: Path) -> None:
    """Kept results are not tried again, half a line is, and another state of the code starts anew."""
    (first,), failed = disclosure((FEW, 9), parts=tmp_path)
    assert (first["cohorts"], first["sittings"], first["from_earlier_sittings"], failed) == (2, 1, 0, [])
    path = Kept(tmp_path).path
    lines = path.read_bytes()
    path.write_bytes(lines + lines[:40])
    (second,), _ = disclosure((FEW, 9, 10), parts=tmp_path)
    assert (second["cohorts"], second["sittings"], second["from_earlier_sittings"]) == (3, 2, 2)
    assert path.read_bytes().startswith(lines)
    assert len(list(Kept(tmp_path).read())) == 3
