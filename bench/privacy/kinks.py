"""The study's network for an attacker who differentiates its gradient: the same numbers, but PReLU's slope has a derivative.

A gradient jumps where an activation changes its sign. Automatic differentiation sees no derivative there, and a matched gradient
then leads nowhere. As in networks of spikes (Neftci 2019, surrogate gradients) the jump counts as a slope of some width.
"""

from __future__ import annotations

from typing import Any

import torch

from myofed_node.learning.models import build
from myofed_schemas.study_networks import Network

WIDTH = 0.2
"""Of the slope, in units of the normalised activation (its variance is 1)."""


class _Slope(torch.autograd.Function):
    """1 above zero, else the weight; its derivative is that of a sigmoid."""

    @staticmethod
    def forward(ctx: Any, values: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(values, weight)
        return torch.where(values > 0, torch.ones_like(values), weight.expand_as(values))

    @staticmethod
    def backward(ctx: Any, *above: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        values, weight = ctx.saved_tensors
        share = torch.sigmoid(values / WIDTH)
        bump = (1 - weight) * share * (1 - share) / WIDTH
        return above[0] * bump, (above[0] * (values <= 0)).sum().reshape(weight.shape)


class _Rectified(torch.autograd.Function):
    """PReLU of one weight."""

    @staticmethod
    def forward(ctx: Any, values: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(values, weight)
        return torch.where(values > 0, values, weight * values)

    @staticmethod
    def backward(ctx: Any, *above: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        values, weight = ctx.saved_tensors
        slope = _Slope.apply(values, weight)
        return above[0] * slope, (above[0] * values.clamp(max=0)).sum().reshape(weight.shape)


class SoftKink(torch.nn.Module):
    """PReLU under its own name, with that derivative of its slope."""

    def __init__(self, weight: torch.nn.Parameter) -> None:
        super().__init__()
        self.weight = weight

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Of the shape of `values`."""
        found: torch.Tensor = _Rectified.apply(values, self.weight)
        return found


def attackable(architecture: Network) -> torch.nn.Module:
    """The network with every PReLU replaced; names, outputs and gradients are the original's."""
    network = build(architecture)
    for module in list(network.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, torch.nn.PReLU):
                setattr(module, name, SoftKink(child.weight))
    return network
