"""Inversion of one update by gradient matching (Geiping 2020), for several steps at a point between the weights (Zhu 2023).

The attacker knows the weights before and after, the settings, the scanner's population and, more than a coordinator ever
would, the label maps of the slices. A gain over what the population alone gives is what the update gave away.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch.nn.functional import cosine_similarity

from bench.privacy.priors import Population, mean_images, painted
from bench.privacy.similarity import ssim
from myofed_node.learning.loss import dice_cross_entropy
from myofed_node.learning.models import build
from myofed_schemas.study import Architecture

RESTARTS = 5
RATE = 0.05
TOTAL_VARIATION = 1e-3
RANGE = (-5.0, 5.0)
"""Of a z-scored slice (docs/learning.md)."""
SILENT = ".conv.bias"
"""A bias before instance norm has no gradient: what moves it is rounding."""


@dataclass(frozen=True)
class Target:
    """What is attacked.

    Attributes:
        architecture: The network.
        before: Weights that went out.
        direction: By tensor: an estimate of the gradient's direction (its sign after one AdamW step, minus the update else).
        images: (n, 1, h, w), the truth; only the score sees it.
        classes: (n, h, w), given to the attacker.
        after: Weights that came back, where the gradient is matched between both; None matches at `before`.
    """

    architecture: Architecture
    before: Mapping[str, torch.Tensor]
    direction: Mapping[str, torch.Tensor]
    images: torch.Tensor
    classes: torch.Tensor
    after: Mapping[str, torch.Tensor] | None = None


@dataclass(frozen=True)
class Scores:
    """SSIM inside the body of each attacked slice: best of the attacker's pictures, best of the priors; (n,) each."""

    attack: torch.Tensor
    prior: torch.Tensor

    @property
    def gain(self) -> torch.Tensor:
        """What the update added."""
        return self.attack - self.prior


def update_direction(before: Mapping[str, torch.Tensor], after: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Minus the update, by tensor."""
    return {name: before[name] - after[name] for name in before}


def invert(target: Target, known: Population, *, iterations: int, seed: int) -> Scores:
    """The best of RESTARTS starts, chosen slice by slice by an oracle in the attacker's favour.

    Starts: the population's picture of these label maps, the mean image, and noise.
    """
    generator = torch.Generator().manual_seed(seed)
    guesses = priors_of(target, known)
    best_prior = torch.stack([ssim(g, target.images) for g in guesses]).amax(0)
    noise = [torch.randn(target.images.shape, generator=generator) for _ in range(RESTARTS - 2)]
    starts = [guesses[-1], guesses[0], *noise]
    found = [ssim(_matched(target, start, iterations), target.images) for start in starts]
    return Scores(torch.stack(found).amax(0), best_prior)


def priors_of(target: Target, known: Population) -> list[torch.Tensor]:
    """The guesses without an update, each of the shape of the attacked slices; the one of the label maps is last."""
    shape = target.images.shape
    return [m.expand(shape).clone() for m in mean_images(known)] + [painted(known, target.classes)]


def _matched(target: Target, start: torch.Tensor, iterations: int) -> torch.Tensor:
    network = build(target.architecture)
    names = [n for n in target.direction if not n.endswith(SILENT) or n == "model.2.conv.bias"]
    wanted = [target.direction[n].flatten() for n in names]
    pictures = start.clone().requires_grad_(True)
    between = torch.zeros((), requires_grad=True)
    optimiser = torch.optim.Adam([pictures, between], lr=RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, iterations)
    at = _point(target, between)
    for _ in range(iterations):
        optimiser.zero_grad()
        weights = at()
        logits = torch.func.functional_call(network, weights, (pictures,))
        loss = dice_cross_entropy(logits, target.classes)
        gradients = torch.autograd.grad(loss, [weights[n] for n in names], create_graph=True)
        apart = [1 - cosine_similarity(g.flatten(), w, dim=0) for g, w in zip(gradients, wanted, strict=True)]
        (torch.stack(apart).mean() + TOTAL_VARIATION * _variation(pictures)).backward()
        optimiser.step()
        schedule.step()
        with torch.no_grad():
            pictures.clamp_(*RANGE)
    return pictures.detach()


def _point(target: Target, between: torch.Tensor) -> Callable[[], dict[str, torch.Tensor]]:
    """Weights at which the gradient is matched: the old ones, or a learned point on the way to the new ones."""
    if target.after is None:
        fixed = {name: tensor.clone().requires_grad_(True) for name, tensor in target.before.items()}
        return lambda: fixed
    after = target.after

    def on_the_way() -> dict[str, torch.Tensor]:
        share = torch.sigmoid(between)
        return {n: torch.lerp(b, after[n], share) for n, b in target.before.items()}

    return on_the_way


def _variation(pictures: torch.Tensor) -> torch.Tensor:
    return (pictures.diff(dim=2).abs().mean() + pictures.diff(dim=3).abs().mean()) / 2
