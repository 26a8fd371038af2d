"""Tiny studies and subjects for the tests of learning/."""

from __future__ import annotations

import hashlib

import numpy as np
import torch

from myofed_node.learning.models import initial_weights, state_dict_spec
from myofed_node.learning.subjects import LabelledVolume, Slices
from myofed_schemas.anatomy import Side, muscle
from myofed_schemas.study import Architecture, InputImage, Split, StudyManifest, Training
from myofed_schemas.study_options import MixedLabels, SiteLabels

MUSCLES = ("VL", "GR")
RAS = np.diag([-3.0, -3.0, 20.0, 1.0])
"""An axial scan as DICOM stores it: columns to the patient's left, rows to the back, 3 mm in plane."""


def architecture(**changes: object) -> Architecture:
    """A network of some hundred weights."""
    return Architecture.model_validate(
        {
            "name": "monai-unet-2d",
            "in_channels": 1,
            "out_channels": len(MUSCLES) + 1,
            "channels": (4, 8),
            "strides": (2,),
            "num_res_units": 0,
            "norm": "instance",
            **changes,
        }
    )


def initial() -> bytes:
    """The tiny study's first weights."""
    return initial_weights(architecture(), seed=7)


def manifest(**changes: object) -> StudyManifest:
    """A study of two muscles on 32 x 32 pixels of 5 mm."""
    training = {
        "optimiser": "adamw",
        "learning_rate": 0.02,
        "learning_rate_end": 0.001,
        "weight_decay": 0.0,
        "batch_size": 4,
        "local_steps": 4,
        "augmentation": "geometric",
        "seed": 3,
    } | changes.pop("training", {})
    document = {
        "study_id": "tiny-study",
        "version": 1,
        "title": "Tiny study",
        "purpose": "Tests of the learning room",
        "sites": ("hospital-a", "hospital-b"),
        "muscles": MUSCLES,
        "architecture": architecture(),
        "state_dict": state_dict_spec(architecture()),
        "initial_weights_sha256": hashlib.sha256(initial()).hexdigest(),
        "image": InputImage(kind="in-phase-magnitude", spacing_mm=5.0, size_px=(32, 32)),
        "training": Training.model_validate(training),
        "split": Split(test_percent=25, validation_percent=10, salt="salt"),
        "strategy": "fedavg",
        "weighting": "uniform",
        "rounds": 3,
        "min_sites": 1,
        "min_subjects": 1,
        "round_timeout_s": 60,
    }
    return StudyManifest.model_validate(document | changes)


def two_thighs(seed: int = 0) -> LabelledVolume:
    """Two discs of tissue in air; VL is the outer half, GR the inner half of each, GR darker; 96 x 48 x 2 voxels."""
    rng = np.random.default_rng(seed)
    i, j = np.meshgrid(np.arange(96), np.arange(48), indexing="ij")
    image = np.abs(rng.normal(0, 1, (96, 48, 2))).astype(np.float32)
    labels = np.zeros((96, 48, 2), np.int16)
    shift = rng.uniform(-2, 2, 2)
    for side, centre in ((Side.RIGHT, 24), (Side.LEFT, 72)):
        inside = np.hypot(i - centre - shift[0], j - 24 - shift[1]) < 18
        outer = (i < centre + shift[0]) if side is Side.RIGHT else (i > centre + shift[0])
        for name, where, value in (("VL", inside & outer, 100.0), ("GR", inside & ~outer, 60.0)):
            image[where] += value
            labels[where] = muscle(name).label_value(side)
    return LabelledVolume(image=image, labels=labels, affine_ras=RAS)


def stripes(count: int = 6, seed: int = 0) -> Slices:
    """Slices that a network learns in some steps: class 1 where bright, class 2 where dark."""
    rng = np.random.default_rng(seed)
    classes = np.zeros((count, 32, 32), np.int64)
    for plane in classes:
        edge = int(rng.integers(10, 20))
        plane[4:28, 4:edge], plane[4:28, edge:28] = 1, 2
    values = np.array([0.0, 2.0, -2.0])[classes] + rng.normal(0, 0.2, classes.shape)
    return Slices(images=torch.tensor(values[:, None], dtype=torch.float32), classes=torch.tensor(classes))


def set_site(**changes: object) -> tuple[SiteLabels, StudyManifest]:
    """A study of both heads of biceps femoris, and a site that draws them as one."""
    labels = SiteLabels(site="hospital-b", structures=("biceps femoris",))
    mixed = MixedLabels.model_validate({"sites": (labels,), **changes})
    return labels, manifest(muscles=("BFL", "BFS"), mixed_labels=mixed)
