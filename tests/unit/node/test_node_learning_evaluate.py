"""Evaluation gives aggregates and leaves the network as it was."""

from __future__ import annotations

import pytest
import torch
from learning_factories import MUSCLES, set_site, stripes

from myofed_node.learning.evaluate import evaluate, evaluate_sets, predicted_classes
from myofed_node.learning.labels import label_space, sets_of_study
from myofed_node.learning.subjects import Slices
from myofed_schemas.errors import MyofedError


class Oracle(torch.nn.Module):
    """Says class 1 where bright, class 2 where dark, as `stripes` draws them."""

    def __init__(self) -> None:
        super().__init__()
        self.anchor = torch.nn.Parameter(torch.zeros(1))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return torch.cat([torch.ones_like(images), images, -images], dim=1)


def test_perfect_network_scores_one_per_subject() -> None:
    """Dice 1 for each muscle and subject, summed."""
    scores = evaluate(Oracle(), [stripes(20, seed=1), stripes(3, seed=2)], muscles=MUSCLES)
    assert [(s.muscle, s.subjects) for s in scores] == [("VL", 2), ("GR", 2)]
    assert all(s.dice_sum > 1.999 for s in scores)


def test_mode_of_the_network_is_restored() -> None:
    """A network in training is in training again afterwards, also when it fails."""
    network = Oracle().train()
    predicted_classes(network, stripes().images)
    assert network.training


def test_batches_do_not_change_the_answer() -> None:
    """Forty slices are predicted as one by one."""
    images = stripes(40).images
    together = predicted_classes(Oracle(), images)
    assert torch.equal(together, torch.cat([predicted_classes(Oracle(), image[None]) for image in images]))


@pytest.mark.parametrize(("asked", "largest"), [(3, 3), (64, 16)])
def test_evaluation_takes_no_larger_batch_than_the_study_has(asked: int, largest: int) -> None:
    """Else it would need more memory than the step that the site's policy allowed."""
    seen: list[int] = []
    network = Oracle()
    network.register_forward_pre_hook(lambda _, given: seen.append(len(given[0])))
    evaluate_sets(network, [stripes(20)], space=label_space(MUSCLES), sets={}, batch=asked)
    assert max(seen) == largest
    assert sum(seen) == 20


def test_site_that_draws_a_set_is_scored_on_the_set_alone() -> None:
    """Both classes are the set: a right split and a wrong one score the same, and no member has a score."""
    labels, study = set_site()
    space, sets = label_space(study.muscles, labels), sets_of_study(study)
    slices = stripes(4)
    subject = Slices(slices.images, (slices.classes > 0).long())
    for image_sign in (1, -1):
        turned = Slices(image_sign * subject.images, subject.classes)
        muscles, groups = evaluate_sets(Oracle(), [turned], space=space, sets=sets)
        assert [(s.dice_sum, s.subjects) for s in muscles] == [(0.0, 0), (0.0, 0)]
        assert [(g.structure, g.subjects) for g in groups] == [("biceps femoris", 1)]
        assert groups[0].dice_sum == pytest.approx(1.0, abs=0.01)


def test_site_that_draws_every_muscle_is_scored_at_both_levels() -> None:
    """The same subjects, muscle by muscle and as the set that another site draws."""
    _, study = set_site()
    muscles, groups = evaluate_sets(Oracle(), [stripes(4)], space=label_space(study.muscles), sets=sets_of_study(study))
    assert [s.subjects for s in muscles] == [1, 1]
    assert [g.subjects for g in groups] == [1]
    assert evaluate(Oracle(), [stripes(4)], muscles=study.muscles) == muscles


def test_evaluation_that_nobody_waits_for_ends_at_the_next_subject() -> None:
    """The worker has one task at a time."""
    answers = [False, True]
    with pytest.raises(MyofedError) as caught:
        evaluate_sets(Oracle(), [stripes(4)] * 3, space=label_space(MUSCLES), sets={}, stop=lambda: answers.pop(0))
    assert (caught.value.code, answers) == ("TASK_ABANDONED", [])
