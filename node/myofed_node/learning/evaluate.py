"""Dice of a network on a site's subjects."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import torch

from myofed_node.learning.labels import LabelSpace, label_space
from myofed_node.learning.metrics import Region, dice_of_region, group_scores, muscle_scores, pixels_in_both
from myofed_node.learning.subjects import Slices
from myofed_schemas.errors import MyofedError
from myofed_schemas.federation import GroupScore, MuscleScore

EVALUATION_BATCH = 16
"""At most; a study of smaller batches is evaluated in those, so that no task takes more memory than its approved step."""


def never() -> bool:
    """Nobody asks to stop."""
    return False


def predicted_classes(network: torch.nn.Module, images: torch.Tensor, *, batch: int = EVALUATION_BATCH) -> torch.Tensor:
    """The likeliest class per pixel.

    Args:
        network: In any mode; its mode is the same afterwards.
        images: (n, 1, h, w) float32.
        batch: Images at once, at most; never more than EVALUATION_BATCH.

    Returns:
        (n, h, w) int64, on the CPU.
    """
    device = next(network.parameters()).device
    was_training = network.training
    network.eval()
    try:
        with torch.inference_mode():
            pieces = torch.split(images, min(batch, EVALUATION_BATCH))
            parts = [network(piece.to(device)).argmax(dim=1).cpu() for piece in pieces]
    finally:
        network.train(was_training)
    return torch.cat(parts)


def evaluate(
    network: torch.nn.Module, subjects: Iterable[Slices], *, muscles: Sequence[str]
) -> tuple[MuscleScore, ...]:
    """Sufficient statistics of Dice over these subjects, on the network's own grid (not the scanner's).

    Args:
        network: Trained or not.
        subjects: One item a subject.
        muscles: Muscle ids of the manifest, in its order.
    """
    return evaluate_sets(network, subjects, space=label_space(muscles), sets={})[0]


def evaluate_sets(
    network: torch.nn.Module,
    subjects: Iterable[Slices],
    *,
    space: LabelSpace,
    sets: Mapping[str, tuple[int, ...]],
    batch: int = EVALUATION_BATCH,
    stop: Callable[[], bool] = never,
) -> tuple[tuple[MuscleScore, ...], tuple[GroupScore, ...]]:
    """The same at a site that need not draw every muscle singly: what its labels can tell, muscle by muscle and set by set.

    A muscle of which they cannot tell has no subject. A set's prediction is that of any of its members.

    Args:
        network: Trained or not.
        subjects: One item a subject, with targets of `space`.
        space: What the site draws.
        sets: From `labels.sets_of_study`.
        batch: Images at once, at most: the manifest's `batch_size`.
        stop: Asked before each subject.

    Raises:
        MyofedError: TASK_ABANDONED.
    """
    singles = [_region(space, (k + 1,)) for k in range(len(space.muscles))]
    regions = [*singles, *(_region(space, classes) for classes in sets.values())]
    rows: list[npt.NDArray[np.float64]] = []
    for subject in subjects:
        if stop():
            raise MyofedError("TASK_ABANDONED", f"expected to score all subjects, stopped after {len(rows)}")
        predicted = predicted_classes(network, subject.images, batch=batch).numpy()
        table = pixels_in_both(
            predicted, subject.classes.numpy(), classes=len(space.muscles), targets=len(space.structures)
        )
        rows.append(np.array([dice_of_region(table, region) for region in regions]))
    cut = len(singles)
    return (
        muscle_scores([row[:cut] for row in rows], muscles=space.muscles),
        group_scores([row[cut:] for row in rows], sets=list(sets)),
    )


def _region(space: LabelSpace, classes: tuple[int, ...]) -> Region | None:
    targets = space.targets_of(classes)
    return None if targets is None else (targets, classes)
