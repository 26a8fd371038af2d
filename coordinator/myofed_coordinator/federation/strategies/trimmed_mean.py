"""Trimmed mean: Yin et al. 2018, Byzantine-Robust Distributed Learning: Towards Optimal Statistical Rates, ICML, Def. 2."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from myofed_coordinator.federation.strategies.base import Combined, RoundInputs


@dataclass(frozen=True)
class TrimmedMean:
    """In each coordinate the smallest and the largest values are left out, and the others have equal weight.

    With at most as many hostile sites as are left out at an end, every coordinate lies between the smallest and the largest
    honest value. Memory: the sites times the largest tensor, because the values of all sites are sorted.

    Attributes:
        trim_percent: Share of the updates left out at EACH end, rounded down; at least one.
    """

    trim_percent: int
    min_updates: int = 3
    remembers: bool = False

    def combine(self, name: str, inputs: RoundInputs) -> Combined:
        """The mean of what is left, folded in the order of size."""
        values = np.stack([update.read(name) for update in inputs.updates])
        values.sort(axis=0)
        trimmed = self.trimmed(len(values))
        kept = values[trimmed : len(values) - trimmed]
        return Combined(kept.sum(axis=0, dtype=np.float64) / len(kept))

    def trimmed(self, updates: int) -> int:
        """How many of so many updates are left out at each end."""
        return max(1, updates * self.trim_percent // 100)
