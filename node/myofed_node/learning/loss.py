"""What training minimises: cross-entropy and soft Dice, on classes or on what a site's labels can tell of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch.nn.functional import log_softmax, nll_loss

from myofed_node.learning.labels import LabelSpace

SMOOTH = 1e-5


def dice_cross_entropy(logits: torch.Tensor, classes: torch.Tensor) -> torch.Tensor:
    """Cross-entropy plus one minus the mean soft Dice of the classes that occur in the batch, background left out.

    Soft Dice of Milletari 2016, summed over the whole batch; the sum with cross-entropy as in Isensee 2021. Overlaps are
    gathered at the true class instead of multiplied with a one-hot map, which halves the time.

    Args:
        logits: (n, c, h, w).
        classes: (n, h, w) int64.

    Returns:
        A scalar.
    """
    return _of_logs(log_softmax(logits, dim=1), classes)


def label_set_loss(logits: torch.Tensor, targets: torch.Tensor, *, space: LabelSpace) -> torch.Tensor:
    """The same on the site's targets: a target has the sum of the probabilities of the classes that it allows.

    Marginal loss of Shi 2021 and label-set loss of Fidon 2021. Targets that allow background have no Dice term, because
    background would win it.

    Args:
        logits: (n, c, h, w), of classes.
        targets: (n, h, w) int64, of `space`.
        space: What this site draws.

    Returns:
        A scalar; `dice_cross_entropy` where every muscle is drawn singly.
    """
    logs = log_softmax(logits, dim=1)
    if space.is_single:
        return _of_logs(logs, targets)
    return _of_logs(target_logs(logs, space), targets, scored=space.whole)


def target_logs(logs: torch.Tensor, space: LabelSpace) -> torch.Tensor:
    """Logarithms of probabilities of classes (n, c, h, w) -> of targets (n, t, h, w), summed without underflow."""
    parts = [logs[:, a[0]] if len(a) == 1 else logs[:, list(a)].logsumexp(dim=1) for a in space.allowed]
    return torch.stack(parts, dim=1)


def split_divergence(
    logits: torch.Tensor, teacher: torch.Tensor, targets: torch.Tensor, *, space: LabelSpace
) -> torch.Tensor:
    """How far the split inside the targets went away from the teacher's: what a set's label cannot say stays as it was.

    Kullback-Leibler divergence (Hinton 2015, temperature 1) of the teacher's distribution over the classes that a target
    allows, given that it is one of them, from the network's; mean over the target's pixels, then over such targets.

    Args:
        logits: (n, c, h, w), of the network that learns.
        teacher: The same of the network that is kept to, without gradient.
        targets: (n, h, w) int64, of `space`.
        space: What this site draws.

    Returns:
        A scalar; 0 where no pixel has a target of several classes.
    """
    means = []
    for index, allowed in enumerate(space.allowed):
        inside = targets == index
        if len(allowed) == 1 or not bool(inside.any()):
            continue
        own, kept = (log_softmax(scores[:, list(allowed)], dim=1) for scores in (logits, teacher))
        means.append((kept.exp() * (kept - own)).sum(dim=1)[inside].mean())
    return torch.stack(means).mean() if means else logits.new_zeros(())


def proximal(parameters: Iterable[torch.Tensor], anchors: Sequence[torch.Tensor]) -> torch.Tensor:
    """Half the squared distance of the parameters to where the round began (Li 2020, FedProx, eq. 2, without mu)."""
    squares = [((now - then) ** 2).sum() for now, then in zip(parameters, anchors, strict=True)]
    return torch.stack(squares).sum() / 2


def _of_logs(logs: torch.Tensor, targets: torch.Tensor, *, scored: Sequence[bool] | None = None) -> torch.Tensor:
    likely = logs.exp()
    at_truth = likely.gather(1, targets[:, None]).flatten()
    overlap = torch.zeros_like(likely[0, :, 0, 0]).index_add(0, targets.flatten(), at_truth)[1:]
    truth_size = torch.bincount(targets.flatten(), minlength=logs.shape[1])[1:].to(logs.dtype)
    dice = (2 * overlap + SMOOTH) / (likely.sum(dim=(0, 2, 3))[1:] + truth_size + SMOOTH)
    present = (truth_size > 0).to(logs.dtype)
    if scored is not None:
        present = present * torch.tensor(scored, dtype=logs.dtype, device=logs.device)
    return nll_loss(logs, targets) + 1 - (dice * present).sum() / present.sum().clamp_min(1)
