"""The bound on a round's way is what it says: no sequence of gradients goes farther."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wire_examples import manifest

from myofed_schemas.step_bound import (
    BETAS,
    NOISE_SIGMAS,
    Reach,
    highest_rate,
    largest_step,
    reach_of_local,
    reach_of_round,
    reach_of_rounds,
    reach_of_update,
)
from myofed_schemas.study import StudyManifest

ADAM = {"server_rate": 0.1, "beta_1": 0.9, "beta_2": 0.99, "tau": 0.01}
PRIVACY = {"level": "update", "clip_norm": 0.5, "noise_multiplier": 2.0, "delta": 1e-5, "epsilon": 8.0}


def study(rates: dict[str, object] | None = None, **changes: object) -> StudyManifest:
    training = {**manifest().training.model_dump(), "learning_rate": 0.01, "learning_rate_end": 0.001, **(rates or {})}
    return manifest(training=training, **changes)


def adam_steps(gradients: list[float]) -> list[float]:
    """m^ / sqrt(v^) after each gradient (Kingma 2015, Alg. 1)."""
    first, second, steps = 0.0, 0.0, []
    for t, gradient in enumerate(gradients, start=1):
        first = BETAS[0] * first + (1 - BETAS[0]) * gradient
        second = BETAS[1] * second + (1 - BETAS[1]) * gradient**2
        mean = second / (1 - BETAS[1] ** t)
        steps.append(first / (1 - BETAS[0] ** t) / math.sqrt(mean) if mean > 0 else 0.0)
    return steps


@given(st.lists(st.floats(-1e3, 1e3, allow_subnormal=False).filter(lambda g: g == 0 or abs(g) > 1e-6), max_size=40))
def test_no_gradients_step_farther_than_the_bound(gradients: list[float]) -> None:
    """Whatever they are."""
    for t, step in enumerate(adam_steps(gradients), start=1):
        assert abs(step) <= largest_step(t) * (1 + 1e-9)


@pytest.mark.parametrize("t", [1, 2, 5, 30, 300])
def test_bound_is_reached(t: int) -> None:
    """By gradients that grow as b1/b2 says: equality in Cauchy-Schwarz; it cannot be made smaller."""
    growth = BETAS[1] / BETAS[0]
    gradients = [growth**k for k in range(t)]
    assert adam_steps(gradients)[-1] == pytest.approx(largest_step(t), rel=1e-6)


def test_rate_of_a_round_is_that_of_its_fastest_step() -> None:
    """Falling or rising over the run, or constant; a warm-up only slows down."""
    assert highest_rate(study(), round_number=1) == pytest.approx(0.01)
    assert highest_rate(study(), round_number=10) < 0.0013
    rising = study({"learning_rate": 0.001, "learning_rate_end": 0.01})
    assert highest_rate(rising, round_number=10) == pytest.approx(0.01)
    constant = study(schedule={"learning_rate": "constant"})
    assert highest_rate(constant, round_number=10) == 0.01
    warm = study(schedule={"warmup_rounds": 3})
    assert highest_rate(warm, round_number=4) == highest_rate(study(), round_number=4)


def test_decay_pulls_towards_zero_and_never_past_it() -> None:
    """(1 - rate x decay) to the power of the steps, and all of it where both are 1."""
    assert reach_of_update(study({"weight_decay": 0.0}), round_number=1).decay == 0
    some = reach_of_update(study({"weight_decay": 0.1, "local_steps": 20}), round_number=1)
    assert some.decay == pytest.approx(1 - (1 - 0.001) ** 20)
    assert reach_of_update(study({"weight_decay": 1, "learning_rate": 1}), round_number=1).decay == 1


def test_noise_of_the_study_is_allowed_for() -> None:
    """Where whole updates are noised; noise on gradients changes no bound."""
    plain = reach_of_update(study(), round_number=1)
    noised = reach_of_update(study(privacy=PRIVACY), round_number=1)
    assert noised.travel == pytest.approx(plain.travel + NOISE_SIGMAS * 1.0)
    assert reach_of_update(study(privacy=PRIVACY | {"level": "example"}), round_number=1) == plain


def test_rounds_one_after_the_other_reach_farther() -> None:
    """A weight that moved decays by more; no round at all moves nothing."""
    one, two = Reach(0.1, 1.0, 5.0), Reach(0.2, 2.0, 5.0)
    both = one.then(two)
    assert (both.decay, both.travel, both.cap) == (pytest.approx(0.1 + 0.2 * 1.1), pytest.approx(3.2), 10.0)
    assert reach_of_rounds(study(), first=3, last=2) == Reach()
    assert reach_of_rounds(study(), first=2, last=3).travel == pytest.approx(
        sum(reach_of_round(study(), round_number=number).travel for number in (2, 3))
    )


@pytest.mark.parametrize(
    ("betas", "capped"), [((0.9, 0.99), True), ((0.0, 0.0), True), ((0.9, 0.0), False), ((0.0, 0.9), True)]
)
def test_adaptive_coordinator_has_a_rate_of_its_own(betas: tuple[float, float], capped: bool) -> None:
    """Its step is bounded by its moments and by the mean update over tau."""
    options = ADAM | {"beta_1": betas[0], "beta_2": betas[1]}
    reach = reach_of_round(study(strategy="fedadam", strategy_options=options), round_number=3)
    update = reach_of_update(study(), round_number=1)
    assert reach.travel == pytest.approx(0.1 * update.travel / 0.01)
    assert math.isfinite(reach.cap) is capped


def test_adaptive_coordinator_remembers_the_fastest_round() -> None:
    """Also where the rate rises over the run: its moments hold earlier updates and later ones."""
    rising = {"learning_rate": 0.001, "learning_rate_end": 0.01}
    reach = reach_of_round(study(rising, strategy="fedadam", strategy_options=ADAM), round_number=1)
    assert reach.travel == pytest.approx(0.1 * reach_of_update(study(rising), round_number=10).travel / 0.01)


def test_slow_round_leaves_room_for_what_8_bits_carry_from_a_fast_one() -> None:
    """A site that is asked seldom carries half a 127th of its first, large step into the last round's small one."""
    rates = {"learning_rate_end": 0.0, "local_steps": 10}
    plain = study(rates, rounds=60)
    eight = study(rates, rounds=60, transport={"by": "message", "encoding": "delta-int8"})
    first, last = reach_of_update(plain, round_number=1).travel, reach_of_update(plain, round_number=60).travel
    assert first / 254 > 5 * last
    assert reach_of_update(eight, round_number=60).travel == pytest.approx(last + first / 127)
    assert reach_of_update(eight, round_number=1) == reach_of_update(plain, round_number=1)


def test_moments_without_a_bound_have_none() -> None:
    """b1^2 far above b2: the sum grows past every float, and the reach is infinite, which is no error."""
    options = {"server_rate": 0.1, "beta_1": 0.9, "beta_2": 0.1, "tau": 0.01}
    many = study(rounds=600, strategy="fedadam", strategy_options=options)
    assert reach_of_round(many, round_number=600).cap == math.inf
    assert math.isfinite(reach_of_round(many, round_number=2).cap)


def test_tensor_that_stays_at_a_site_makes_every_rounds_steps() -> None:
    """Also where the coordinator's own rate is another: no FedAdam moves it."""
    plain = study({"learning_rate_end": 0.01, "weight_decay": 0.0}, rounds=5)
    once = reach_of_update(plain, round_number=1)
    assert reach_of_local(plain, round_number=1) == Reach(once.decay, once.travel, once.cap)
    assert reach_of_local(plain, round_number=3).travel == pytest.approx(3 * once.travel)
    adam = study({"learning_rate_end": 0.01, "weight_decay": 0.0}, rounds=5, strategy="fedadam", strategy_options=ADAM)
    assert reach_of_local(adam, round_number=3) == reach_of_local(plain, round_number=3)
