"""What training minimises."""

from __future__ import annotations

import torch
from torch.nn.functional import cross_entropy, one_hot, softmax

SMOOTH = 1e-5


def dice_cross_entropy(logits: torch.Tensor, classes: torch.Tensor) -> torch.Tensor:
    """Cross-entropy plus one minus the mean soft Dice of the classes that occur in the batch, background left out.

    Soft Dice of Milletari 2016, summed over the whole batch; the sum with cross-entropy as in Isensee 2021.

    Args:
        logits: (n, c, h, w).
        classes: (n, h, w) int64.

    Returns:
        A scalar.
    """
    truth = one_hot(classes, logits.shape[1]).movedim(-1, 1).to(logits.dtype)
    likely = softmax(logits, dim=1)
    overlap = (likely * truth).sum(dim=(0, 2, 3))[1:]
    truth_size = truth.sum(dim=(0, 2, 3))[1:]
    dice = (2 * overlap + SMOOTH) / (likely.sum(dim=(0, 2, 3))[1:] + truth_size + SMOOTH)
    present = (truth_size > 0).to(logits.dtype)
    return cross_entropy(logits, classes) + 1 - (dice * present).sum() / present.sum().clamp_min(1)
