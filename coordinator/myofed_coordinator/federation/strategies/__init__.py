"""How updates become the next model: one small file a strategy; which one, and its numbers, stand in the manifest."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from myofed_coordinator.federation.strategies.base import Strategy
from myofed_coordinator.federation.strategies.fedadam import FedAdam
from myofed_coordinator.federation.strategies.fedavg import FedAvg
from myofed_coordinator.federation.strategies.fedbn import FedBN
from myofed_coordinator.federation.strategies.fedprox import FedProx
from myofed_coordinator.federation.strategies.trimmed_mean import TrimmedMean
from myofed_schemas.study import StudyManifest
from myofed_schemas.study_options import StrategyName, StrategyOptions

_STRATEGIES: Mapping[StrategyName, Callable[[StrategyOptions], Strategy]] = {
    "fedavg": lambda _: FedAvg(),
    "fedprox": lambda _: FedProx(),
    "fedbn": lambda _: FedBN(),
    "fedadam": FedAdam.of,
    "trimmed-mean": lambda options: TrimmedMean(options.trim_percent or 0),
}


def strategy_of(manifest: StudyManifest) -> Strategy:
    """The strategy that the manifest names, with its numbers."""
    return _STRATEGIES[manifest.strategy](manifest.strategy_options or StrategyOptions())
