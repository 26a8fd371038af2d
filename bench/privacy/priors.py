"""What an attacker knows of the population without any update: the guesses that an inversion has to beat."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from myofed_node.learning.subjects import Slices

GROUPS = 4


@dataclass(frozen=True)
class Population:
    """Slices of other people from the same scanner and with the same diseases.

    Attributes:
        images: (n, 1, h, w).
        classes: (n, h, w).
    """

    images: torch.Tensor
    classes: torch.Tensor


def population(subjects: Sequence[Slices]) -> Population:
    """All slices of these subjects."""
    return Population(torch.cat([s.images for s in subjects]), torch.cat([s.classes for s in subjects]))


def mean_images(known: Population) -> torch.Tensor:
    """(1 + GROUPS, 1, h, w): the mean image, and the means of slices with a like amount of muscle (the level)."""
    muscle = (known.classes > 0).sum(dim=(1, 2)).float()
    order = torch.argsort(muscle)
    groups = torch.chunk(order, GROUPS)
    return torch.cat([known.images.mean(0, keepdim=True), *(known.images[g].mean(0, keepdim=True) for g in groups)])


def painted(known: Population, classes: torch.Tensor) -> torch.Tensor:
    """(n, 1, h, w): the population's mean image with each muscle of these label maps at its mean intensity.

    For an attacker who is given the label maps: what they tell is not what the update tells.
    """
    picture = known.images.mean(0).expand(len(classes), -1, -1, -1).clone()
    for muscle in range(1, int(known.classes.max()) + 1):
        inside = known.images[:, 0][known.classes == muscle]
        if len(inside):
            picture[:, 0][classes == muscle] = inside.mean()
    return picture
