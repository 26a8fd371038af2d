"""Rounds tile the run, and the rate follows the manifest's schedule."""

from __future__ import annotations

import pytest
from learning_factories import manifest, set_site

from myofed_node.learning.schedule import learning_rate, steps_of_own_model, steps_of_personalisation, steps_of_round


def rates(total: int = 12, **schedule: object) -> list[float]:
    study = manifest(schedule=schedule) if schedule else manifest()
    return [learning_rate(study, step=s, total=total) for s in range(total)]


def test_rounds_tile_the_whole_schedule() -> None:
    """Each step of the cosine is done once, in the order of the rounds."""
    study = manifest()
    done = [s for r in (1, 2, 3) for s in range(steps_of_round(study, round_number=r).first, r * 4)]
    assert done == list(range(12))
    assert {steps_of_round(study, round_number=r).total for r in (1, 2, 3)} == {12}


def test_learning_rate_runs_from_start_to_end_along_a_cosine() -> None:
    """First, middle and last value of Loshchilov 2017, eq. 5."""
    found = rates(11)
    assert found[0] == pytest.approx(0.02)
    assert found[5] == pytest.approx((0.02 + 0.001) / 2)
    assert found[-1] == pytest.approx(0.001)
    assert found == sorted(found, reverse=True)


def test_schedule_that_changes_nothing_gives_the_same_rates() -> None:
    """A manifest with an empty schedule trains as one without."""
    assert rates(sites_per_round=1) == rates()


def test_constant_rate_stays() -> None:
    """`learning_rate_end` is not used."""
    assert set(rates(learning_rate="constant")) == {0.02}


def test_warm_up_rises_over_its_rounds_and_ends_on_the_schedule() -> None:
    """One round of four steps: a quarter, a half, three quarters, then as without."""
    constant = rates(learning_rate="constant", warmup_rounds=1)
    assert constant == pytest.approx([0.005, 0.01, 0.015, 0.02, *[0.02] * 8])
    assert rates(warmup_rounds=1)[3:] == rates()[3:]


def test_only_a_site_that_draws_sets_does_fewer_steps() -> None:
    """Half of four, and never none; the round begins where the others' does."""
    labels, study = set_site(step_percent=50)
    of_set_site = steps_of_round(study, round_number=2, labels=labels)
    assert (of_set_site.first, of_set_site.count, of_set_site.total) == (4, 2, 12)
    assert steps_of_round(study, round_number=2).count == 4
    labels, study = set_site(step_percent=1)
    assert steps_of_round(study, round_number=1, labels=labels).count == 1


def test_personalisation_is_twice_a_run_on_a_schedule_of_its_own() -> None:
    """From the study's first rate down to its end, kept near nothing."""
    steps = steps_of_personalisation(manifest())
    assert (steps.first, steps.count, steps.total, steps.alone) == (0, 24, 24, True)
    own = steps_of_own_model(manifest())
    assert (own.first, own.count, own.total, own.alone) == (0, 12, 12, True)
