"""FedAdam: Reddi et al. 2021, Adaptive Federated Optimization, ICLR, Algorithm 2 (FEDADAM)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from myofed_coordinator.federation.strategies.base import Combined, Float64, RoundInputs, weighted_mean
from myofed_schemas.study_options import StrategyOptions

STATISTICS = ("running_mean", "running_var")
"""Ends of the names of a batch norm's statistics: they are averaged; a step of Adam could make a variance negative."""


@dataclass(frozen=True)
class FedAdam:
    """Adam on the coordinator; the mean update minus the outgoing weights stands where the negative gradient would.

    With d the difference: m = beta_1 m + (1 - beta_1) d; v = beta_2 v + (1 - beta_2) d^2; x = x + rate m / (sqrt(v) + tau).
    m starts at 0 and v at tau^2 (the paper asks for v >= tau^2); there is no bias correction, as in the paper.

    Attributes:
        rate: The coordinator's learning rate, eta.
        beta_1: Decay of the first moment.
        beta_2: Decay of the second moment.
        tau: Adaptivity.
    """

    rate: float
    beta_1: float
    beta_2: float
    tau: float
    min_updates: int = 1
    remembers: bool = True

    @classmethod
    def of(cls, options: StrategyOptions) -> FedAdam:
        """With the numbers of the manifest, which has made sure that they are there."""
        rate, beta_1, beta_2, tau = options.server_rate, options.beta_1, options.beta_2, options.tau
        assert rate is not None
        assert beta_1 is not None
        assert beta_2 is not None
        assert tau is not None
        return cls(rate, beta_1, beta_2, tau)

    def combine(self, name: str, inputs: RoundInputs) -> Combined:
        """One step, and both moments to remember."""
        mean = weighted_mean(name, inputs.updates)
        outgoing = inputs.outgoing(name).astype(np.float64)
        difference = mean - outgoing
        first, second = self._moments(name, inputs, difference)
        moments = {f"first/{name}": first, f"second/{name}": second}
        if name.endswith(STATISTICS):
            return Combined(mean, moments)
        return Combined(outgoing + self.rate * first / (np.sqrt(second) + self.tau), moments)

    def _moments(self, name: str, inputs: RoundInputs, difference: Float64) -> tuple[Float64, Float64]:
        if inputs.memory is None:
            first, second = np.zeros_like(difference), np.full_like(difference, self.tau**2)
        else:
            first, second = inputs.memory(f"first/{name}"), inputs.memory(f"second/{name}")
        return (
            self.beta_1 * first + (1 - self.beta_1) * difference,
            self.beta_2 * second + (1 - self.beta_2) * difference**2,
        )
