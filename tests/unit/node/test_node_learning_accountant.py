"""What noise costs: against figures of Opacus 1.6.0 (`opacus.accountants.analysis.rdp`, integer orders between 11 and 256)."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from learning_factories import manifest

from myofed_node.learning.accountant import Mechanism, epsilon, renyi, round_cost, sampling_rate

OPACUS = [
    (1.0, 1.0, 1, 1e-5, 4.728507067217623, 1e-9),
    (1.0, 4.0, 10, 1e-5, 3.617099772983339, 1e-9),
    (0.01, 1.1, 10_000, 1e-5, 5.63199236854841, 0.01),
    (0.2, 1.5, 100, 1e-6, 9.19925336754963, 0.02),
    (0.4, 2.0, 300, 1e-5, 23.18995489540715, 0.02),
]
"""Rate, noise, uses, delta, epsilon there; how far above it we may be, because between integer orders we take a bound."""


@pytest.mark.parametrize(("rate", "noise", "uses", "delta", "expected", "above"), OPACUS)
def test_epsilon_is_that_of_a_public_accountant_or_a_little_more(
    rate: float, noise: float, uses: int, delta: float, expected: float, above: float
) -> None:
    """Never less: a bound that is too small would promise what does not hold."""
    found = epsilon([Mechanism(noise, rate, uses)], delta=delta)
    assert expected * (1 - 1e-9) <= found <= expected * (1 + above)


@pytest.mark.parametrize(("order", "expected"), [(2.0, 0.01703686), (5.0, 0.12987743), (20.0, 7.57622627)])
def test_divergence_of_the_sampled_mechanism_at_integer_orders(order: float, expected: float) -> None:
    """Opacus 1.6.0, rate 0.1, noise 1."""
    assert renyi(Mechanism(1.0, 0.1, 1), order=order) == pytest.approx(expected, abs=1e-7)


def test_divergence_of_order_two_is_the_closed_form() -> None:
    """log(1 + q^2 (exp(1 / s^2) - 1)), which follows from the sum by hand."""
    found = renyi(Mechanism(1.3, 0.25, 1), order=2.0)
    assert found == pytest.approx(math.log1p(0.25**2 * (math.exp(1 / 1.3**2) - 1)), rel=1e-12)


def test_nothing_spent_is_zero() -> None:
    """A study that has not trained."""
    assert epsilon([], delta=1e-5) == 0.0


@settings(deadline=None, max_examples=25)
@given(
    st.floats(0.5, 20),
    st.floats(0.01, 1),
    st.integers(1, 50),
    st.floats(1.0, 3.0),
)
def test_more_noise_costs_less_and_more_uses_cost_more(noise: float, rate: float, uses: int, factor: float) -> None:
    """The order in which a person would expect it."""
    here = epsilon([Mechanism(noise, rate, uses)], delta=1e-5)
    assert epsilon([Mechanism(noise * factor, rate, uses)], delta=1e-5) <= here + 1e-9
    assert epsilon([Mechanism(noise, rate, uses)] * 2, delta=1e-5) >= here
    assert epsilon([Mechanism(noise, 1.0, uses)], delta=1e-5) >= here - 1e-9


@settings(deadline=None)
@given(st.floats(0.5, 8), st.floats(0.01, 0.99), st.floats(1.05, 60))
def test_bound_between_integer_orders_does_not_fall_below_the_order_before(
    noise: float, rate: float, order: float
) -> None:
    """The divergence grows with its order (van Erven 2014, Thm. 3)."""
    sampled = Mechanism(noise, rate, 1)
    if order >= 2:
        assert renyi(sampled, order=order) >= renyi(sampled, order=float(math.floor(order))) - 1e-12
    assert renyi(sampled, order=order) <= renyi(sampled, order=float(math.ceil(order))) + 1e-12


def test_update_costs_as_if_half_the_noise_were_there() -> None:
    """Two clipped updates are up to twice the norm apart, whatever changed in the site's data."""
    privacy = {"level": "update", "clip_norm": 1.0, "noise_multiplier": 4.0, "delta": 1e-5, "epsilon": 8.0}
    cost = round_cost(manifest(privacy=privacy), subjects=20)
    assert cost == Mechanism(noise=2.0, rate=1.0, uses=1)


def test_examples_cost_each_step_at_the_rate_of_the_draw() -> None:
    """4 of 20 subjects are expected in each of the 4 steps of the tiny study."""
    privacy = {"level": "example", "clip_norm": 1.0, "noise_multiplier": 4.0, "delta": 1e-5, "epsilon": 8.0}
    cost = round_cost(manifest(privacy=privacy), subjects=20)
    assert cost == Mechanism(noise=4.0, rate=0.2, uses=4)


def test_study_without_privacy_has_no_cost() -> None:
    """Asking for it is a defect of the caller."""
    with pytest.raises(ValueError, match="no privacy"):
        round_cost(manifest(), subjects=20)


def test_small_site_is_not_sampled_at_all() -> None:
    """Fewer subjects than the batch: everyone in every step."""
    assert sampling_rate(batch=8, subjects=5) == 1.0
    assert sampling_rate(batch=8, subjects=0) == 1.0
    assert sampling_rate(batch=8, subjects=32) == 0.25
