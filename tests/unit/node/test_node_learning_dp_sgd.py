"""DP-SGD by subject: one clipped gradient a person, noise in every step, no network that mixes people."""

from __future__ import annotations

import pytest
import torch
from learning_factories import architecture, initial, manifest, stripes

from myofed_node.learning import train as training
from myofed_node.learning.dp_sgd import check_network, noised_mean, private_steps
from myofed_node.learning.models import build, state_dict_spec
from myofed_node.learning.objective import objective_of_round
from myofed_node.learning.train import Steps, TrainingData, train
from myofed_node.learning.weights import check
from myofed_schemas.errors import MyofedError
from myofed_schemas.study_options import Privacy

CPU = torch.device("cpu")


def privacy(**changes: float) -> dict[str, object]:
    return {
        "level": "example",
        "clip_norm": 1.0,
        "noise_multiplier": 1e-6,
        "delta": 1e-5,
        "epsilon": 1e5,
    } | changes


def test_network_with_batch_norm_is_refused() -> None:
    """Its gradient of one subject holds the others'."""
    with pytest.raises(MyofedError) as caught:
        check_network(build(architecture(norm="batch")))
    assert caught.value.code == "PRIVACY_NETWORK"
    check_network(build(architecture()))


def test_round_with_batch_norm_is_refused_before_a_step() -> None:
    """Also where the site's policy has not looked."""
    batch = architecture(norm="batch")
    study = manifest(architecture=batch, state_dict=state_dict_spec(batch), privacy=privacy())
    network = build(batch)
    before = {n: t.clone() for n, t in network.state_dict().items()}
    objective = objective_of_round(network, study, None)
    with pytest.raises(MyofedError) as caught:
        private_steps(objective, [stripes()], manifest=study, steps=Steps(0, 1, 1), rate=1.0, stop=lambda: False)
    assert caught.value.code == "PRIVACY_NETWORK"
    assert all(torch.equal(before[n], t) for n, t in network.state_dict().items())


def test_study_without_privacy_is_a_defect_of_the_caller() -> None:
    """There would be no bound."""
    objective = objective_of_round(build(architecture()), manifest(), None)
    with pytest.raises(ValueError, match="no privacy"):
        private_steps(objective, [], manifest=manifest(), steps=Steps(0, 1, 1), rate=1.0, stop=lambda: False)


def test_subject_with_a_broken_image_ends_the_task() -> None:
    """A gradient of nan would pass the clip as nan."""
    poison = stripes()
    poison.images[:] = float("nan")
    with pytest.raises(MyofedError) as caught:
        train(initial(), TrainingData([poison]), manifest=manifest(privacy=privacy()), steps=Steps(0, 1, 1), device=CPU)
    assert caught.value.code == "LOSS_NOT_FINITE"


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_gradient_that_no_clip_bounds_ends_the_task(bad: float) -> None:
    """It may come with a finite loss; added to the sum it would show that this subject was drawn."""
    network = build(architecture())
    gradient = [torch.zeros_like(p) for p in network.parameters()]
    gradient[0].flatten()[0] = bad
    with pytest.raises(MyofedError) as caught:
        noised_mean([gradient], network, privacy=Privacy.model_validate(privacy()), expected=1)
    assert caught.value.code == "UPDATE_NOT_FINITE"


def test_task_stops_at_the_next_step_when_asked() -> None:
    """As without privacy."""
    study = manifest(privacy=privacy())
    with pytest.raises(MyofedError) as caught:
        train(initial(), TrainingData([stripes()]), manifest=study, steps=Steps(0, 9, 9), device=CPU, stop=lambda: True)
    assert caught.value.code == "TASK_ABANDONED"


def test_no_subject_has_more_than_the_norm_and_the_divisor_is_not_the_number_drawn() -> None:
    """Two huge gradients and one of zero, with no noise to speak of: at most two norms over the expected three."""
    network = build(architecture())
    parameters = list(network.parameters())
    huge = [torch.full_like(p, 1e6) for p in parameters]
    zero = [torch.zeros_like(p) for p in parameters]
    found = noised_mean([huge, zero, huge], network, privacy=Privacy.model_validate(privacy()), expected=3)
    norm = sum(float(g.square().sum()) for g in found) ** 0.5
    assert norm == pytest.approx(2.0 / 3.0, rel=1e-3)


def test_step_that_drew_nobody_is_noise() -> None:
    """Otherwise an empty step would show."""
    network = build(architecture())
    found = noised_mean([], network, privacy=Privacy.model_validate(privacy(noise_multiplier=2.0)), expected=4)
    numbers = torch.cat([g.flatten() for g in found])
    assert float(numbers.std()) == pytest.approx(0.5, rel=0.15)


def test_it_learns_where_the_noise_is_small() -> None:
    """Twenty steps on two subjects lower the loss of the tiny study, without a word about it leaving."""
    study = manifest(privacy=privacy(clip_norm=10.0), training={"augmentation": "none"})
    data = TrainingData([stripes(seed=1), stripes(seed=2)], [stripes(seed=3)])
    weights, metrics = train(initial(), data, manifest=study, steps=Steps(0, 40, 40), device=CPU)
    _, after = train(weights, data, manifest=study, steps=Steps(0, 1, 40), device=CPU)
    first = sum(score.dice_sum for score in metrics.scores)
    assert sum(score.dice_sum for score in after.scores) > first + 0.2
    assert metrics.loss == after.loss == 0.0
    assert check(weights, study.state_dict)


def test_subject_that_could_not_be_read_does_not_raise_the_others_chance(monkeypatch: pytest.MonkeyPatch) -> None:
    """The ledger counts on the split of the approval: 4 of 16, whoever of them is left."""
    rates: list[float] = []
    monkeypatch.setattr(training, "private_steps", lambda *_, rate, **__: rates.append(rate))
    for split in (16, 0):
        data = TrainingData([stripes(seed=seed) for seed in range(8)], split=split)
        train(initial(), data, manifest=manifest(privacy=privacy()), steps=Steps(0, 1, 1), device=CPU)
    assert rates == [0.25, 0.5]
