"""Federated averaging: McMahan et al. 2017, Communication-Efficient Learning of Deep Networks, AISTATS, Algorithm 1."""

from __future__ import annotations

from dataclasses import dataclass

from myofed_coordinator.federation.strategies.base import Combined, RoundInputs, weighted_mean


@dataclass(frozen=True)
class FedAvg:
    """The next model is the weighted mean of the updates; streaming, one tensor of one update in memory at a time."""

    min_updates: int = 1
    remembers: bool = False

    def combine(self, name: str, inputs: RoundInputs) -> Combined:
        """The weighted mean."""
        return Combined(weighted_mean(name, inputs.updates))
