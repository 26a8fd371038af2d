"""Inversion of one update by gradient matching (Geiping 2020), for several steps at a point between the weights (Zhu 2023).

The attacker knows the weights before and after, the settings, the scanner's population and, more than a coordinator ever
would, the label maps of the slices. A gain over what the population alone gives is what the update gave away.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch.nn.functional import cosine_similarity

from bench.privacy.kinks import attackable
from bench.privacy.priors import Population, mean_images, painted
from bench.privacy.similarity import ssim
from myofed_node.learning.loss import dice_cross_entropy
from myofed_schemas.study import Architecture

RESTARTS = 5
RATE = 0.05
MEMORY = (0.9, 0.99)
TOTAL_VARIATION = 2e-2
RANGE = (-5.0, 5.0)
"""Of a z-scored slice (docs/learning.md)."""


@dataclass(frozen=True)
class Target:
    """What is attacked.

    Attributes:
        architecture: The network.
        before: Weights that went out.
        direction: By tensor: the gradient, or where its size is lost something that points as it does.
        images: (n, 1, h, w), the truth; only the score sees it.
        classes: (n, h, w), given to the attacker.
        after: Weights that came back, where the gradient is matched between both; None matches at `before`.
        confidence: By tensor, 0 to 1 for each number: how far the attacker trusts it; None trusts all.
        sized: The direction has the gradient's size as well.
    """

    architecture: Architecture
    before: Mapping[str, torch.Tensor]
    direction: Mapping[str, torch.Tensor]
    images: torch.Tensor
    classes: torch.Tensor
    after: Mapping[str, torch.Tensor] | None = None
    confidence: Mapping[str, torch.Tensor] | None = None
    sized: bool = False


@dataclass(frozen=True)
class Effort:
    """Iterations of each start, and of the one start that matched best, from where it came to."""

    each: int
    best: int


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


def invert(target: Target, known: Population, *, effort: Effort, seed: int) -> Scores:
    """The best of RESTARTS starts, chosen slice by slice by an oracle in the attacker's favour.

    Starts: the mean image, the population's picture of these label maps, and noise. The one whose gradient comes nearest is
    gone on with, and what that gives is one more picture to choose from.
    """
    generator = torch.Generator().manual_seed(seed)
    guesses = priors_of(target, known)
    best_prior = torch.stack([ssim(g, target.images) for g in guesses]).amax(0)
    noise = [torch.randn(target.images.shape, generator=generator) for _ in range(RESTARTS - 2)]
    made = [matched(target, start, effort.each) for start in (guesses[0], guesses[-1], *noise)]
    nearest = min(made, key=lambda found: found[1])[0]
    made.append(matched(target, nearest, effort.best))
    return Scores(torch.stack([ssim(pictures, target.images) for pictures, _ in made]).amax(0), best_prior)


def priors_of(target: Target, known: Population) -> list[torch.Tensor]:
    """The guesses without an update, each of the shape of the attacked slices; the one of the label maps is last."""
    shape = target.images.shape
    return [m.expand(shape).clone() for m in mean_images(known)] + [painted(known, target.classes)]


def matched(target: Target, start: torch.Tensor, iterations: int) -> tuple[torch.Tensor, float]:
    """Pictures whose gradient comes near the target's, from this start on, and how far it still is.

    Each step goes by the sign of the gradient alone (Geiping 2020, section 5), smoothed as in Adam.
    """
    apart = distance(target)
    pictures = start.clone().requires_grad_(True)
    between = torch.zeros((), requires_grad=True)
    optimiser = torch.optim.Adam([pictures, between], lr=RATE, betas=MEMORY)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, iterations)
    left = float("inf")
    for _ in range(iterations):
        optimiser.zero_grad()
        loss = apart(pictures, between)
        left = float(loss.detach())
        (loss + TOTAL_VARIATION * _variation(pictures)).backward()  # type: ignore[no-untyped-call]
        if pictures.grad is not None:
            pictures.grad.sign_()
        optimiser.step()
        schedule.step()
        with torch.no_grad():
            pictures.clamp_(*RANGE)
    return pictures.detach(), left


def distance(target: Target) -> Callable[[torch.Tensor, torch.Tensor], torch.Tensor]:
    """How far the gradient of pictures is from the target's: relative squares, or one minus the cosine.

    Mean over tensors, each as heavy as its numbers are trusted. The second argument says where between the weights the gradient is taken; it counts for nothing without `after`.
    """
    network = attackable(target.architecture)
    names = [name for name in target.direction if tells(name)]
    trust = {
        n: torch.ones_like(target.direction[n]) if target.confidence is None else target.confidence[n] for n in names
    }
    heavy = torch.stack([trust[n].mean() for n in names])
    wanted = {n: trust[n] * target.direction[n] for n in names}
    fixed = {name: tensor.clone().requires_grad_(True) for name, tensor in target.before.items()}

    def apart(pictures: torch.Tensor, between: torch.Tensor) -> torch.Tensor:
        weights = fixed if target.after is None else _on_the_way(target.before, target.after, torch.sigmoid(between))
        logits = torch.func.functional_call(network, weights, (pictures,))
        loss = dice_cross_entropy(logits, target.classes)
        gradients = torch.autograd.grad(loss, [weights[n] for n in names], create_graph=True)
        pairs = [(trust[n] * g, wanted[n]) for n, g in zip(names, gradients, strict=True)]
        if target.sized:
            parts = [((g - w) ** 2).sum() / (w**2).sum() for g, w in pairs]
        else:
            parts = [1 - cosine_similarity(g.flatten(), w.flatten(), dim=0) for g, w in pairs]
        return (heavy * torch.stack(parts)).sum() / heavy.sum()

    return apart


def tells(name: str) -> bool:
    """Its gradient says something of a picture.

    A bias before instance norm has no gradient: what moves it is rounding. The single number of a PReLU has a relative
    distance that would outweigh everything.
    """
    return name.endswith("conv.weight") or name == "model.2.conv.bias"


def _on_the_way(
    before: Mapping[str, torch.Tensor], after: Mapping[str, torch.Tensor], share: torch.Tensor
) -> dict[str, torch.Tensor]:
    return {name: torch.lerp(tensor, after[name], share) for name, tensor in before.items()}


def _variation(pictures: torch.Tensor) -> torch.Tensor:
    return pictures.diff(dim=2).abs().mean() + pictures.diff(dim=3).abs().mean()
