"""Tiny studies and data sets for the tests of the simulation."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import yaml

from myofed_node.initial_model import NETWORK
from myofed_node.learning.models import initial_weights
from myofed_node.mids.nifti import write_nifti
from myofed_schemas.anatomy import Side, muscle
from myofed_schemas.study import StudyManifest
from myofed_simulation.courier import Means
from myofed_simulation.folder import OutFolder
from myofed_simulation.plan import Folders, FolderSite, Plan
from myofed_simulation.run import Job
from myofed_simulation.study import read_study

MUSCLES = ("VL", "GR")
RAS = np.diag([-3.0, -3.0, 20.0, 1.0])
NAMES = ("hospital-a", "hospital-b", "hospital-c", "hospital-d", "hospital-e")
DRAFT = {
    "study_id": "tiny-simulation",
    "title": "Tiny study",
    "purpose": "Tests of the simulation",
    "sites": list(NAMES),
    "muscles": list(MUSCLES),
    "architecture": {
        "name": "monai-unet-2d",
        "in_channels": 1,
        "out_channels": 3,
        "channels": [4, 8],
        "strides": [2],
        "num_res_units": 0,
        "norm": "instance-affine",
    },
    "image": {"kind": "in-phase-magnitude", "spacing_mm": 5.0, "size_px": [32, 32]},
    "training": {
        "optimiser": "adamw",
        "learning_rate": 0.02,
        "learning_rate_end": 0.001,
        "weight_decay": 0.0,
        "batch_size": 2,
        "local_steps": 2,
        "augmentation": "geometric",
        "seed": 3,
    },
    "split": {"test_percent": 25, "validation_percent": 25, "salt": "salt"},
    "strategy": "fedavg",
    "weighting": "uniform",
    "rounds": 2,
    "min_sites": 2,
    "min_subjects": 3,
    "round_timeout_s": 10,
}


def initial() -> bytes:
    """The tiny study's first weights."""
    return initial_weights(NETWORK.validate_python(DRAFT["architecture"]), seed=7)


def write_study(folder: Path, **changes: object) -> tuple[Path, Path]:
    """The study's YAML and its initial weights, as a user has them."""
    study, weights = folder / "study.yaml", folder / "initial.safetensors"
    study.write_text(yaml.safe_dump(DRAFT | changes))
    weights.write_bytes(initial())
    return study, weights


def study(folder: Path, **changes: object) -> StudyManifest:
    """The tiny study, completed."""
    path, _ = write_study(folder, **changes)
    return read_study(path, weights=initial())


def write_subject(dataset: Path, label: str, *, seed: int) -> None:
    """An in-phase image of two discs, and its label map: VL the outer half, GR the inner, darker half of each."""
    rng = np.random.default_rng(seed)
    i, j = np.meshgrid(np.arange(96), np.arange(48), indexing="ij")
    image = np.abs(rng.normal(0, 1, (96, 48, 2))).astype(np.float32)
    drawn = np.zeros((96, 48, 2), np.int16)
    shift = rng.uniform(-2, 2, 2)
    for side, centre in ((Side.RIGHT, 24), (Side.LEFT, 72)):
        inside = np.hypot(i - centre - shift[0], j - 24 - shift[1]) < 18
        outer = (i < centre + shift[0]) if side is Side.RIGHT else (i > centre + shift[0])
        for name, where, value in (("VL", inside & outer, 100.0), ("GR", inside & ~outer, 60.0)):
            image[where] += value
            drawn[where] = muscle(name).label_value(side)
    anat = Path(f"sub-{label}") / "ses-1" / "mr-anat"
    write_nifti(dataset / anat / f"sub-{label}_ses-1_INPH.nii.gz", image, RAS)
    write_nifti(dataset / "derivatives" / "labels" / anat / f"sub-{label}_ses-1_INPH_dseg.nii.gz", drawn, RAS)


def write_sites(root: Path, names: tuple[str, ...] = NAMES, *, subjects: int = 3) -> Folders:
    """A data set for each site, other patients in each."""
    for number, name in enumerate(names):
        for index in range(subjects):
            write_subject(root / name, f"s{number}{index}", seed=100 * number + index)
    return Folders(sites=tuple(FolderSite(name=name, dataset=str(root / name)) for name in names))


def job(source: Folders, out: Path, manifest: StudyManifest, *, workers: int = 1) -> Job:
    """A job of the pool engine."""
    return Job(
        plan=Plan(study=manifest, source=source, seed=1),
        weights=initial(),
        out=OutFolder(out),
        engine="pool",
        means=Means(workers=workers),
        command=("myofed-simulate", "run"),
    )


def quiet() -> Callable[[str], None]:
    """Progress that nobody reads."""
    return lambda _: None
