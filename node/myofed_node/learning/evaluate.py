"""Dice of a network on a site's subjects."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch

from myofed_node.learning.metrics import dice_per_class, muscle_scores
from myofed_node.learning.subjects import Slices
from myofed_schemas.federation import MuscleScore

EVALUATION_BATCH = 16


def predicted_classes(network: torch.nn.Module, images: torch.Tensor) -> torch.Tensor:
    """The likeliest class per pixel.

    Args:
        network: In any mode; its mode is the same afterwards.
        images: (n, 1, h, w) float32.

    Returns:
        (n, h, w) int64, on the CPU.
    """
    device = next(network.parameters()).device
    was_training = network.training
    network.eval()
    try:
        with torch.inference_mode():
            parts = [network(part.to(device)).argmax(dim=1).cpu() for part in torch.split(images, EVALUATION_BATCH)]
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
    rows = (
        dice_per_class(
            predicted_classes(network, subject.images).numpy(), subject.classes.numpy(), classes=len(muscles)
        )
        for subject in subjects
    )
    return muscle_scores(rows, muscles=muscles)
