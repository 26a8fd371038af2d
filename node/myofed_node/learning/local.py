"""What a site does with its own subjects: a task of a federated round, a model of its own, the Dice of any model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import torch

from myofed_node.learning.data import SubjectCache
from myofed_node.learning.device import choose_device
from myofed_node.learning.evaluate import evaluate_sets
from myofed_node.learning.exclusions import SubjectSource, check_usable
from myofed_node.learning.labels import label_space, sets_of_study
from myofed_node.learning.models import network_of
from myofed_node.learning.personal import personal_model
from myofed_node.learning.protocol import EvaluateRequest, Roles, TrainRequest
from myofed_node.learning.schedule import steps_of_own_model, steps_of_round
from myofed_node.learning.train import Pack, TrainingData, never, train
from myofed_node.learning.weights import load_weights, packed
from myofed_schemas.federation import GroupScore, MuscleScore, TaskMetrics
from myofed_schemas.study import StudyManifest
from myofed_schemas.study_options import SiteLabels


def train_task(
    request: TrainRequest,
    weights: bytes | memoryview,
    *,
    cache: SubjectSource,
    device: torch.device,
    stop: Callable[[], bool] = never,
    pack: Pack = packed,
) -> tuple[bytes, TaskMetrics]:
    """The local steps of the request's round have been done; `pack` took the weights.

    Raises:
        MyofedError: TOO_FEW_USABLE_SUBJECTS, WEIGHTS_*, TASK_ABANDONED, LOSS_NOT_FINITE, or of a source that leaves nobody
            out, IMAGE_*, LABEL_*, SUBJECT_*.
    """
    steps = steps_of_round(request.manifest, round_number=request.round, labels=request.labels)
    data = _training_data(
        Path(request.dataset), request.subjects, manifest=request.manifest, cache=cache, labels=request.labels
    )
    data = replace(data, least=request.min_train)
    check_usable(
        train=len(data.train),
        others=len(data.validation),
        min_train=request.min_train,
        min_usable=request.min_usable,
    )
    return train(weights, data, manifest=request.manifest, steps=steps, device=device, stop=stop, pack=pack)


def evaluate_task(
    request: EvaluateRequest,
    weights: bytes | memoryview,
    *,
    cache: SubjectSource,
    device: torch.device,
    stop: Callable[[], bool] = never,
) -> tuple[tuple[MuscleScore, ...], tuple[GroupScore, ...]]:
    """Dice of these weights on the request's subjects, as sufficient statistics: single muscles, and sets of the study.

    Raises:
        MyofedError: As `train_task`.
    """
    manifest = request.manifest
    network = network_of(manifest)
    load_weights(network, weights, spec=manifest.state_dict)
    subjects = cache.read(Path(request.dataset), request.subjects, manifest=manifest, labels=request.labels)
    check_usable(train=len(subjects))
    space = label_space(manifest.muscles, request.labels)
    return evaluate_sets(
        network.to(device),
        subjects,
        space=space,
        sets=sets_of_study(manifest),
        batch=manifest.training.batch_size,
        stop=stop,
    )


def train_local(  # noqa: PLR0913  each is one fact of the task; a dataclass would be used here alone
    weights: bytes,
    *,
    manifest: StudyManifest,
    dataset: Path,
    subjects: Roles,
    labels: SiteLabels | None = None,
    personal: bool = False,
    stop: Callable[[], bool] = never,
    threads: int = 1,
) -> tuple[bytes, TaskMetrics]:
    """A model of this site alone: as many optimiser steps as a whole run (rounds x local steps), same schedule, same start.

    Args:
        weights: The study's initial weights, safetensors; for a personal model those of the finished run.
        manifest: The study.
        dataset: The site's ORMIR-MIDS data set.
        subjects: The stored split; only train and validation are read.
        labels: What the site draws, from `labels.site_labels`.
        personal: The federated model trained on at home instead, as `personal_model` chooses.
        stop: Asked before each step.
        threads: CPU threads of torch in this process from here on; 1 gives the same bytes every time.

    Raises:
        MyofedError: As `train_task`.
    """
    torch.set_num_threads(threads)
    data = _training_data(dataset, subjects, manifest=manifest, cache=SubjectCache(), labels=labels)
    if personal:
        return personal_model(weights, data, manifest=manifest, device=choose_device(), stop=stop)
    return train(
        weights, data, manifest=manifest, steps=steps_of_own_model(manifest), device=choose_device(), stop=stop
    )


def evaluate_model(
    weights: bytes,
    *,
    manifest: StudyManifest,
    dataset: Path,
    subjects: Sequence[str],
    labels: SiteLabels | None = None,
    threads: int = 1,
) -> tuple[MuscleScore, ...]:
    """Dice of any model of this study on these subjects of the site: aggregates, no value of one subject.

    Args:
        weights: The model, safetensors.
        manifest: The study.
        dataset: The site's ORMIR-MIDS data set.
        subjects: Labels without `sub-`.
        labels: What the site draws, from `labels.site_labels`.
        threads: CPU threads of torch in this process from here on.

    Raises:
        MyofedError: As `evaluate_task`.
    """
    torch.set_num_threads(threads)
    request = EvaluateRequest(manifest=manifest, dataset=str(dataset), subjects=tuple(subjects), labels=labels)
    return evaluate_task(request, weights, cache=SubjectCache(), device=choose_device())[0]


def _training_data(
    dataset: Path, subjects: Roles, *, manifest: StudyManifest, cache: SubjectSource, labels: SiteLabels | None
) -> TrainingData:
    return TrainingData(
        train=cache.read(dataset, subjects.train, manifest=manifest, labels=labels),
        validation=cache.read(dataset, subjects.validation, manifest=manifest, labels=labels),
        labels=labels,
        split=len(subjects.train),
    )
