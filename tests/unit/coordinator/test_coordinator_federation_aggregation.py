"""From the updates of a round to the next model."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategy_examples import OPTIONS, as_tensors, combine, numbers, strategy, update
from wall_examples import make_manifest, metrics, tensors

from myofed_coordinator.federation.aggregation import aggregate, capped, check_metrics, weight_of
from myofed_coordinator.federation.strategies.base import RoundInputs
from myofed_coordinator.federation.weights import Tensors, pack, unpack
from myofed_schemas.errors import MyofedError
from myofed_schemas.federation import GroupScore, MuscleScore
from myofed_schemas.study import TensorSpec


@pytest.mark.parametrize("weight", [0.0, -1.0, float("nan"), float("inf")])
def test_weight_that_is_not_a_positive_number_is_refused(weight: float) -> None:
    """A site cannot count infinitely, negatively or not at all."""
    with pytest.raises(MyofedError) as caught:
        combine("fedavg", [update("a", tensors(1.0), weight=weight)])
    assert caught.value.code == "UPDATE_WEIGHT"


@pytest.mark.parametrize("name", OPTIONS)
def test_too_few_updates_for_the_strategy_are_refused(name: str) -> None:
    """0 of 0 updates is a failure, not a model of zeros; a trimmed mean needs three."""
    least = strategy(name).min_updates
    with pytest.raises(MyofedError) as caught:
        combine(name, [update(f"site-{i}", tensors(float(i))) for i in range(least - 1)])
    assert caught.value.code == "STRATEGY_TOO_FEW_SITES"


def test_model_that_is_not_finite_is_refused() -> None:
    """A step beyond what float32 holds ends the run with a code, not with a model of infinities."""
    largest = float(np.finfo(np.float32).max)
    with pytest.raises(MyofedError) as caught:
        aggregate(
            strategy("fedadam"),
            RoundInputs(
                [update("a", as_tensors([largest] * 6))],
                as_tensors([largest] * 6).__getitem__,
                lambda name: np.full((2, 3), 1e40) if name.startswith("first") else np.zeros((2, 3)),
            ),
            [TensorSpec(name="net.weight", shape=(2, 3), dtype="float32")],
        )
    assert caught.value.code == "AGGREGATE_NOT_FINITE"


def test_mean_is_weighted_exactly_and_counters_take_the_largest() -> None:
    """(1*1 + 3*2 + 6*5) / 10 = 3.7 to the last bit of float32; 7 is the largest counter."""
    given_ = [("a", 1.0, tensors(1.0, steps=7)), ("b", 3.0, tensors(2.0)), ("c", 6.0, tensors(5.0, steps=3))]
    mean = combine("fedavg", [update(s, t, weight=w) for s, w, t in given_]).weights
    assert np.array_equal(mean["net.weight"], np.full((2, 3), np.float32(3.7)))
    assert mean["net.steps"].tolist() == [7]
    assert {name: tensor.dtype.name for name, tensor in mean.items()} == {"net.weight": "float32", "net.steps": "int64"}


@pytest.mark.parametrize("name", OPTIONS)
def test_tensor_without_axes_keeps_its_shape(name: str) -> None:
    """A batch norm's counter, or a single number, comes back as it went, packed as well."""
    spec = [TensorSpec(name="alpha", shape=(), dtype="float32"), TensorSpec(name="count", shape=(), dtype="int64")]
    one: Tensors = {"alpha": np.array(2.0, np.float32), "count": np.array(3, np.int64)}
    inputs = RoundInputs([update(f"site-{i}", one) for i in range(3)], one.__getitem__)
    made = aggregate(strategy(name), inputs, spec)
    assert unpack(pack(made.weights), spec) == one
    assert {kept.shape for kept in made.memory.values()} <= {()}


weighted = st.tuples(numbers, st.sampled_from([1.0, 2.0, 5.0, 1000.0]))


@pytest.mark.parametrize("name", OPTIONS)
@settings(max_examples=25, deadline=None)
@given(updates=st.lists(weighted, min_size=3, max_size=6), seed=st.integers(0, 999))
def test_order_of_arrival_does_not_change_one_bit(
    name: str, updates: list[tuple[list[float], float]], seed: int
) -> None:
    """Updates are folded in the order of the sites' names, whoever came first; with every strategy."""
    arrived = [update(f"site-{i}", as_tensors(n), weight=w) for i, (n, w) in enumerate(updates)]
    shuffled = random.Random(seed).sample(arrived, len(arrived))
    one, two = combine(name, arrived), combine(name, shuffled)
    assert one.weights["net.weight"].tobytes() == two.weights["net.weight"].tobytes()
    assert {k: v.tobytes() for k, v in one.memory.items()} == {k: v.tobytes() for k, v in two.memory.items()}


@settings(max_examples=40, deadline=None)
@given(updates=st.lists(weighted, min_size=1, max_size=5))
def test_mean_lies_between_the_smallest_and_the_largest_update(updates: list[tuple[list[float], float]]) -> None:
    """A weighted mean never leaves the range of what was folded, up to the rounding to float32."""
    mean = combine("fedavg", [update(f"s-{i}", as_tensors(n), weight=w) for i, (n, w) in enumerate(updates)])
    made = mean.weights["net.weight"].ravel()
    stacked = np.array([np.array(n, np.float32) for n, _ in updates])
    slack = np.abs(stacked).max(axis=0) * 1e-6
    assert (made >= stacked.min(axis=0) - slack).all()
    assert (made <= stacked.max(axis=0) + slack).all()


def test_weight_is_the_bucket_of_examples_only_where_the_manifest_says_so() -> None:
    """Uniform weighting ignores what a site says about its size."""
    assert weight_of(metrics(examples=50), make_manifest()) == 1.0
    assert weight_of(metrics(examples=50), make_manifest(weighting="examples")) == 50.0


IMPLAUSIBLE = {
    "examples above every bucket": {"examples": 10**9},
    "exact count": {"examples": 13},
    "no step": {"steps": 0},
    "more steps than asked": {"steps": 41},
    "loss not finite": {"loss": float("nan")},
    "loss infinite": {"loss": float("inf")},
    "loss whose sum overflows": {"loss": -1.7e308},
    "unknown muscle": {"scores": (MuscleScore(muscle="SOL", dice_sum=0.5, subjects=1),)},
    "muscle twice": {"scores": (MuscleScore(muscle="VL", dice_sum=0.5, subjects=1),) * 2},
    "dice above 1": {"scores": (MuscleScore(muscle="VL", dice_sum=2.5, subjects=2),)},
    "set that no site draws": {"group_scores": (GroupScore(structure="quadriceps", dice_sum=0.5, subjects=1),)},
}


@pytest.mark.parametrize("why", IMPLAUSIBLE)
def test_implausible_metrics_are_refused(why: str) -> None:
    """A site's numbers are checked against the manifest before they count."""
    with pytest.raises(MyofedError) as caught:
        check_metrics(metrics(**IMPLAUSIBLE[why]), make_manifest(), trained=True)
    assert caught.value.code == "METRICS_IMPLAUSIBLE"
    check_metrics(metrics(), make_manifest(), trained=True)


def test_scores_of_sets_that_a_site_draws_are_checked_like_those_of_muscles() -> None:
    """Each once, and no Dice above 1."""
    labels = {"sites": ({"site": "hospital-a", "structures": ("quadriceps",)},)}
    manifest = make_manifest(mixed_labels=labels)
    good = GroupScore(structure="quadriceps", dice_sum=0.5, subjects=1)
    check_metrics(metrics(group_scores=(good,)), manifest, trained=True)
    for bad in ((good, good), (GroupScore(structure="quadriceps", dice_sum=1.5, subjects=1),)):
        with pytest.raises(MyofedError) as caught:
            check_metrics(metrics(group_scores=bad), manifest, trained=True)
        assert caught.value.code == "METRICS_IMPLAUSIBLE"


@pytest.mark.parametrize(
    ("weights", "kept"),
    [
        ([], []),
        ([7.0], [7.0]),
        ([10.0, 20.0, 1000.0], [10.0, 20.0, 100.0]),
        ([10.0, 1000.0], [10.0, 50.0]),
        ([10.0, 10.0, 50.0], [10.0, 10.0, 50.0]),
        ([1.0, 1.0, 1.0], [1.0, 1.0, 1.0]),
    ],
)
def test_no_site_counts_more_than_five_times_the_median_one(weights: list[float], kept: list[float]) -> None:
    """What a site says of its size can only be believed; with two, the smaller is the measure."""
    assert capped(weights) == kept
