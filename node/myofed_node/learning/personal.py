"""A model for one site made of the federated one: trained on at home, if its own subjects say so."""

from __future__ import annotations

from collections.abc import Callable

import torch

from myofed_node.learning.evaluate import evaluate_sets
from myofed_node.learning.labels import label_space, sets_of_study
from myofed_node.learning.models import network_of
from myofed_node.learning.schedule import steps_of_personalisation
from myofed_node.learning.train import TrainingData, never, train
from myofed_node.learning.weights import load_weights
from myofed_schemas.federation import TaskMetrics
from myofed_schemas.study import StudyManifest


def personal_model(
    weights: bytes,
    data: TrainingData,
    *,
    manifest: StudyManifest,
    device: torch.device,
    stop: Callable[[], bool] = never,
) -> tuple[bytes, TaskMetrics]:
    """The federated model trained on with this site's subjects, or itself where that does no better on those who validate.

    Fine-tuning that each site takes or leaves by its own subjects (Wang 2019, "Federated evaluation of on-device
    personalization"). Where nobody validates there is nothing to choose by, and the trained one is taken. The same
    arguments give the same bytes on one CPU thread.

    Args:
        weights: The federated model as this site would use it, safetensors; with the site's own local tensors, if any.
        data: Subjects that train and validate.
        manifest: The study.
        device: Where to compute.
        stop: Asked before each step.

    Returns:
        The weights, and the metrics of their training; 0 steps for the federated model itself. The scores are those of the
        federated model.

    Raises:
        MyofedError: As `train`.
    """
    steps = steps_of_personalisation(manifest)
    trained, metrics = train(weights, data, manifest=manifest, steps=steps, device=device, stop=stop)
    before, after = (_validated(w, data, manifest=manifest, device=device) for w in (weights, trained))
    if data.validation and before >= after:
        return weights, metrics.model_copy(update={"steps": 0, "loss": 0.0})
    return trained, metrics


def _validated(weights: bytes, data: TrainingData, *, manifest: StudyManifest, device: torch.device) -> float:
    """Mean over what the site draws (single muscles, and sets of the study) of the mean Dice of the validation subjects."""
    network = network_of(manifest)
    load_weights(network, weights, spec=manifest.state_dict)
    muscles, sets = evaluate_sets(
        network.to(device),
        data.validation,
        space=label_space(manifest.muscles, data.labels),
        sets=sets_of_study(manifest),
        batch=manifest.training.batch_size,
    )
    counted = [(score.dice_sum, score.subjects) for score in muscles] + [(one.dice_sum, one.subjects) for one in sets]
    means = [total / subjects for total, subjects in counted if subjects]
    return sum(means) / len(means) if means else 0.0
