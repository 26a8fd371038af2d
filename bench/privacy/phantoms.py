"""The study and the synthetic subjects that are attacked: the demonstration's settings, as arrays."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import torch

from myofed_demo.phantom import in_phase, make_subject, subject_rng
from myofed_demo.presets import PRESETS
from myofed_node.learning.models import initial_weights, state_dict_spec
from myofed_node.learning.schedule import steps_of_round
from myofed_node.learning.subjects import LabelledVolume, Slices, slices_of
from myofed_node.learning.train import TrainingData, train
from myofed_node.learning.weights import check, packed
from myofed_schemas.anatomy import THIGH_11
from myofed_schemas.study import Architecture, InputImage, Split, StudyManifest, Training

RAS_FROM_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
CPU = torch.device("cpu")
SITES = ("hospital-a", "hospital-b", "hospital-c")
ARCHITECTURE = Architecture(
    name="monai-unet-2d",
    in_channels=1,
    out_channels=len(THIGH_11) + 1,
    channels=(16, 32, 64, 128),
    strides=(2, 2, 2),
    num_res_units=0,
    norm="instance",
)
TRAINING = {
    "optimiser": "adamw",
    "learning_rate": 1e-2,
    "learning_rate_end": 5e-4,
    "weight_decay": 1e-4,
    "batch_size": 8,
    "local_steps": 30,
    "augmentation": "geometric",
}
"""The demonstration's (docs/learning.md)."""


def study(*, seed: int, rounds: int = 10, **training: object) -> tuple[StudyManifest, bytes]:
    """The demonstration's study with other training settings where given, and its initial weights."""
    weights = initial_weights(ARCHITECTURE, seed=seed)
    manifest = StudyManifest(
        study_id="privacy-attacks",
        version=1,
        title="Attacks on updates and models",
        purpose="Measure what updates and models give away",
        sites=SITES,
        muscles=THIGH_11,
        architecture=ARCHITECTURE,
        state_dict=state_dict_spec(ARCHITECTURE),
        initial_weights_sha256=hashlib.sha256(weights).hexdigest(),
        image=InputImage(kind="in-phase-magnitude", spacing_mm=2.0, size_px=(96, 96)),
        training=Training.model_validate({**TRAINING, "seed": seed, **training}),
        split=Split(test_percent=25, validation_percent=10, salt="privacy"),
        strategy="fedavg",
        weighting="uniform",
        rounds=rounds,
        min_sites=1,
        min_subjects=1,
        round_timeout_s=600,
        demo=True,
    )
    return manifest, weights


def subjects(count: int, *, site: int, seed: int, manifest: StudyManifest) -> list[Slices]:
    """So many subjects of the site's scanner and diseases, in turn."""
    scanner = list(PRESETS.values())[site]
    found = []
    for index in range(count):
        disease = scanner.diseases[index % len(scanner.diseases)]
        drawn = make_subject(disease, scanner, subject_rng(seed, hospital=SITES[site], subject=index))
        volume = LabelledVolume(in_phase(drawn), drawn.labels, RAS_FROM_LPS @ drawn.affine_lps)
        found.append(slices_of(volume, image=manifest.image, muscles=manifest.muscles))
    return found


def federated(weights: bytes, sites: Sequence[Sequence[Slices]], *, manifest: StudyManifest) -> bytes:
    """Weights after all rounds of uniform averaging over these sites' training subjects."""
    for number in range(1, manifest.rounds + 1):
        steps = steps_of_round(manifest, round_number=number)
        states = [
            check(train(weights, TrainingData(s), manifest=manifest, steps=steps, device=CPU)[0], manifest.state_dict)
            for s in sites
        ]
        weights = packed({name: torch.stack([s[name] for s in states]).mean(0) for name in states[0]})
    return weights
