"""Evaluation gives aggregates and leaves the network as it was."""

from __future__ import annotations

import torch
from learning_factories import MUSCLES, stripes

from myofed_node.learning.evaluate import evaluate, predicted_classes


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
