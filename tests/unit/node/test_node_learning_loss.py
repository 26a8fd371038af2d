"""The loss against cases worked out by hand."""

from __future__ import annotations

import math

import pytest
import torch

from myofed_node.learning.loss import dice_cross_entropy


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
