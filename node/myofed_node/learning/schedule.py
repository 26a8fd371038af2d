"""Which steps of the run a round is, and how fast each of them learns."""

from __future__ import annotations

import math
from dataclasses import dataclass

from myofed_node.learning.labels import label_space
from myofed_schemas.study import StudyManifest
from myofed_schemas.study_options import Schedule, SiteLabels


@dataclass(frozen=True)
class Steps:
    """Which part of the whole schedule to do.

    Attributes:
        first: Index of the first step, counted from the start of the run.
        count: How many.
        total: Steps of the whole run (rounds x local steps): the length of the cosine.
        alone: They are those of a model of one site: no term keeps it near the weights that came in.
    """

    first: int
    count: int
    total: int
    alone: bool = False


def steps_of_round(manifest: StudyManifest, *, round_number: int, labels: SiteLabels | None = None) -> Steps:
    """The local steps of this round, 1..rounds; a site that draws sets does `mixed_labels.step_percent` of them, at least one."""
    local = manifest.training.local_steps
    share = manifest.mixed_labels.step_percent if manifest.mixed_labels and labels else 100
    fewer = share < 100 and label_space(manifest.muscles, labels).draws_sets
    count = max(1, (local * share + 50) // 100) if fewer else local
    return Steps(first=(round_number - 1) * local, count=count, total=manifest.rounds * local)


def steps_of_own_model(manifest: StudyManifest) -> Steps:
    """All steps of a run, for a model of one site: as many as it would do in the federation, in one go."""
    total = manifest.rounds * manifest.training.local_steps
    return Steps(first=0, count=total, total=total, alone=True)


def steps_of_personalisation(manifest: StudyManifest) -> Steps:
    """Twice the steps of a run at one site, on a schedule of their own: long enough for what a site's own model learns."""
    count = 2 * manifest.rounds * manifest.training.local_steps
    return Steps(first=0, count=count, total=count, alone=True)


def learning_rate(manifest: StudyManifest, *, step: int, total: int) -> float:
    """The rate of this step of the run.

    A cosine (Loshchilov 2017, eq. 5) from `learning_rate` at step 0 to `learning_rate_end` at the last step, or constant
    where the schedule says so; in the rounds of the warm-up times the share of their steps begun (Goyal 2017).
    """
    training, schedule = manifest.training, manifest.schedule or Schedule()
    rise = min(1.0, (step + 1) / max(schedule.warmup_rounds * training.local_steps, 1))
    if schedule.learning_rate == "constant":
        return rise * training.learning_rate
    share = step / max(total - 1, 1)
    fall = (training.learning_rate - training.learning_rate_end) * (1 + math.cos(math.pi * share)) / 2
    return rise * (training.learning_rate_end + fall)
