"""One AdamW step gives the gradient away, size and all, although its update is the gradient's sign.

The first step moves a weight by the rate times g / (|g| + eps) (Loshchilov 2019; both moments are the gradient's own). How far
that is from one says how large g is, and weights in float32 are fine enough to tell.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch

from bench.privacy.phantoms import ARCHITECTURE
from myofed_node.learning.loss import dice_cross_entropy
from myofed_node.learning.models import build
from myofed_node.learning.train import BETAS
from myofed_schemas.study import Training

EPS = 1e-8
"""Of torch.optim.AdamW, which the product leaves as it is."""
FINEST = 2e-7
"""What the arithmetic of the step itself rounds away, as a share of the rate."""


def after_one_step(
    before: Mapping[str, torch.Tensor], images: torch.Tensor, classes: torch.Tensor, *, training: Training
) -> dict[str, torch.Tensor]:
    """The weights after a site's first step on exactly this batch."""
    network = build(ARCHITECTURE)
    network.load_state_dict(dict(before))
    optimiser = torch.optim.AdamW(
        network.parameters(), lr=training.learning_rate, betas=BETAS, weight_decay=training.weight_decay
    )
    dice_cross_entropy(network(images), classes).backward()  # type: ignore[no-untyped-call]
    optimiser.step()
    return {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}


def gradient_of_step(
    before: Mapping[str, torch.Tensor], after: Mapping[str, torch.Tensor], *, training: Training
) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """The gradient by tensor, and how far each of its numbers can be trusted, 0 to 1.

    A large gradient on a large weight is lost in rounding: its distance from one is below what float32 resolves.
    """
    gradient, confidence = {}, {}
    rate = training.learning_rate
    for name, old in before.items():
        moved = (old.double() * (1 - rate * training.weight_decay) - after[name].double()) / rate
        short = (1 - moved.abs()).clamp_min(0)
        spacing = torch.from_numpy(np.spacing(np.abs(old.numpy()))).double() / rate
        resolved = spacing.clamp_min(FINEST)
        gradient[name] = (EPS * moved / torch.maximum(short, resolved / 2)).float()
        confidence[name] = (1 / (1 + (resolved / short.clamp_min(1e-12)) ** 2)).float()
    return gradient, confidence
