"""Which round's model a run keeps, and when it need not go on: by the sites' aggregated validation Dice."""

from __future__ import annotations

from collections.abc import Sequence

from myofed_schemas.federation import FinalEvaluation, RoundReport
from myofed_schemas.study_options import Schedule


def model_scores(reports: Sequence[RoundReport], final: FinalEvaluation | None = None) -> dict[int, float]:
    """Round -> Dice of the model after it, where it is known; 0 is the initial model.

    Sites score the INCOMING model: the report of round r scores the model of round r-1, the final evaluation the last.
    """
    scores = {report.round - 1: report.dice for report in reports if report.dice is not None}
    if final is not None and final.dice is not None:
        scores[len(reports)] = final.dice
    return scores


def kept_round(reports: Sequence[RoundReport], final: FinalEvaluation, schedule: Schedule | None) -> int:
    """The last round, or the one whose model has the best Dice (of equal ones the first; the last where none is known)."""
    last = len(reports)
    if schedule is None or schedule.keep == "last":
        return last
    scores = {number: dice for number, dice in model_scores(reports, final).items() if number > 0}
    return max(scores, key=lambda number: (scores[number], -number), default=last)


def has_stalled(reports: Sequence[RoundReport], schedule: Schedule | None) -> bool:
    """`patience_rounds` models in a row were no better than the best before them; one without a Dice says nothing."""
    if schedule is None or schedule.patience_rounds is None:
        return False
    dice = [score for _, score in sorted(model_scores(reports).items())]
    return bool(dice) and len(dice) - 1 - dice.index(max(dice)) >= schedule.patience_rounds
