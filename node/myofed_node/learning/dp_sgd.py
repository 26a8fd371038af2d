"""DP-SGD (Abadi 2016, Alg. 1) whose example is a SUBJECT: all of a person's slices drawn in a step give one clipped gradient.

Slices of one person are no independent examples: clipping by slice would protect a slice, and a person has dozens. One
backward pass a subject gives exactly the subject's gradient, also of soft Dice, which is no sum over slices.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Sequence

import numpy as np
import torch
from torch.nn.modules.batchnorm import _BatchNorm

from myofed_node.learning.accountant import SLICES_PER_SUBJECT
from myofed_node.learning.batch import training_batch
from myofed_node.learning.objective import Objective
from myofed_node.learning.privacy import RandomBytes, drawn, gaussian
from myofed_node.learning.schedule import Steps, learning_rate
from myofed_node.learning.subjects import Slices
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode
from myofed_schemas.step_bound import BETAS
from myofed_schemas.study import StudyManifest
from myofed_schemas.study_options import Privacy


def check_network(network: torch.nn.Module) -> None:
    """A subject's gradient depends on no other subject.

    Raises:
        MyofedError: PRIVACY_NETWORK where the network has batch norm, which mixes the examples of a batch.
    """
    if any(isinstance(module, _BatchNorm) for module in network.modules()):
        raise MyofedError(
            "PRIVACY_NETWORK",
            "expected a network without batch norm for example-level privacy, found one with it",
            hint="norm: instance in the study's architecture",
            exit_code=ExitCode.BAD_INPUT,
        )


def private_steps(
    objective: Objective,
    subjects: Sequence[Slices],
    *,
    manifest: StudyManifest,
    steps: Steps,
    rate: float,
    stop: Callable[[], bool],
) -> None:
    """The network has done these steps of AdamW on noised sums of clipped gradients, one of each drawn subject.

    Which subjects a step sees is decided by the system's random source, because a draw that the manifest's seed decides is
    no secret and would not count as sampling. Augmentation comes from the same source.

    Args:
        objective: What is minimised; it holds the network.
        subjects: All training subjects.
        manifest: The study, with privacy.
        steps: As in `train`.
        rate: Chance of a subject in each step, as the accountant counts it.
        stop: Asked before each step.

    Raises:
        MyofedError: PRIVACY_NETWORK, TASK_ABANDONED, LOSS_NOT_FINITE, UPDATE_NOT_FINITE.
    """
    privacy = manifest.privacy
    if privacy is None:
        msg = "the study has no privacy"
        raise ValueError(msg)
    network = objective.network
    check_network(network)
    training = manifest.training
    optimiser = torch.optim.AdamW(
        network.parameters(), lr=training.learning_rate, betas=BETAS, weight_decay=training.weight_decay
    )
    generator = torch.Generator().manual_seed(int.from_bytes(os.urandom(7), "big"))
    network.train()
    for step in range(steps.first, steps.first + steps.count):
        if stop():
            raise MyofedError("TASK_ABANDONED", f"expected {steps.count} steps, stopped after {step - steps.first}")
        chosen = [subjects[index] for index in drawn(len(subjects), rate=rate)]
        gradients = (_gradient(objective, s, manifest, generator) for s in chosen)  # one in memory at a time
        _set_gradients(network, noised_mean(gradients, network, privacy=privacy, expected=training.batch_size))
        optimiser.param_groups[0]["lr"] = learning_rate(manifest, step=step, total=steps.total)
        optimiser.step()


def noised_mean(
    gradients: Iterable[Sequence[torch.Tensor]],
    network: torch.nn.Module,
    *,
    privacy: Privacy,
    expected: int,
    random_bytes: RandomBytes = os.urandom,
) -> list[torch.Tensor]:
    """Sum of the clipped gradients plus noise, divided by how many subjects are expected; noise alone where none was drawn.

    Args:
        gradients: One a subject: a tensor for each parameter.
        network: Has those parameters.
        privacy: Bound and noise.
        expected: Subjects a step by the manifest; not the number drawn or held here, which the result would tell.
        random_bytes: Source of the noise.

    Raises:
        MyofedError: UPDATE_NOT_FINITE.
    """
    deviation = privacy.noise_multiplier * privacy.clip_norm
    total = [
        torch.from_numpy(gaussian(p.numel(), deviation=deviation, random_bytes=random_bytes)).reshape(p.shape)
        for p in network.parameters()
    ]
    for gradient in gradients:
        norm = math.sqrt(sum(float(g.double().square().sum()) for g in gradient))
        if not math.isfinite(norm):  # no clip bounds it, and it would mark the sum as this subject's
            raise MyofedError(
                "UPDATE_NOT_FINITE", "expected finite gradients, found others", hint="lower the learning rate"
            )
        scale = privacy.clip_norm / norm if norm > privacy.clip_norm else 1.0
        for summed, part in zip(total, gradient, strict=True):
            summed.add_(part.detach().cpu().double(), alpha=scale)
    return [summed / expected for summed in total]


def _gradient(
    objective: Objective, subject: Slices, manifest: StudyManifest, generator: torch.Generator
) -> list[torch.Tensor]:
    """Of this subject's loss on some of its slices."""
    parameters = list(objective.network.parameters())
    device = parameters[0].device
    chosen = torch.randperm(len(subject.images), generator=generator)[:SLICES_PER_SUBJECT]
    images, classes = training_batch(
        subject.images[chosen], subject.classes[chosen], manifest=manifest, generator=generator
    )
    loss = objective(images.to(device), classes.to(device))
    if not np.isfinite(float(loss.detach())):
        raise MyofedError("LOSS_NOT_FINITE", "expected a finite loss, found another", hint="lower the learning rate")
    found = torch.autograd.grad(loss, parameters, allow_unused=True)
    return [torch.zeros_like(p) if g is None else g for p, g in zip(parameters, found, strict=True)]


def _set_gradients(network: torch.nn.Module, gradients: Sequence[torch.Tensor]) -> None:
    for parameter, gradient in zip(network.parameters(), gradients, strict=True):
        parameter.grad = gradient.to(device=parameter.device, dtype=parameter.dtype)
