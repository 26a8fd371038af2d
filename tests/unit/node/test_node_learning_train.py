"""Training is bounded, deterministic, follows the schedule and learns."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from learning_factories import initial, manifest, set_site, stripes
from safetensors.torch import load

from myofed_node.learning.subjects import Slices
from myofed_node.learning.train import Steps, TrainingData, train
from myofed_schemas.errors import MyofedError
from myofed_schemas.federation import mean_dice

CPU = torch.device("cpu")
DATA = TrainingData([stripes(seed=1), stripes(seed=2)], [stripes(seed=3)])


def run(*, first: int = 0, count: int = 3, **changes: object) -> tuple[bytes, object]:
    study = manifest(**changes)
    return train(initial(), DATA, manifest=study, steps=Steps(first, count, 12), device=CPU)


def test_foreign_weights_are_not_trained() -> None:
    """The refusal comes before the first step."""
    with pytest.raises(MyofedError) as refusal:
        train(b"x" * 20, DATA, manifest=manifest(), steps=Steps(0, 1, 1), device=CPU)
    assert refusal.value.code == "WEIGHTS_FORMAT"


def test_no_training_subject_is_refused() -> None:
    """An update from nobody is no update."""
    with pytest.raises(MyofedError) as refusal:
        train(initial(), TrainingData([]), manifest=manifest(), steps=Steps(0, 1, 1), device=CPU)
    assert refusal.value.code == "NO_TRAINING_SUBJECTS"


def test_diverging_training_is_refused() -> None:
    """A loss that is not finite ends the task with a code; such weights never leave."""
    poison = stripes()
    poison.images[:] = float("nan")
    with pytest.raises(MyofedError) as refusal:
        train(initial(), TrainingData([poison]), manifest=manifest(), steps=Steps(0, 2, 2), device=CPU)
    assert refusal.value.code == "LOSS_NOT_FINITE"


def test_loss_of_too_few_subjects_is_not_told() -> None:
    """A study of one step on one slice would read one person's loss each round; the weights are the same."""
    study = manifest(training={"batch_size": 1})
    few = TrainingData(DATA.train, DATA.validation, least=2)
    told = {
        least: train(initial(), replace(DATA, least=least), manifest=study, steps=Steps(0, 1, 1), device=CPU)
        for least in (1, 2)
    }
    assert told[1][1].loss > 0
    assert told[2][1].loss == 0.0
    assert told[2][0] == told[1][0]
    _, enough = train(initial(), few, manifest=study, steps=Steps(0, 20, 20), device=CPU)
    assert enough.loss > 0


def test_task_stops_at_the_next_step_when_asked() -> None:
    """A caller that is gone does not keep the machine busy."""
    asked = []

    def stop() -> bool:
        asked.append(1)
        return len(asked) > 2

    with pytest.raises(MyofedError) as refusal:
        train(initial(), DATA, manifest=manifest(), steps=Steps(0, 500, 500), device=CPU, stop=stop)
    assert refusal.value.code == "TASK_ABANDONED"
    assert len(asked) == 3


def test_same_inputs_give_the_same_bytes() -> None:
    """One CPU thread, one seed: bit for bit."""
    torch.set_num_threads(1)
    assert run() == run()


def test_seed_and_round_change_the_draws() -> None:
    """Rounds do not repeat each other's batches, and another seed is another run."""
    weights = {run()[0], run(first=4)[0], run(training={"seed": 4})[0]}
    assert len(weights) == 3


def test_loss_falls_and_dice_rises_on_a_toy_case() -> None:
    """Sixty steps on stripes: an easy task is learnt."""
    study = manifest(rounds=15)
    weights, early = train(initial(), DATA, manifest=study, steps=Steps(0, 60, 60), device=CPU)
    _, late = train(weights, DATA, manifest=study, steps=Steps(59, 1, 60), device=CPU)
    assert late.loss < 0.75 * early.loss
    assert mean_dice(early.scores) < 0.5
    assert mean_dice(late.scores) > 0.85


def test_metrics_say_a_bucket_and_the_incoming_models_dice() -> None:
    """Two subjects are the bucket 2; the scores are of the model that came in, so they do not depend on the steps."""
    study = manifest()
    one = train(initial(), DATA, manifest=study, steps=Steps(0, 1, 12), device=CPU)[1]
    two = train(initial(), DATA, manifest=study, steps=Steps(0, 2, 12), device=CPU)[1]
    assert one.examples == 2
    assert (one.steps, two.steps) == (1, 2)
    assert one.scores == two.scores != ()
    assert {s.subjects for s in one.scores} == {1}


def test_proximal_term_keeps_the_weights_near_those_that_came_in() -> None:
    """FedProx: the heavier the term, the shorter the way; a model of one site has no such term."""
    start = load(initial())

    def way(mu: float | None, *, alone: bool = False) -> float:
        options = {"strategy": "fedprox", "strategy_options": {"proximal_mu": mu}} if mu else {}
        steps = Steps(0, 6, 12, alone=alone)
        trained = load(train(initial(), DATA, manifest=manifest(**options), steps=steps, device=CPU)[0])
        return sum(float(((trained[n] - start[n]) ** 2).sum()) for n in start)

    assert way(10.0) < way(1.0) < way(None)
    assert way(10.0, alone=True) == way(None)


def test_site_that_draws_a_set_trains_single_muscles_and_is_scored_on_the_set() -> None:
    """Its targets are sets; its scores say nothing of a member, and say the set's Dice."""
    labels, study = set_site()
    both = [Slices(s.images, (s.classes > 0).long()) for s in (stripes(seed=1), stripes(seed=2))]
    data = TrainingData(both, both, labels)
    _, early = train(initial(), data, manifest=study, steps=Steps(0, 30, 30), device=CPU)
    assert [s.subjects for s in early.scores] == [0, 0]
    assert [(s.structure, s.subjects) for s in early.group_scores] == [("biceps femoris", 2)]
    weights, _ = train(initial(), data, manifest=study, steps=Steps(0, 30, 30), device=CPU)
    _, late = train(weights, data, manifest=study, steps=Steps(0, 1, 30), device=CPU)
    assert late.group_scores[0].dice_sum > early.group_scores[0].dice_sum + 0.5
