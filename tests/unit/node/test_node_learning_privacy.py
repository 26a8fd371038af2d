"""The update is clipped, noised from the system's random source, and carries nothing else out."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from learning_factories import initial, manifest, stripes

from myofed_node.learning.privacy import drawn, gaussian, protected_update
from myofed_node.learning.train import Steps, TrainingData, train
from myofed_node.learning.weights import check
from myofed_schemas.errors import MyofedError
from myofed_schemas.study_options import Privacy

PRIVACY = Privacy(level="update", clip_norm=2.0, noise_multiplier=0.5, delta=1e-5, epsilon=100.0)
COUNT = 20_000


def seeded(seed: int) -> object:
    """A random source that repeats, for the tests alone."""
    return np.random.default_rng(seed).bytes


def states(size: float, count: int = COUNT) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """Incoming and trained weights whose difference has this norm."""
    incoming = {"a.weight": torch.zeros(count // 2), "b.weight": torch.ones(count // 2)}
    step = size / count**0.5
    return incoming, {name: tensor + step for name, tensor in incoming.items()}


def moved(incoming: dict[str, torch.Tensor], released: dict[str, torch.Tensor]) -> torch.Tensor:
    return torch.cat([(released[n] - incoming[n]).flatten().double() for n in sorted(incoming)])


def test_update_that_is_not_finite_never_leaves() -> None:
    """A clip by infinity would be zero and hide the defect."""
    for poison in (float("nan"), float("inf")):
        incoming, trained = states(1.0)
        trained["a.weight"][3] = poison
        with pytest.raises(MyofedError) as caught:
            protected_update(incoming, trained, privacy=PRIVACY)
        assert caught.value.code == "UPDATE_NOT_FINITE"


def test_large_update_is_cut_to_the_norm_before_the_noise() -> None:
    """Noise of half the norm: what is left beside it has the length of `clip_norm`, over all tensors together."""
    incoming, trained = states(50.0)
    found = moved(incoming, protected_update(incoming, trained, privacy=PRIVACY, random_bytes=seeded(1)))
    nothing = moved(incoming, protected_update(incoming, incoming, privacy=PRIVACY, random_bytes=seeded(1)))
    assert float((found - nothing).norm()) == pytest.approx(PRIVACY.clip_norm, rel=1e-3)


def test_small_update_is_not_stretched() -> None:
    """Clipping is an upper bound."""
    incoming, trained = states(0.5)
    found = moved(incoming, protected_update(incoming, trained, privacy=PRIVACY, random_bytes=seeded(1)))
    nothing = moved(incoming, protected_update(incoming, incoming, privacy=PRIVACY, random_bytes=seeded(1)))
    assert float((found - nothing).norm()) == pytest.approx(0.5, rel=1e-3)


def test_zero_update_is_noised_and_divides_by_nothing() -> None:
    """A site whose training changed nothing says as little as any other."""
    incoming, _ = states(0.0)
    found = moved(incoming, protected_update(incoming, incoming, privacy=PRIVACY))
    assert bool(torch.isfinite(found).all())
    assert float(found.std()) == pytest.approx(PRIVACY.noise_multiplier * PRIVACY.clip_norm, rel=0.05)


def test_noise_is_new_each_time() -> None:
    """The manifest's seed, which everybody knows, has no part in it."""
    incoming, trained = states(1.0, count=100)
    once, again = (protected_update(incoming, trained, privacy=PRIVACY) for _ in range(2))
    assert not torch.equal(once["a.weight"], again["a.weight"])


def test_counters_go_back_as_they_came_and_variances_stay_possible() -> None:
    """Batch norm's count of batches tells how much data there was; a negative variance would break the next site."""
    incoming = {"n.num_batches_tracked": torch.tensor(7), "n.running_var": torch.full((1000,), 0.01)}
    trained = {"n.num_batches_tracked": torch.tensor(99), "n.running_var": torch.full((1000,), 0.02)}
    released = protected_update(incoming, trained, privacy=PRIVACY)
    assert int(released["n.num_batches_tracked"]) == 7
    assert float(released["n.running_var"].min()) >= 0.0
    assert {n: t.dtype for n, t in released.items()} == {n: t.dtype for n, t in incoming.items()}


def test_gaussian_numbers_are_normal_and_independent_of_the_chunk() -> None:
    """Mean, spread, and shares within one and two standard deviations (68.3 %, 95.4 %)."""
    numbers = gaussian(300_001, deviation=3.0, random_bytes=seeded(5)) / 3.0
    assert len(numbers) == 300_001
    assert abs(numbers.mean()) < 0.01
    assert numbers.std() == pytest.approx(1.0, abs=0.01)
    assert (np.abs(numbers) < 1).mean() == pytest.approx(0.6827, abs=0.005)
    assert (np.abs(numbers) < 2).mean() == pytest.approx(0.9545, abs=0.005)


def test_each_is_drawn_by_its_own_coin() -> None:
    """Nobody at a rate of (almost) none, everybody at 1, the rate's share between."""
    assert len(drawn(1000, rate=1.0)) == 1000
    assert len(drawn(1000, rate=1e-12)) == 0
    assert len(drawn(100_000, rate=0.3, random_bytes=seeded(2))) == pytest.approx(30_000, rel=0.02)


def test_round_of_a_private_study_leaves_noised_and_without_its_loss() -> None:
    """One batch of one subject, clipped and noised; the loss is a number of the training data that no noise covers."""
    study = manifest(privacy=PRIVACY.model_dump())
    weights, metrics = train(
        initial(), TrainingData([stripes(count=1)]), manifest=study, steps=Steps(0, 1, 12), device=torch.device("cpu")
    )
    before, after = check(initial(), study.state_dict), check(weights, study.state_dict)
    noise = torch.cat([(after[n] - before[n]).flatten() for n in before if before[n].is_floating_point()])
    assert float(noise.std()) == pytest.approx(1.0, rel=0.2)
    assert metrics.loss == 0.0


def test_model_of_one_site_is_trained_without_noise() -> None:
    """It stays at the site."""
    study = manifest(privacy=PRIVACY.model_dump())
    steps = Steps(0, 2, 12, alone=True)
    once, again = (
        train(initial(), TrainingData([stripes()]), manifest=study, steps=steps, device=torch.device("cpu"))
        for _ in range(2)
    )
    assert once[0] == again[0]
    assert once[1].loss > 0
