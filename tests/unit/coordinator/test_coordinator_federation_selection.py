"""Which round's model a run keeps, and when it stops early."""

from __future__ import annotations

import pytest

from myofed_coordinator.federation.selection import has_stalled, kept_round, model_scores
from myofed_schemas.federation import FinalEvaluation, RoundReport
from myofed_schemas.study_options import Schedule


def reports(*dice: float | None) -> list[RoundReport]:
    """One report a round, of these Dice."""
    return [
        RoundReport(
            round=number,
            started_at="2026-11-22T10:00:00Z",
            seconds=1.0,
            sites=("hospital-a",),
            errors=(),
            loss=None,
            dice=value,
            dice_per_site={},
            weights_sha256="0" * 64,
        )
        for number, value in enumerate(dice, start=1)
    ]


def final(dice: float | None) -> FinalEvaluation:
    return FinalEvaluation(dice=dice, dice_per_site={}, errors=())


BEST = Schedule(keep="best")


def test_report_of_a_round_scores_the_model_of_the_round_before() -> None:
    """Sites score what comes in; the final evaluation scores the last."""
    assert model_scores(reports(0.1, None, 0.3), final(0.4)) == {0: 0.1, 2: 0.3, 3: 0.4}


@pytest.mark.parametrize(
    ("dice", "last", "kept"),
    [
        ((0.1, 0.2, 0.7, 0.4), 0.5, 2),
        ((0.1, 0.2, 0.7, 0.4), 0.8, 4),
        ((0.1, 0.5, 0.5, 0.5), 0.5, 1),
        ((0.9, 0.2, 0.3, 0.1), None, 2),
        ((None, None, None, None), None, 4),
        ((0.9, None, None, None), None, 4),
    ],
    ids=["earlier", "last", "first of equals", "initial model is none of the run's", "no Dice", "only the initial's"],
)
def test_best_model_is_kept(dice: tuple[float | None, ...], last: float | None, kept: int) -> None:
    """By aggregated validation Dice; where nothing is known, the last."""
    assert kept_round(reports(*dice), final(last), BEST) == kept


def test_last_model_is_kept_unless_the_study_says_otherwise() -> None:
    """Whatever the Dice."""
    for schedule in (None, Schedule()):
        assert kept_round(reports(0.1, 0.9, 0.2), final(0.1), schedule) == 3


@pytest.mark.parametrize(
    ("dice", "stalled"),
    [
        ((), False),
        ((0.5,), False),
        ((0.5, 0.4), False),
        ((0.5, 0.4, 0.5), True),
        ((0.5, 0.4, 0.6), False),
        ((0.5, 0.4, 0.6, 0.6, 0.5), True),
        ((None, None, None, None), False),
        ((0.5, None, None, 0.4), False),
        ((0.5, None, 0.4, 0.3), True),
    ],
)
def test_run_stalls_after_two_models_without_a_better_dice(dice: tuple[float | None, ...], stalled: bool) -> None:
    """An equal one is no better; one without a Dice says nothing."""
    assert has_stalled(reports(*dice), Schedule(patience_rounds=2)) is stalled


def test_run_without_patience_never_stalls() -> None:
    """Every round that the manifest names is done."""
    assert not has_stalled(reports(0.9, 0.1, 0.1, 0.1), Schedule())
    assert not has_stalled(reports(0.9, 0.1, 0.1, 0.1), None)


def test_one_liar_among_five_ends_no_run_and_picks_no_model() -> None:
    """Dice 1 in the first round and 0 after: the honest four go up, and so does the median."""
    honest = (0.1, 0.3, 0.5, 0.7)
    told = [{"hospital-a": 1.0 if number == 0 else 0.0} for number in range(4)]
    rounds = [
        report.model_copy(update={"dice_per_site": lie | dict.fromkeys(("b-site", "c-site", "d-site", "e-site"), dice)})
        for report, lie, dice in zip(reports(*honest), told, honest, strict=True)
    ]
    assert not has_stalled(rounds, Schedule(patience_rounds=1))
    assert kept_round(rounds, final(None), BEST) == 3
