"""Local steps of one round (McMahan 2017, Alg. 1, ClientUpdate) and the same steps without a federation."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch

from myofed_node.learning.accountant import sampling_rate
from myofed_node.learning.batch import training_batch
from myofed_node.learning.dp_sgd import private_steps
from myofed_node.learning.evaluate import evaluate_sets, never
from myofed_node.learning.labels import sets_of_study
from myofed_node.learning.models import network_of
from myofed_node.learning.objective import Objective, objective_alone, objective_of_round
from myofed_node.learning.privacy import guarded_metrics, protected_update
from myofed_node.learning.schedule import Steps, learning_rate, steps_of_round
from myofed_node.learning.subjects import Slices
from myofed_node.learning.weights import check, load_weights, packed
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode
from myofed_schemas.federation import TaskMetrics, bucket
from myofed_schemas.study import StudyManifest
from myofed_schemas.study_options import Privacy, SiteLabels

__all__ = ["Pack", "Steps", "TrainingData", "never", "steps_of_round", "train"]

BETAS = (0.9, 0.99)
"""AdamW's memory; 0.99 for the second moment, because a round has tens of steps, not thousands."""
MAX_GRADIENT_NORM = 12.0


@dataclass(frozen=True)
class TrainingData:
    """Subjects of one site by role; test subjects are never here.

    Attributes:
        train: Who trains.
        validation: Who scores the incoming weights.
        labels: What the site draws; None: every muscle of the study singly. The subjects' targets are of its label space.
        split: Training subjects of the stored split, also those that could not be read: what a private draw counts on; 0
            where that is `train`.
        least: The loss is told only as a mean over slices of at least so many subjects; else it is 0.
    """

    train: Sequence[Slices]
    validation: Sequence[Slices] = ()
    labels: SiteLabels | None = None
    split: int = 0
    least: int = 1


Pack = Callable[[Mapping[str, torch.Tensor]], bytes]
"""What becomes of the trained weights: their bytes, or none where they went into a file."""


def train(  # noqa: PLR0913  each is one fact of the task; a dataclass would be used here alone
    weights: bytes | memoryview,
    data: TrainingData,
    *,
    manifest: StudyManifest,
    steps: Steps,
    device: torch.device,
    stop: Callable[[], bool] = never,
    pack: Pack = packed,
) -> tuple[bytes, TaskMetrics]:
    """The weights after these steps, and what may be said about them.

    The incoming weights are checked, then scored on the validation subjects, then trained with AdamW (Loshchilov 2019).
    The same arguments give the same bytes on one CPU thread, but for the noise of a study with privacy.

    Args:
        weights: Safetensors bytes.
        data: Subjects that train and validate.
        manifest: The approved study.
        steps: From `steps_of_round`, or all of them for a model of one site.
        device: Where to compute.
        stop: Asked before each validation subject and each step.
        pack: Takes the trained weights.

    Raises:
        MyofedError: WEIGHTS_*, NO_TRAINING_SUBJECTS, TASK_ABANDONED, LOSS_NOT_FINITE, PRIVACY_NETWORK, UPDATE_NOT_FINITE.
    """
    if not data.train:
        raise MyofedError(
            "NO_TRAINING_SUBJECTS", "expected a subject to train on, found none", exit_code=ExitCode.BAD_INPUT
        )
    network = network_of(manifest)
    load_weights(network, weights, spec=manifest.state_dict)
    network.to(device)
    objective = (objective_alone if steps.alone else objective_of_round)(network, manifest, data.labels)
    scores, groups = evaluate_sets(
        network,
        data.validation,
        space=objective.space,
        sets=sets_of_study(manifest),
        batch=manifest.training.batch_size,
        stop=stop,
    )
    privacy = None if steps.alone else manifest.privacy
    if privacy and privacy.level == "example":
        rate = sampling_rate(batch=manifest.training.batch_size, subjects=data.split or len(data.train))
        loss = 0.0
        private_steps(objective, data.train, manifest=manifest, steps=steps, rate=rate, stop=stop)
    else:
        loss = _optimise(objective, data, manifest=manifest, steps=steps, stop=stop)
    metrics = TaskMetrics(
        examples=bucket(len(data.train)), steps=steps.count, loss=loss, scores=scores, group_scores=groups
    )
    if privacy:
        return pack(_under_privacy(weights, network, manifest=manifest, privacy=privacy)), guarded_metrics(metrics)
    return pack(network.state_dict()), metrics


def _under_privacy(
    weights: bytes | memoryview, network: torch.nn.Module, *, manifest: StudyManifest, privacy: Privacy
) -> Mapping[str, torch.Tensor]:
    """What may leave of the trained network: noised as a whole, or trained on noised gradients already."""
    trained: Mapping[str, torch.Tensor] = network.state_dict()
    if privacy.level == "example":
        return trained
    return protected_update(check(weights, manifest.state_dict), trained, privacy=privacy)


def _optimise(
    objective: Objective,
    data: TrainingData,
    *,
    manifest: StudyManifest,
    steps: Steps,
    stop: Callable[[], bool],
) -> float:
    """Mean loss over the steps done; 0 where they saw too few subjects: one step on one slice has that slice's own loss."""
    network, training = objective.network, manifest.training
    device = next(network.parameters()).device
    optimiser = torch.optim.AdamW(
        network.parameters(), lr=training.learning_rate, betas=BETAS, weight_decay=training.weight_decay
    )
    generator = torch.Generator().manual_seed(_seed(training.seed, steps.first))
    slices = [(number, row) for number, subject in enumerate(data.train) for row in range(len(subject.images))]
    network.train()
    losses, seen = 0.0, set[int]()
    for step in range(steps.first, steps.first + steps.count):
        if stop():
            raise MyofedError("TASK_ABANDONED", f"expected {steps.count} steps, stopped after {step - steps.first}")
        drawn = torch.randint(len(slices), (training.batch_size,), generator=generator)
        chosen = [slices[number] for number in drawn.tolist()]
        seen.update(number for number, _ in chosen)
        images, classes = _gathered(data.train, chosen)
        batch = training_batch(images, classes, manifest=manifest, generator=generator)
        optimiser.param_groups[0]["lr"] = learning_rate(manifest, step=step, total=steps.total)
        losses += _step(objective, optimiser, batch[0].to(device), batch[1].to(device))
    return losses / max(steps.count, 1) if len(seen) >= data.least else 0.0


def _step(objective: Objective, optimiser: torch.optim.Optimizer, images: torch.Tensor, targets: torch.Tensor) -> float:
    optimiser.zero_grad(set_to_none=True)
    loss = objective(images, targets)
    value = float(loss.detach())
    if not math.isfinite(value):
        raise MyofedError("LOSS_NOT_FINITE", "expected a finite loss, found another", hint="lower the learning rate")
    loss.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(objective.network.parameters(), MAX_GRADIENT_NORM)
    optimiser.step()
    return value


def _gathered(subjects: Sequence[Slices], chosen: Sequence[tuple[int, int]]) -> tuple[torch.Tensor, torch.Tensor]:
    """Images and classes of these slices, each named by subject and row; nothing else is copied."""
    images = torch.stack([subjects[number].images[row] for number, row in chosen])
    return images, torch.stack([subjects[number].classes[row] for number, row in chosen])


def _seed(seed: int, first_step: int) -> int:
    """Another stream of draws for each round, the same on every machine."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{first_step}".encode()).digest()[:7], "big")
