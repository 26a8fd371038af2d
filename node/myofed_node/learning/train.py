"""Local steps of one round (McMahan 2017, Alg. 1, ClientUpdate) and the same steps without a federation."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from myofed_node.learning.augment import augmented
from myofed_node.learning.evaluate import evaluate
from myofed_node.learning.loss import dice_cross_entropy
from myofed_node.learning.models import build
from myofed_node.learning.subjects import Slices
from myofed_node.learning.weights import load_weights, packed
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode
from myofed_schemas.federation import TaskMetrics, bucket
from myofed_schemas.study import StudyManifest, Training

BETAS = (0.9, 0.99)
"""AdamW's memory; 0.99 for the second moment, because a round has tens of steps, not thousands."""
MAX_GRADIENT_NORM = 12.0


@dataclass(frozen=True)
class TrainingData:
    """Subjects of one site by role; test subjects are never here."""

    train: Sequence[Slices]
    validation: Sequence[Slices] = ()


@dataclass(frozen=True)
class Steps:
    """Which part of the whole schedule to do.

    Attributes:
        first: Index of the first step, counted from the start of the run.
        count: How many.
        total: Steps of the whole run (rounds x local steps): the length of the cosine.
    """

    first: int
    count: int
    total: int


def never() -> bool:
    """Nobody asks to stop."""
    return False


def steps_of_round(manifest: StudyManifest, *, round_number: int) -> Steps:
    """The local steps of this round, 1..rounds."""
    local = manifest.training.local_steps
    return Steps(first=(round_number - 1) * local, count=local, total=manifest.rounds * local)


def learning_rate(training: Training, *, step: int, total: int) -> float:
    """Cosine (Loshchilov 2017) from `learning_rate` at step 0 to `learning_rate_end` at the last step."""
    share = step / max(total - 1, 1)
    return (
        training.learning_rate_end
        + (training.learning_rate - training.learning_rate_end) * (1 + math.cos(math.pi * share)) / 2
    )


def train(
    weights: bytes,
    data: TrainingData,
    *,
    manifest: StudyManifest,
    steps: Steps,
    device: torch.device,
    stop: Callable[[], bool] = never,
) -> tuple[bytes, TaskMetrics]:
    """The weights after these steps, and what may be said about them.

    The incoming weights are checked, then scored on the validation subjects, then trained with AdamW (Loshchilov 2019).
    The same arguments give the same bytes on one CPU thread.

    Args:
        weights: Safetensors bytes.
        data: Subjects that train and validate.
        manifest: The approved study.
        steps: From `steps_of_round`, or all of them for a model of one site.
        device: Where to compute.
        stop: Asked before each step.

    Raises:
        MyofedError: WEIGHTS_*, NO_TRAINING_SUBJECTS, TASK_ABANDONED, LOSS_NOT_FINITE.
    """
    if not data.train:
        raise MyofedError(
            "NO_TRAINING_SUBJECTS", "expected a subject to train on, found none", exit_code=ExitCode.BAD_INPUT
        )
    network = build(manifest.architecture)
    load_weights(network, weights, spec=manifest.state_dict)
    network.to(device)
    scores = evaluate(network, data.validation, muscles=manifest.muscles)
    loss = _optimise(network, data.train, training=manifest.training, steps=steps, stop=stop)
    metrics = TaskMetrics(examples=bucket(len(data.train)), steps=steps.count, loss=loss, scores=scores)
    return packed(network.state_dict()), metrics


def _optimise(
    network: torch.nn.Module, subjects: Sequence[Slices], *, training: Training, steps: Steps, stop: Callable[[], bool]
) -> float:
    """Mean loss over the steps done."""
    device = next(network.parameters()).device
    optimiser = torch.optim.AdamW(
        network.parameters(), lr=training.learning_rate, betas=BETAS, weight_decay=training.weight_decay
    )
    generator = torch.Generator().manual_seed(_seed(training.seed, steps.first))
    images, classes = _pool(subjects)
    network.train()
    losses = 0.0
    for step in range(steps.first, steps.first + steps.count):
        if stop():
            raise MyofedError("TASK_ABANDONED", f"expected {steps.count} steps, stopped after {step - steps.first}")
        chosen = torch.randint(len(images), (training.batch_size,), generator=generator)
        batch = augmented(images[chosen], classes[chosen], kind=training.augmentation, generator=generator)
        optimiser.param_groups[0]["lr"] = learning_rate(training, step=step, total=steps.total)
        losses += _step(network, optimiser, batch[0].to(device), batch[1].to(device))
    return losses / max(steps.count, 1)


def _step(
    network: torch.nn.Module, optimiser: torch.optim.Optimizer, images: torch.Tensor, classes: torch.Tensor
) -> float:
    optimiser.zero_grad(set_to_none=True)
    loss = dice_cross_entropy(network(images), classes)
    value = float(loss.detach())
    if not math.isfinite(value):
        raise MyofedError("LOSS_NOT_FINITE", "expected a finite loss, found another", hint="lower the learning rate")
    loss.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(network.parameters(), MAX_GRADIENT_NORM)
    optimiser.step()
    return value


def _pool(subjects: Sequence[Slices]) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.cat([s.images for s in subjects]), torch.cat([s.classes for s in subjects])


def _seed(seed: int, first_step: int) -> int:
    """Another stream of draws for each round, the same on every machine."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{first_step}".encode()).digest()[:7], "big")
