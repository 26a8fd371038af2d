"""Which round's model a run keeps, and when it need not go on: by the median of the sites' validation Dice.

The median, because a site's Dice can only be believed: one liar among many does not move it past the honest ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median

from myofed_schemas.federation import FinalEvaluation, RoundReport
from myofed_schemas.study_options import Schedule


def model_scores(reports: Sequence[RoundReport], final: FinalEvaluation | None = None) -> dict[int, float]:
    """Round -> Dice of the model after it, where it is known; 0 is the initial model.

    Sites score the INCOMING model: the report of round r scores the model of round r-1, the final evaluation the last.
    """
    scores = {report.round - 1: _score(report.dice, report.dice_per_site) for report in reports}
    if final is not None:
        scores[len(reports)] = _score(final.dice, final.dice_per_site)
    return {number: score for number, score in scores.items() if score is not None}


def _score(mean: float | None, per_site: Mapping[str, float]) -> float | None:
    return median(per_site.values()) if per_site else mean


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
