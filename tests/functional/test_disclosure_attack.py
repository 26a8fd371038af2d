"""One per cent of `make prove NAME=disclosure`: an attacker with an integer programme recovers no cell below k."""

from __future__ import annotations

from itertools import count, islice

import pytest
from proofs.disclosure import try_cohort
from proofs.disclosure_attack import Attack, Version, tally
from proofs.disclosure_cohorts import random_cohort

SEEDS = tuple(
    islice((s for s in count() if len(random_cohort(s).dimensions) < 4 and len(random_cohort(s).first) <= 60), 10)
)
FEMALE, MALE = (("sex", "female"),), (("sex", "male"),)


def _attack(told: dict[tuple[tuple[str, str], ...], int]) -> Attack:
    return Attack([Version(told, k=5, public_k=10, round_to=5)], ["0"], {"sex": ("female", "male")}, seed=1)


def test_attack_recovers_a_cell_that_a_careless_publication_gives_away() -> None:
    """The attack has teeth: total 40 and men 35 leave 1..9, told exactly (round_to 1) they leave three women."""
    careless = Version({(): 40, MALE: 37}, k=5, public_k=5, round_to=1)
    attack = Attack([careless], ["0"], {"sex": ("female", "male")}, seed=1)
    members = {"0": [frozenset(FEMALE)] * 3 + [frozenset(MALE)] * 37}
    found = attack.conclude(attack.count(tally(["0"], members)), "0", k=5, zeros=False)
    assert found == [] or (found[0].cell, found[0].highest) == (FEMALE, 3)
    everyone = Version({(): 40, MALE: 37, FEMALE: 3}, k=1, public_k=1, round_to=1)
    exact = Attack([everyone], ["0"], {"sex": ("female", "male")}, seed=1)
    found = exact.conclude(exact.count(tally(["0"], members)), "0", k=5, zeros=True)
    assert {(finding.cell, finding.lowest, finding.highest) for finding in found} >= {(FEMALE, 3, 3)}


def test_attacker_reads_told_numbers_as_the_documentation_says() -> None:
    """5 stands for 5..9, 10 for 10..12, 15 for 13..17."""
    version = Version({}, k=5, public_k=10, round_to=5)
    assert [version.meant(number) for number in (5, 10, 15, 20)] == [(5, 9), (10, 12), (13, 17), (18, 22)]


def test_rounded_total_and_one_part_do_not_pin_the_rest() -> None:
    """40 and 35: nobody can say that the other three are three, or that there are any."""
    attack = _attack({(): 40, MALE: 40})
    members = {"0": [frozenset(FEMALE)] * 3 + [frozenset(MALE)] * 38}
    assert attack.conclude(attack.count(tally(["0"], members)), "0", k=5, zeros=True) == []


@pytest.mark.parametrize("seed", SEEDS)
def test_attack_recovers_no_cell_below_k(seed: int) -> None:
    """Neither from the first version, nor the second, nor their difference; for both audiences."""
    assert try_cohort(seed).findings == ()
