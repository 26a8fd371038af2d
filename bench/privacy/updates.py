"""The attacks on one update: which cases, how many iterations, and what came out, with intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from bench.privacy.crafted import CRAFTED
from bench.privacy.first_step import after_one_step, gradient_of_step
from bench.privacy.inversion import Effort, Scores, Target, invert, update_direction
from bench.privacy.phantoms import ARCHITECTURE, CPU, study, subjects
from bench.privacy.priors import Population, population
from myofed_node.learning.loss import dice_cross_entropy
from myofed_node.learning.models import build
from myofed_node.learning.schedule import steps_of_round
from myofed_node.learning.subjects import Slices
from myofed_node.learning.train import TrainingData, train
from myofed_node.learning.weights import check
from myofed_schemas.study import StudyManifest

BATCH = 8
VICTIMS = 8
"""Training subjects of the attacked site: the demonstration's smallest sites have so many."""
KNOWN = 16
EFFORT = Effort(each=20, best=100)
EFFORT_ONE_SLICE = Effort(each=40, best=300)
DRAWS = 2000


@dataclass(frozen=True)
class Case:
    """One attack.

    Attributes:
        name: In the result.
        slices: How many are in the attacked batch, or searched for among the site's training slices.
        steps: 0: the gradient itself (no optimiser hides its size); 1: one AdamW step; else local steps as in a round.
        crafted: Weights the coordinator made for it.
        augmentation: Of the local steps.
        effort: Of the attack.
        seeds: Sites attacked: another scanner, other subjects, other weights each.
    """

    name: str
    slices: int = BATCH
    steps: int = 1
    crafted: str | None = None
    augmentation: str = "geometric"
    effort: Effort = EFFORT
    seeds: tuple[int, ...] = (1, 2)


CASES = (
    Case("raw_gradient_of_one_slice", slices=1, steps=0, effort=EFFORT_ONE_SLICE),
    Case("one_step_of_one_slice", slices=1, effort=EFFORT_ONE_SLICE),
    Case("one_step"),
    Case("defaults", steps=30),
    Case("one_step_copying", crafted="copying", seeds=(1,)),
    Case("one_step_fishing", crafted="fishing", seeds=(1,)),
    Case("defaults_copying", steps=30, crafted="copying", seeds=(1,)),
    Case("defaults_fishing", steps=30, crafted="fishing", seeds=(1,)),
)


def attack(case: Case) -> dict[str, float]:
    """The case against each site: mean SSIM of attack and prior, gain with a 95 % interval over slices."""
    scores = [_against_one(case, seed) for seed in case.seeds]
    gain = torch.cat([s.gain for s in scores]).numpy()
    low, high = interval(gain)
    return {
        "slices": len(gain),
        "ssim_attack": float(torch.cat([s.attack for s in scores]).mean()),
        "ssim_prior": float(torch.cat([s.prior for s in scores]).mean()),
        "gain": float(gain.mean()),
        "gain_low": low,
        "gain_high": high,
        "largest_gain": float(gain.max()),
    }


def interval(values: np.ndarray, *, seed: int = 0) -> tuple[float, float]:
    """95 % of the bootstrap means."""
    rng = np.random.default_rng(seed)
    means = values[rng.integers(len(values), size=(DRAWS, len(values)))].mean(1)
    return float(np.quantile(means, 0.025)), float(np.quantile(means, 0.975))


def _against_one(case: Case, seed: int) -> Scores:
    manifest, weights = study(seed=seed, local_steps=max(case.steps, 1), augmentation=case.augmentation)
    victims = subjects(VICTIMS, site=seed % 3, seed=1000 + seed, manifest=manifest)
    known = population(subjects(KNOWN, site=seed % 3, seed=5000 + seed, manifest=manifest))
    before = check(weights, manifest.state_dict)
    if case.crafted:
        before = CRAFTED[case.crafted](before)
    if case.steps > 1:
        return invert(_round_target(before, victims, case, manifest), known, effort=case.effort, seed=seed)
    return invert(_step_target(before, victims, case, manifest), known, effort=case.effort, seed=seed)


def _some_slices(victims: Sequence[Slices], count: int, seed: int) -> Population:
    everything = population(victims)
    chosen = torch.randperm(len(everything.images), generator=torch.Generator().manual_seed(seed))[:count]
    return Population(everything.images[chosen], everything.classes[chosen])


def _step_target(
    before: Mapping[str, torch.Tensor], victims: Sequence[Slices], case: Case, manifest: StudyManifest
) -> Target:
    """The gradient of one batch: itself, or as AdamW's first step lets it be read off the weights."""
    batch = _some_slices(victims, case.slices, manifest.training.seed)
    if case.steps:
        after = after_one_step(before, batch.images, batch.classes, training=manifest.training)
        direction, confidence = gradient_of_step(before, after, training=manifest.training)
        return Target(ARCHITECTURE, before, direction, batch.images, batch.classes, confidence=confidence, sized=True)
    network = build(ARCHITECTURE)
    network.load_state_dict(dict(before))
    dice_cross_entropy(network(batch.images), batch.classes).backward()
    direction = {n: p.grad for n, p in network.named_parameters() if p.grad is not None}
    return Target(ARCHITECTURE, before, direction, batch.images, batch.classes, sized=True)


def _round_target(
    before: Mapping[str, torch.Tensor], victims: Sequence[Slices], case: Case, manifest: StudyManifest
) -> Target:
    """The product's own round; the attacker looks for some of the site's training slices."""
    from myofed_node.learning.weights import packed

    steps = steps_of_round(manifest, round_number=1)
    trained, _ = train(packed(before), TrainingData(victims), manifest=manifest, steps=steps, device=CPU)
    after = check(trained, manifest.state_dict)
    sought = _some_slices(victims, case.slices, manifest.training.seed)
    return Target(ARCHITECTURE, before, update_direction(before, after), sought.images, sought.classes, after=after)
