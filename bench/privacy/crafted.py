"""Weights that a coordinator could send to make an update tell more: shapes and names as approved, only numbers changed."""

from __future__ import annotations

from collections.abc import Mapping

import torch

FIRST = "model.0.conv.weight"
SECOND = "model.1.submodule.0.conv.weight"
LAST_BIAS = "model.2.conv.bias"
TAPS = 9
COPY_GAIN = 3.0
SHIFT = 10.0


def copying(weights: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The first two layers hand the picture through, tap by tap (identity weights as in Fowl 2022), the rest is as before.

    With stride 2 and nine taps every pixel of the slice stands in some channel of the first layer unchanged.
    """
    changed = {name: tensor.clone() for name, tensor in weights.items()}
    first = torch.zeros_like(changed[FIRST])
    for channel in range(first.shape[0]):
        first[channel, 0].view(-1)[channel % TAPS] = COPY_GAIN
    second = torch.zeros_like(changed[SECOND])
    for channel in range(second.shape[0]):
        second[channel, channel % second.shape[1]].view(-1)[(channel // second.shape[1]) * 4 % TAPS] = COPY_GAIN
    return changed | {FIRST: first, SECOND: second}


def fishing(weights: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Everything looks like background, so that only muscles have a gradient (as in Wen 2022, by the last layer's bias)."""
    changed = {name: tensor.clone() for name, tensor in weights.items()}
    changed[LAST_BIAS][0] += SHIFT
    return changed


CRAFTED = {"copying": copying, "fishing": fishing}
