"""One model on the subjects of one site, subject by subject; who cannot be used is left out as a node would."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from myofed_node.learning.data import SubjectCache
from myofed_node.learning.device import choose_device
from myofed_node.learning.evaluate import evaluate_sets
from myofed_node.learning.exclusions import UsableSubjects, check_usable
from myofed_node.learning.labels import label_space
from myofed_node.learning.models import network_of
from myofed_node.learning.weights import load_weights
from myofed_schemas.federation import ExclusionCount, MuscleScore
from myofed_schemas.study import StudyManifest
from myofed_schemas.study_options import SiteLabels
from myofed_simulation.bootstrap import Interval, intervals


@dataclass(frozen=True)
class Scored:
    """Dice of a model.

    Attributes:
        muscles: Of the study, in its order.
        dice: (n, m) float64: of subject and muscle, NaN where the subject does not have it.
        excluded: Subjects whose files cannot be used, by code.
    """

    muscles: tuple[str, ...]
    dice: npt.NDArray[np.float64]
    excluded: tuple[ExclusionCount, ...]

    @property
    def scores(self) -> tuple[MuscleScore, ...]:
        """Sums over subjects."""
        present = ~np.isnan(self.dice)
        sums, counts = np.where(present, self.dice, 0.0).sum(axis=0), present.sum(axis=0)
        return tuple(
            MuscleScore(muscle=name, dice_sum=float(sums[k]), subjects=int(counts[k]))
            for k, name in enumerate(self.muscles)
        )

    def intervals(self, *, seed: int) -> tuple[dict[str, Interval], Interval | None]:
        """Of the mean of each muscle that enough subjects have, and of the mean over muscles."""
        of_muscles, whole = intervals(self.dice, seed=seed)
        return {n: found for n, found in zip(self.muscles, of_muscles, strict=True) if found is not None}, whole


def scored(
    weights: bytes,
    *,
    manifest: StudyManifest,
    dataset: Path,
    subjects: Sequence[str],
    labels: SiteLabels | None,
) -> Scored:
    """The model on these subjects, those excepted whose files cannot be used.

    Raises:
        MyofedError: TOO_FEW_USABLE_SUBJECTS where nobody is left, WEIGHTS_*, or a code that is not about one subject.
    """
    network = network_of(manifest)
    load_weights(network, weights, spec=manifest.state_dict)
    network.to(choose_device())
    usable, space = UsableSubjects(SubjectCache()), label_space(manifest.muscles, labels)
    slices = usable.read(dataset, tuple(subjects), manifest=manifest, labels=labels)
    check_usable(train=len(slices))
    rows = []
    for subject in slices:
        scores, _ = evaluate_sets(network, [subject], space=space, sets={}, batch=manifest.training.batch_size)
        rows.append([score.dice_sum if score.subjects else np.nan for score in scores])
    return Scored(tuple(manifest.muscles), np.array(rows, np.float64), usable.counts())
