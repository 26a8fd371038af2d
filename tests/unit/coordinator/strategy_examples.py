"""Factories for tests of the strategies: updates of a few numbers, and manifests that name a strategy."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from hypothesis import strategies as st
from wall_examples import SPEC, make_manifest

from myofed_coordinator.federation.aggregation import Aggregate, aggregate
from myofed_coordinator.federation.strategies import strategy_of
from myofed_coordinator.federation.strategies.base import RoundInputs, Strategy, Update
from myofed_coordinator.federation.weights import Tensors

FEDADAM = {"server_rate": 0.5, "beta_1": 0.9, "beta_2": 0.99, "tau": 0.001}
OPTIONS: dict[str, dict[str, object]] = {
    "fedavg": {},
    "fedprox": {"strategy_options": {"proximal_mu": 0.1}},
    "fedadam": {"strategy_options": FEDADAM},
    "fedbn": {"strategy_options": {"release": "aggregated"}, "local_tensors": ("net.steps",)},
    "trimmed-mean": {"strategy_options": {"trim_percent": 20}},
}
"""Strategy -> what a manifest must say beside its name."""

numbers = st.lists(st.floats(-(2.0**100), 2.0**100, width=32), min_size=6, max_size=6)


def strategy(name: str) -> Strategy:
    """The strategy as a manifest names it."""
    return strategy_of(make_manifest(strategy=name, **OPTIONS[name]))


def as_tensors(values: Sequence[float]) -> Tensors:
    """Six numbers as weights that fit SPEC."""
    return {"net.weight": np.array(values, np.float32).reshape(2, 3), "net.steps": np.array([1], np.int64)}


def update(site: str, tensors: Tensors, *, weight: float = 1.0) -> Update:
    """A site's update, from memory."""
    return Update(site, weight, tensors.__getitem__)


def combine(name: str, updates: Sequence[Update], *, outgoing: Tensors | None = None) -> Aggregate:
    """The next model, in a first round."""
    before = as_tensors([0.0] * 6) if outgoing is None else outgoing
    return aggregate(strategy(name), RoundInputs(updates, before.__getitem__), SPEC)
