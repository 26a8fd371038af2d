"""The attacks on one update: which cases, how many iterations, and what came out, with intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from bench.privacy.crafted import CRAFTED
from bench.privacy.inversion import Scores, Target, invert, update_direction
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
ITERATIONS = 80
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
        iterations: Of the attack.
        seeds: Sites attacked: another scanner, other subjects, other weights each.
    """

    name: str
    slices: int = BATCH
    steps: int = 1
    crafted: str | None = None
    augmentation: str = "geometric"
    iterations: int = ITERATIONS
    seeds: tuple[int, ...] = (1, 2)


CASES = (
    Case("raw_gradient_of_one_slice", slices=1, steps=0, iterations=400),
    Case("one_step_of_one_slice", slices=1, iterations=400),
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
        return invert(_round_target(before, victims, case, manifest), known, iterations=case.iterations, seed=seed)
    return invert(_step_target(before, victims, case, seed), known, iterations=case.iterations, seed=seed)


def _some_slices(victims: Sequence[Slices], count: int, seed: int) -> Population:
    everything = population(victims)
    chosen = torch.randperm(len(everything.images), generator=torch.Generator().manual_seed(seed))[:count]
    return Population(everything.images[chosen], everything.classes[chosen])


def _step_target(before: Mapping[str, torch.Tensor], victims: Sequence[Slices], case: Case, seed: int) -> Target:
    """AdamW's first step is the learning rate times the gradient's sign (both moments are the gradient's own)."""
    batch = _some_slices(victims, case.slices, seed)
    network = build(ARCHITECTURE)
    network.load_state_dict(dict(before))
    dice_cross_entropy(network(batch.images), batch.classes).backward()
    gradients = {n: p.grad for n, p in network.named_parameters() if p.grad is not None}
    direction = {n: g.sign() if case.steps else g for n, g in gradients.items()}
    return Target(ARCHITECTURE, before, direction, batch.images, batch.classes)


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
