"""Federated averaging."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wall_examples import SPEC, make_manifest, metrics, tensors

from myofed_coordinator.federation.aggregation import (
    Contribution,
    WeightedMean,
    check_metrics,
    federated_average,
    weight_of,
)
from myofed_coordinator.federation.weights import Tensors
from myofed_schemas.errors import MyofedError
from myofed_schemas.federation import MuscleScore

BAD_UPDATES = {
    "WEIGHTS_KEYS": {"net.weight": np.ones((2, 3), np.float32)},
    "WEIGHTS_SHAPE": tensors(1.0) | {"net.weight": np.ones((3, 2), np.float32)},
    "WEIGHTS_DTYPE": tensors(1.0) | {"net.weight": np.ones((2, 3), np.float64)},
    "WEIGHTS_NOT_FINITE": tensors(1.0) | {"net.weight": np.full((2, 3), np.nan, np.float32)},
}


@pytest.mark.parametrize("code", BAD_UPDATES)
def test_bad_update_is_refused_and_leaves_the_mean_unchanged(code: str) -> None:
    """One wrong tensor, and nothing of the update is folded."""
    mean = WeightedMean(SPEC)
    mean.fold(tensors(2.0), weight=1.0)
    before = mean.result()
    with pytest.raises(MyofedError) as caught:
        mean.fold(BAD_UPDATES[code], weight=1.0)  # type: ignore[arg-type]
    assert caught.value.code == code
    after = mean.result()
    assert all(np.array_equal(before[name], after[name]) for name in before)


@pytest.mark.parametrize("weight", [0.0, -1.0, float("nan"), float("inf")])
def test_weight_that_is_not_a_positive_number_is_refused(weight: float) -> None:
    """A site cannot count infinitely, negatively or not at all."""
    with pytest.raises(MyofedError) as caught:
        WeightedMean(SPEC).fold(tensors(1.0), weight=weight)
    assert caught.value.code == "UPDATE_WEIGHT"


def test_mean_of_nothing_is_refused() -> None:
    """0 of 0 updates is a failure, not a model of zeros."""
    with pytest.raises(MyofedError) as caught:
        WeightedMean(SPEC).result()
    assert caught.value.code == "NO_UPDATES"


def test_mean_is_weighted_exactly_and_counters_take_the_largest() -> None:
    """(1*1 + 3*2 + 6*5) / 10 = 3.7 to the last bit of float32; 7 is the largest counter."""
    updates = [("a", 1.0, tensors(1.0, steps=7)), ("b", 3.0, tensors(2.0)), ("c", 6.0, tensors(5.0, steps=3))]
    mean = federated_average([Contribution(s, w, lambda t=t: t) for s, w, t in updates], SPEC)
    assert np.array_equal(mean["net.weight"], np.full((2, 3), np.float32(3.7)))
    assert mean["net.steps"].tolist() == [7]
    assert {name: tensor.dtype.name for name, tensor in mean.items()} == {"net.weight": "float32", "net.steps": "int64"}


values = st.lists(st.floats(-(2.0**100), 2.0**100, width=32), min_size=6, max_size=6)
update = st.tuples(values, st.sampled_from([1.0, 2.0, 5.0, 1000.0]))


def as_tensors(numbers: list[float]) -> Tensors:
    return {"net.weight": np.array(numbers, np.float32).reshape(2, 3), "net.steps": np.array([1], np.int64)}


@settings(max_examples=40, deadline=None)
@given(updates=st.lists(update, min_size=1, max_size=5), rnd=st.randoms(use_true_random=False))
def test_order_of_arrival_does_not_change_one_bit(updates: list[tuple[list[float], float]], rnd: object) -> None:
    """Updates are folded in the order of the sites' names, whoever came first."""
    contributions = [
        Contribution(f"site-{i}", weight, lambda n=numbers: as_tensors(n))
        for i, (numbers, weight) in enumerate(updates)
    ]
    shuffled = contributions.copy()
    rnd.shuffle(shuffled)  # type: ignore[attr-defined]
    one, two = federated_average(contributions, SPEC), federated_average(shuffled, SPEC)
    assert one["net.weight"].tobytes() == two["net.weight"].tobytes()


@settings(max_examples=40, deadline=None)
@given(updates=st.lists(update, min_size=1, max_size=5))
def test_mean_lies_between_the_smallest_and_the_largest_update(updates: list[tuple[list[float], float]]) -> None:
    """A weighted mean never leaves the range of what was folded, up to the rounding to float32."""
    contributions = [Contribution(f"s-{i}", w, lambda n=n: as_tensors(n)) for i, (n, w) in enumerate(updates)]
    mean = federated_average(contributions, SPEC)["net.weight"].ravel()
    stacked = np.array([np.array(n, np.float32) for n, _ in updates])
    slack = np.abs(stacked).max(axis=0) * 1e-6
    assert (mean >= stacked.min(axis=0) - slack).all()
    assert (mean <= stacked.max(axis=0) + slack).all()


def test_weight_is_the_bucket_of_examples_only_where_the_manifest_says_so() -> None:
    """Uniform weighting ignores what a site says about its size."""
    assert weight_of(metrics(examples=50), make_manifest()) == 1.0
    assert weight_of(metrics(examples=50), make_manifest(weighting="examples")) == 50.0


IMPLAUSIBLE = {
    "examples above every bucket": {"examples": 10**9},
    "exact count": {"examples": 13},
    "no step": {"steps": 0},
    "more steps than asked": {"steps": 4},
    "loss not finite": {"loss": float("nan")},
    "unknown muscle": {"scores": (MuscleScore(muscle="SOL", dice_sum=0.5, subjects=1),)},
    "muscle twice": {"scores": (MuscleScore(muscle="VL", dice_sum=0.5, subjects=1),) * 2},
    "dice above 1": {"scores": (MuscleScore(muscle="VL", dice_sum=2.5, subjects=2),)},
}


@pytest.mark.parametrize("why", IMPLAUSIBLE)
def test_implausible_metrics_are_refused(why: str) -> None:
    """A site's numbers are checked against the manifest before they count."""
    with pytest.raises(MyofedError) as caught:
        check_metrics(metrics(**IMPLAUSIBLE[why]), make_manifest(), trained=True)
    assert caught.value.code == "METRICS_IMPLAUSIBLE"
    check_metrics(metrics(), make_manifest(), trained=True)
