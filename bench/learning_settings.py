"""Federated against single-site training on the demo's synthetic patients, as arrays: the figures of docs/learning.md.

    OMP_NUM_THREADS=1 python bench/learning_settings.py --seed 1 --out learning-1.json

Everything that learns is the product's own code; only the transport and the disk are left out.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from myofed_demo.phantom import in_phase, make_subject, subject_rng
from myofed_demo.presets import PRESETS
from myofed_node.learning.evaluate import evaluate
from myofed_node.learning.models import build, initial_weights, state_dict_spec
from myofed_node.learning.split import split_subjects
from myofed_node.learning.subjects import LabelledVolume, Slices, slices_of
from myofed_node.learning.train import Steps, TrainingData, steps_of_round, train
from myofed_node.learning.weights import check, load_weights, packed
from myofed_schemas.anatomy import THIGH_11
from myofed_schemas.federation import mean_dice
from myofed_schemas.study import Architecture, InputImage, Split, StudyManifest, Training

RAS_FROM_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
CPU = torch.device("cpu")


@dataclass(frozen=True)
class Site:
    """One hospital's subjects by role."""

    data: TrainingData
    test: Sequence[Slices]


def manifest(options: argparse.Namespace) -> tuple[StudyManifest, bytes]:
    """The study and its initial weights."""
    channels = tuple(options.channels)
    architecture = Architecture(
        name="monai-unet-2d",
        in_channels=1,
        out_channels=len(THIGH_11) + 1,
        channels=channels,
        strides=(2,) * (len(channels) - 1),
        num_res_units=0,
        norm="instance",
    )
    weights = initial_weights(architecture, seed=options.seed)
    study = StudyManifest(
        study_id="learning-settings",
        version=1,
        title="Settings of the demonstration",
        purpose="Find settings of the demonstration",
        sites=tuple(f"hospital-{letter}" for letter in "abcdefgh"[: len(options.subjects)]),
        muscles=THIGH_11,
        architecture=architecture,
        state_dict=state_dict_spec(architecture),
        initial_weights_sha256=hashlib.sha256(weights).hexdigest(),
        image=InputImage(kind="in-phase-magnitude", spacing_mm=options.spacing, size_px=(options.size, options.size)),
        training=Training(
            optimiser="adamw",
            learning_rate=options.rate,
            learning_rate_end=options.rate_end,
            weight_decay=1e-4,
            batch_size=options.batch,
            local_steps=options.steps,
            augmentation=options.augmentation,
            seed=options.seed,
        ),
        split=Split(test_percent=25, validation_percent=10, salt=options.salt or f"seed-{options.seed}"),
        strategy="fedavg",
        weighting="uniform",
        rounds=options.rounds,
        min_sites=2,
        min_subjects=4,
        round_timeout_s=600,
        demo=True,
    )
    return study, weights


def make_site(name: str, *, preset: str, subjects: int, seed: int, study: StudyManifest) -> Site:
    """The hospital's subjects, drawn, prepared and split; diseases in turn, as the demo draws them."""
    scanner = PRESETS[preset]
    found: dict[str, Slices] = {}
    for index in range(subjects):
        disease = scanner.diseases[index % len(scanner.diseases)]
        subject = make_subject(disease, scanner, subject_rng(seed, hospital=name, subject=index))
        volume = LabelledVolume(in_phase(subject), subject.labels, RAS_FROM_LPS @ subject.affine_lps)
        found[f"{name[-1]}{index:03d}"] = slices_of(volume, image=study.image, muscles=study.muscles)
    roles = split_subjects(found, study.split)
    data = TrainingData([found[s] for s in roles.train], [found[s] for s in roles.validation])
    return Site(data=data, test=[found[s] for s in roles.test])


def averaged(updates: Sequence[bytes], *, study: StudyManifest) -> bytes:
    """Uniform FedAvg of these weights."""
    states = [check(update, study.state_dict) for update in updates]
    return packed(
        {name: torch.stack([s[name].float() for s in states]).mean(0).to(states[0][name].dtype) for name in states[0]}
    )


def federated(weights: bytes, sites: Sequence[Site], *, study: StudyManifest) -> bytes:
    """Weights after all rounds."""
    for number in range(1, study.rounds + 1):
        steps = steps_of_round(study, round_number=number)
        weights = averaged(
            [train(weights, s.data, manifest=study, steps=steps, device=CPU)[0] for s in sites], study=study
        )
    return weights


def single(weights: bytes, site: Site, *, study: StudyManifest) -> bytes:
    """A site's own model: as many steps, same schedule."""
    total = study.rounds * study.training.local_steps
    return train(weights, site.data, manifest=study, steps=Steps(0, total, total), device=CPU)[0]


def dice(weights: bytes, subjects: Sequence[Slices], *, study: StudyManifest) -> float:
    """Mean over muscles of the mean over subjects."""
    network = build(study.architecture)
    load_weights(network, weights, spec=study.state_dict)
    found = mean_dice(evaluate(network, subjects, muscles=study.muscles))
    assert found is not None
    return found


def compare(options: argparse.Namespace) -> dict[str, object]:
    """The demo's `dice` document for one seed, with the CPU seconds of its parts."""
    study, start = manifest(options)
    names = study.sites
    presets = options.presets or list(PRESETS)[: len(names)]
    clock = [time.process_time()]
    sites = [
        make_site(n, preset=p, subjects=k, seed=options.seed, study=study)
        for n, p, k in zip(names, presets, options.subjects, strict=True)
    ]
    clock.append(time.process_time())
    together = federated(start, sites, study=study)
    clock.append(time.process_time())
    own = [single(start, s, study=study) for s in sites]
    clock.append(time.process_time())
    table = {
        n: {m: dice(w, s.test, study=study) for m, s in zip(names, sites, strict=True)}
        for n, w in zip(names, own, strict=True)
    }
    fed = {n: dice(together, s.test, study=study) for n, s in zip(names, sites, strict=True)}
    clock.append(time.process_time())
    others = {n: [m for m in names if m != n] for n in names}
    elsewhere = {n: float(np.mean([table[n][m] for m in others[n]])) for n in names}
    fed_elsewhere = {n: float(np.mean([fed[m] for m in others[n]])) for n in names}
    return {
        "seed": options.seed,
        "federated": {"mean": float(np.mean(list(fed.values()))), "per_site": fed},
        "single_site_home": {n: table[n][n] for n in names},
        "single_site_elsewhere": elsewhere,
        "federated_elsewhere": fed_elsewhere,
        "gain_elsewhere": {n: fed_elsewhere[n] - elsewhere[n] for n in names},
        "optimiser_steps": study.rounds * study.training.local_steps,
        "cpu_s": dict(
            zip(("patients", "federated", "single", "evaluation"), np.diff(clock).round(1).tolist(), strict=True)
        ),
        "settings": {k: v for k, v in vars(options).items() if k not in {"out", "seed"}},
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--salt", help="of the split; by default the seed's own")
    parser.add_argument("--subjects", type=int, nargs="+", default=[14, 12, 10])
    parser.add_argument("--presets", nargs="+")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rate", type=float, default=1e-2)
    parser.add_argument("--rate-end", type=float, default=5e-4)
    parser.add_argument("--size", type=int, default=96)
    parser.add_argument("--spacing", type=float, default=2.0)
    parser.add_argument("--channels", type=int, nargs="+", default=[16, 32, 64, 128])
    parser.add_argument("--augmentation", default="geometric")
    options = parser.parse_args()
    torch.set_num_threads(1)
    result = compare(options)
    text = json.dumps(result, indent=1)
    if options.out:
        options.out.write_text(text + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
