"""What a site does with its own subjects: a task of a federated round, a model of its own, the Dice of any model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from myofed_node.learning.data import SubjectCache
from myofed_node.learning.device import choose_device
from myofed_node.learning.evaluate import evaluate
from myofed_node.learning.models import build
from myofed_node.learning.protocol import EvaluateRequest, Roles, TrainRequest
from myofed_node.learning.train import Steps, TrainingData, never, steps_of_round, train
from myofed_node.learning.weights import load_weights
from myofed_schemas.federation import MuscleScore, TaskMetrics
from myofed_schemas.study import StudyManifest


def train_task(
    request: TrainRequest,
    weights: bytes,
    *,
    cache: SubjectCache,
    device: torch.device,
    stop: Callable[[], bool] = never,
) -> tuple[bytes, TaskMetrics]:
    """The local steps of the request's round have been done.

    Raises:
        MyofedError: WEIGHTS_*, IMAGE_*, LABEL_*, SUBJECT_*, TASK_ABANDONED, LOSS_NOT_FINITE.
    """
    steps = steps_of_round(request.manifest, round_number=request.round)
    data = _training_data(Path(request.dataset), request.subjects, manifest=request.manifest, cache=cache)
    return train(weights, data, manifest=request.manifest, steps=steps, device=device, stop=stop)


def evaluate_task(
    request: EvaluateRequest, weights: bytes, *, cache: SubjectCache, device: torch.device
) -> tuple[MuscleScore, ...]:
    """Dice of these weights on the request's subjects, as sufficient statistics.

    Raises:
        MyofedError: WEIGHTS_*, IMAGE_*, LABEL_*, SUBJECT_*.
    """
    manifest = request.manifest
    network = build(manifest.architecture)
    load_weights(network, weights, spec=manifest.state_dict)
    subjects = cache.read(Path(request.dataset), request.subjects, manifest=manifest)
    return evaluate(network.to(device), subjects, muscles=manifest.muscles)


def train_local(
    weights: bytes,
    *,
    manifest: StudyManifest,
    dataset: Path,
    subjects: Roles,
    stop: Callable[[], bool] = never,
    threads: int = 1,
) -> tuple[bytes, TaskMetrics]:
    """A model of this site alone: as many optimiser steps as a whole run (rounds x local steps), same schedule, same start.

    Args:
        weights: The study's initial weights, safetensors.
        manifest: The study.
        dataset: The site's ORMIR-MIDS data set.
        subjects: The stored split; only train and validation are read.
        stop: Asked before each step.
        threads: CPU threads of torch in this process from here on; 1 gives the same bytes every time.

    Raises:
        MyofedError: As `train_task`.
    """
    torch.set_num_threads(threads)
    total = manifest.rounds * manifest.training.local_steps
    data = _training_data(dataset, subjects, manifest=manifest, cache=SubjectCache())
    steps = Steps(first=0, count=total, total=total)
    return train(weights, data, manifest=manifest, steps=steps, device=choose_device(), stop=stop)


def evaluate_model(
    weights: bytes, *, manifest: StudyManifest, dataset: Path, subjects: Sequence[str], threads: int = 1
) -> tuple[MuscleScore, ...]:
    """Dice of any model of this study on these subjects of the site: aggregates, no value of one subject.

    Args:
        weights: The model, safetensors.
        manifest: The study.
        dataset: The site's ORMIR-MIDS data set.
        subjects: Labels without `sub-`.
        threads: CPU threads of torch in this process from here on.

    Raises:
        MyofedError: As `evaluate_task`.
    """
    torch.set_num_threads(threads)
    request = EvaluateRequest(manifest=manifest, dataset=str(dataset), subjects=tuple(subjects))
    return evaluate_task(request, weights, cache=SubjectCache(), device=choose_device())


def _training_data(dataset: Path, subjects: Roles, *, manifest: StudyManifest, cache: SubjectCache) -> TrainingData:
    return TrainingData(
        train=cache.read(dataset, subjects.train, manifest=manifest),
        validation=cache.read(dataset, subjects.validation, manifest=manifest),
    )
