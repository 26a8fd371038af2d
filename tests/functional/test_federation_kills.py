"""A seeded small sample of the kills in a federation's run, and the judge that looks at them."""

from __future__ import annotations

from collections import Counter

import pytest
from proofs.federation_judge import faults_of_the_end
from proofs.federation_kills import Size, killed_federation
from proofs.federation_plant import SITES
from proofs.federation_victims import KINDS, OF_COORDINATOR, plan_of_kills

from myofed_schemas.federation import FinalEvaluation, RoundReport, RunStatus, SiteError

pytestmark = [pytest.mark.functional, pytest.mark.slow]

QUICK = Size(
    rounds=3,
    local_steps=2,
    sites=SITES[:2],
    kinds=("worker", "gateway", "engine, ServerApp"),
    trains=False,
    delay_s=0.5,
    started_again=False,
)
"""Kills of what is back within seconds: a SuperNode or executor is given up by the engine after a minute only."""


@pytest.mark.timeout(900)  # some 40 processes start: 57 s of CPU
def test_a_run_whose_processes_are_killed_ends_like_an_undisturbed_one() -> None:
    """Three of the fifty kills of `make prove NAME=federation-kills`, in three rounds of two sites."""
    tried, failed = killed_federation(3, seed=1, size=QUICK)
    assert failed == []
    assert (tried[0]["kills"], tried[0]["rounds"]) == (3, 3)
    assert sorted(kill["kind"] for kill in tried[0]["each"]) == sorted(QUICK.kinds)


def test_plan_of_kills_hits_every_kind_in_every_round_and_is_the_same_for_the_same_seed() -> None:
    """Fifty kills in twenty rounds: three or four of each kind, two or three a round, in order."""
    plan = plan_of_kills(50, rounds=20, sites=SITES, kinds=KINDS, seed=1)
    assert plan == plan_of_kills(50, rounds=20, sites=SITES, kinds=KINDS, seed=1)
    assert plan != plan_of_kills(50, rounds=20, sites=SITES, kinds=KINDS, seed=2)
    assert set(Counter(kill.kind for kill in plan).values()) == {3, 4}
    assert set(Counter(kill.kind for kill in plan)) == set(KINDS)
    assert set(Counter(kill.round for kill in plan).values()) == {2, 3}
    assert [kill.round for kill in plan] == sorted(kill.round for kill in plan)
    assert all((kill.service == "coordinator") == (kill.kind in OF_COORDINATOR) for kill in plan)


def test_the_judge_finds_a_round_without_a_site_and_a_run_that_did_not_complete() -> None:
    """And one whose last model was not evaluated everywhere."""
    sites = SITES[:2]
    whole = RoundReport(
        round=1,
        started_at="2026-11-30T12:00:00Z",
        seconds=1.0,
        sites=sites,
        errors=(),
        loss=0.5,
        dice=0.5,
        dice_per_site=dict.fromkeys(sites, 0.5),
        weights_sha256="0" * 64,
    )
    final = FinalEvaluation(dice=0.5, dice_per_site=dict.fromkeys(sites, 0.5), errors=())
    good = RunStatus(
        run_id="run-0123abcd",
        study_id="thigh-muscles",
        manifest_digest="0" * 64,
        state="completed",
        code="OK",
        rounds=(whole,),
        final=final,
    )
    assert faults_of_the_end(good, rounds=1, sites=sites) == []
    lost = SiteError(site=sites[1], code="WORKER_LOST")
    short = whole.model_copy(update={"sites": sites[:1], "errors": (lost,)})
    bad = good.model_copy(update={"state": "failed", "code": "RUN_LOST", "rounds": (short,), "final": None})
    assert faults_of_the_end(bad, rounds=2, sites=sites) == [
        "the run ended failed with RUN_LOST",
        "1 rounds, not 2",
        "round 1 with site-a only",
        "the last model was not evaluated at every site",
    ]
