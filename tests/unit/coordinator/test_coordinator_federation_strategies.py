"""The strategies, each against its paper's formula written out plainly."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategy_examples import FEDADAM, as_tensors, combine, numbers, strategy, update
from wall_examples import SPEC, make_manifest, tensors

from myofed_coordinator.federation.aggregation import aggregate
from myofed_coordinator.federation.strategies import strategy_of
from myofed_coordinator.federation.strategies.base import RoundInputs
from myofed_coordinator.federation.strategies.fedadam import FedAdam
from myofed_coordinator.federation.strategies.trimmed_mean import TrimmedMean
from myofed_coordinator.federation.weights import Tensors

VALUES = [[0.5, -1.0, 2.0, 3.0, 0.0, 1.5], [1.5, 0.0, 2.5, -3.0, 0.25, 1.0], [9.0, 4.0, -2.0, 1.0, 1.0, 1.0]]


@pytest.mark.parametrize("name", ["fedprox", "fedbn"])
def test_fedprox_and_fedbn_average_like_fedavg(name: str) -> None:
    """What they do differently is done at the sites; the mean of ALL tensors is what fedbn can release."""
    updates = [update(f"site-{i}", as_tensors(v), weight=i + 1.0) for i, v in enumerate(VALUES)]
    one, two = combine(name, updates).weights, combine("fedavg", updates).weights
    assert {k: v.tobytes() for k, v in one.items()} == {k: v.tobytes() for k, v in two.items()}


def test_fedadam_equals_the_papers_algorithm_over_four_rounds() -> None:
    """Reddi 2021, Algorithm 2, coordinate by coordinate in plain Python; v begins at tau squared."""
    rate, beta_1, beta_2, tau = FEDADAM.values()
    ours, memory = as_tensors([0.0] * 6), None
    first, second = [0.0] * 6, [tau**2] * 6
    for number in range(1, 5):
        updates = [update(f"s-{i}", as_tensors([number * x for x in v])) for i, v in enumerate(VALUES)]
        outgoing = [float(x) for x in ours["net.weight"].ravel()]
        made = aggregate(strategy("fedadam"), RoundInputs(updates, ours.__getitem__, memory), SPEC)
        for k in range(6):
            d = sum(float(np.float32(number * v[k])) for v in VALUES) / 3 - outgoing[k]
            first[k] = beta_1 * first[k] + (1 - beta_1) * d
            second[k] = beta_2 * second[k] + (1 - beta_2) * d**2
            expected = outgoing[k] + rate * first[k] / (second[k] ** 0.5 + tau)
            assert made.weights["net.weight"].ravel()[k] == pytest.approx(expected, rel=1e-6)
        assert made.memory["first/net.weight"].ravel() == pytest.approx(first, rel=1e-12)
        assert made.memory["second/net.weight"].ravel() == pytest.approx(second, rel=1e-12)
        ours, memory = made.weights, made.memory.__getitem__


def test_fedadam_averages_the_statistics_of_a_batch_norm() -> None:
    """A step of Adam could make a variance negative."""
    variances: list[Tensors] = [{"norm.running_var": np.array([v], np.float32)} for v in (1.0, 2.0)]
    adam = strategy("fedadam")
    inputs = RoundInputs(
        [update(f"s-{i}", v) for i, v in enumerate(variances)], lambda _: np.array([900.0], np.float32)
    )
    assert adam.combine("norm.running_var", inputs).value.tolist() == [1.5]


def test_fedadam_takes_its_numbers_from_the_manifest() -> None:
    """None of them has a hidden default."""
    assert strategy("fedadam") == FedAdam(rate=0.5, beta_1=0.9, beta_2=0.99, tau=0.001)


def test_trimmed_mean_leaves_out_the_ends_of_each_coordinate() -> None:
    """Of 1, 2, 4, 9 and 100 the middle three: 5; weights of sites have no say."""
    updates = [update(f"s-{i}", tensors(v), weight=1000.0**i) for i, v in enumerate([9.0, 1.0, 100.0, 2.0, 4.0])]
    assert combine("trimmed-mean", updates).weights["net.weight"].tolist() == [[5.0] * 3] * 2


@pytest.mark.parametrize(
    ("updates", "percent", "trimmed"), [(3, 1, 1), (5, 20, 1), (10, 20, 2), (9, 20, 1), (3, 49, 1), (100, 49, 49)]
)
def test_trimmed_mean_leaves_out_at_least_one_and_never_all(updates: int, percent: int, trimmed: int) -> None:
    """The share is rounded down."""
    assert TrimmedMean(percent).trimmed(updates) == trimmed
    assert updates - 2 * trimmed >= 1


@settings(max_examples=60, deadline=None)
@given(
    honest=st.lists(numbers, min_size=2, max_size=5),
    hostile=st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=6, max_size=6),
    place=st.sampled_from(["a", "site-1x", "z"]),
)
def test_one_hostile_site_cannot_push_a_trimmed_mean_out_of_the_honest_range(
    honest: list[list[float]], hostile: list[float], place: str
) -> None:
    """Whatever it sends, each coordinate stays between the smallest and the largest honest value, exactly."""
    updates = [update(f"site-{i}", as_tensors(v)) for i, v in enumerate(honest)]
    made = combine("trimmed-mean", [*updates, update(place, as_tensors(hostile))]).weights["net.weight"].ravel()
    stacked = np.array([np.array(v, np.float32) for v in honest])
    assert (made >= stacked.min(axis=0)).all()
    assert (made <= stacked.max(axis=0)).all()


def test_every_strategy_of_the_manifest_is_there() -> None:
    """A manifest cannot name what the coordinator lacks."""
    assert strategy_of(make_manifest()).min_updates == 1
    assert not strategy("fedavg").remembers
    assert strategy("fedadam").remembers
    assert strategy("trimmed-mean").min_updates == 3
