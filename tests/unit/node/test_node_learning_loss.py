"""The loss against cases worked out by hand."""

from __future__ import annotations

import math

import pytest
import torch

from myofed_node.learning.labels import label_space
from myofed_node.learning.loss import dice_cross_entropy, label_set_loss, proximal, split_divergence, target_logs
from myofed_schemas.study_options import SiteLabels


def test_perfect_prediction_costs_nothing() -> None:
    """Confident and right: both terms vanish."""
    classes = torch.tensor([[[0, 1], [2, 1]]])
    logits = torch.nn.functional.one_hot(classes, 3).movedim(-1, 1).float() * 50
    assert float(dice_cross_entropy(logits, classes)) == pytest.approx(0, abs=1e-4)


def test_uninformed_prediction_costs_the_analytic_value() -> None:
    """Four pixels, two classes, equal logits: ln 2 + 1 - 2 * 1 / (2 + 2) with two pixels of class 1."""
    classes = torch.tensor([[[0, 1], [0, 1]]])
    assert float(dice_cross_entropy(torch.zeros(1, 2, 2, 2), classes)) == pytest.approx(math.log(2) + 0.5, abs=1e-4)


def test_muscle_absent_from_the_batch_does_not_change_the_dice_term() -> None:
    """Equal logits over 2 or 3 classes differ only by what softmax gives the third one."""
    classes = torch.tensor([[[0, 1], [0, 1]]])
    logits = torch.zeros(1, 3, 2, 2)
    logits[:, 2] = -1e4
    assert float(dice_cross_entropy(logits, classes)) == pytest.approx(math.log(2) + 0.5, abs=1e-4)


def test_batch_of_pure_background_is_finite() -> None:
    """No division by nothing."""
    assert math.isfinite(float(dice_cross_entropy(torch.zeros(1, 3, 2, 2), torch.zeros(1, 2, 2, dtype=torch.long))))


QUADRICEPS = label_space(
    ("VL", "RF", "GR"), SiteLabels(site="hospital-a", structures=("VL", "GR"))
)  # RF is not drawn: 0 may be RF
SET = label_space(("BFL", "BFS", "GR"), SiteLabels(site="hospital-a", structures=("biceps femoris", "GR")))


def test_label_set_loss_is_the_plain_one_where_every_muscle_is_drawn() -> None:
    """The same number, to the bit."""
    logits, classes = torch.randn(2, 4, 6, 6), torch.randint(0, 4, (2, 6, 6))
    assert label_set_loss(logits, classes, space=label_space(("VL", "RF", "GR"))) == dice_cross_entropy(logits, classes)


def test_set_has_the_sum_of_its_members_probabilities() -> None:
    """Softmax of four equal logits: background and GR a quarter each, the set a half."""
    logs = torch.log_softmax(torch.zeros(1, 4, 1, 1), dim=1)
    assert target_logs(logs, SET).exp().flatten().tolist() == pytest.approx([0.25, 0.5, 0.25])


def test_how_a_set_is_split_costs_nothing() -> None:
    """Any split of the same sum has the same loss and a gradient that is the same for every member's share."""
    targets = torch.tensor([[[0, 1], [2, 1]]])
    even = torch.zeros(1, 4, 2, 2)
    uneven = even.clone()
    uneven[:, 1], uneven[:, 2] = math.log(1.5), math.log(0.5)
    assert float(label_set_loss(uneven, targets, space=SET)) == pytest.approx(
        float(label_set_loss(even, targets, space=SET)), abs=1e-6
    )


def test_undrawn_muscle_is_marginalised_and_not_background() -> None:
    """Where the site drew nothing, a prediction of a muscle that it never draws costs as little as background."""
    targets = torch.zeros(1, 2, 2, dtype=torch.long)
    background, undrawn, drawn = (torch.zeros(1, 4, 2, 2) for _ in range(3))
    background[:, 0] = undrawn[:, 2] = drawn[:, 1] = 30
    costs = [float(label_set_loss(x, targets, space=QUADRICEPS)) for x in (background, undrawn, drawn)]
    assert costs[:2] == pytest.approx([costs[0]] * 2, abs=1e-5)
    assert costs[2] > costs[0] + 20


def test_confident_and_wrong_still_has_a_gradient() -> None:
    """Sums of probabilities are made of logarithms: nothing underflows to a loss without a slope."""
    logits = torch.zeros(1, 4, 1, 1)
    logits[:, 0] = 200
    logits.requires_grad_()
    label_set_loss(logits, torch.ones(1, 1, 1, dtype=torch.long), space=SET).backward()
    assert float(logits.grad[0, 1]) < -0.4
    assert float(logits.grad[0, 2]) < -0.4


def test_split_divergence_is_the_analytic_one_inside_the_set_alone() -> None:
    """KL of (1/2, 1/2) from (3/4, 1/4); what happens outside the set, and to its sum, is not compared."""
    targets = torch.tensor([[[0, 1]]])
    teacher, own = torch.zeros(1, 4, 1, 2), torch.zeros(1, 4, 1, 2)
    own[:, 1] = math.log(3)
    expected = 0.5 * math.log(0.5 / 0.75) + 0.5 * math.log(0.5 / 0.25)
    assert float(split_divergence(own, teacher, targets, space=SET)) == pytest.approx(expected, abs=1e-6)
    own[:, 1:3] += 5.0
    own[:, 0], own[:, 3] = 7.0, -2.0
    assert float(split_divergence(own, teacher, targets, space=SET)) == pytest.approx(expected, abs=1e-5)
    assert float(split_divergence(own, teacher, torch.zeros_like(targets), space=SET)) == 0.0


def test_proximal_is_half_the_squared_distance() -> None:
    """Over all parameters together."""
    now, then = [torch.tensor([3.0]), torch.tensor([[1.0, 2.0]])], [torch.tensor([1.0]), torch.tensor([[1.0, 5.0]])]
    assert float(proximal(now, then)) == pytest.approx((4 + 9) / 2)
