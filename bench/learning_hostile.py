"""One hostile hospital of five: what the robust strategy loses, and what the plain mean loses to the same update.

Updates that are no weights (NaN, another shape, another size) never come here: the coordinator refuses them before it folds.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from safetensors.numpy import load, save

from bench.learning import CACHE
from bench.learning_models import Cache, Model, Tamper, be_quiet, federated, mean, recipe, trimmed_mean
from bench.learning_scores import SeedScores, means_of, score, with_intervals
from bench.learning_sites import Hospital, Patient, Settings, Site, make_site, study
from myofed_node.learning.subjects import Slices
from myofed_schemas.study import StudyManifest

SEEDS = (1, 2, 3)
HOSTILE = "hospital-e"
ATTACKS = ("times-100", "sign-flip", "shuffled-labels", "replayed")
SERVERS = ("trimmed-mean", "fedavg")
FIVE = (
    Hospital(name="hospital-a", scanner="siemens-3t", subjects=10, turned_degrees=(0.0, 5.0), muscle_snr=35.0),
    Hospital(name="hospital-b", scanner="philips-1.5t", subjects=10, turned_degrees=(14.0, 5.0), muscle_snr=22.0),
    Hospital(name="hospital-c", scanner="ge-3t", subjects=10, turned_degrees=(-11.0, 6.0), muscle_snr=18.0),
    Hospital(name="hospital-d", scanner="siemens-3t-dixon", subjects=10, turned_degrees=(8.0, 6.0), muscle_snr=26.0),
    Hospital(name=HOSTILE, scanner="siemens-3t", subjects=10, turned_degrees=(-4.0, 5.0), muscle_snr=30.0),
)
SETTINGS = Settings(hospitals=FIVE, trim_percent=20)


def tampering(attack: str) -> Tamper | None:
    """What the hostile hospital sends instead of its honest update; None where it is the labels that are wrong."""
    factors = {"times-100": 100.0, "sign-flip": -1.0}
    first: dict[str, bytes] = {}

    def tamper(_number: int, site: str, before: bytes, update: bytes) -> bytes:
        if site != HOSTILE:
            return update
        if attack == "replayed":
            return first.setdefault(site, update)
        start, end = load(before), load(update)
        return save({n: (start[n] + factors[attack] * (end[n] - start[n])).astype(np.float32) for n in start})

    return None if attack in ("none", "shuffled-labels") else tamper


def with_shuffled_labels(site: Site, *, seed: int) -> Site:
    """The hospital's training subjects with every muscle under another's name."""

    def renamed(patient: Patient) -> Patient:
        classes = patient.slices.classes
        return replace(patient, slices=Slices(patient.slices.images, names[classes]))

    muscles = int(max(p.slices.classes.max() for p in site.train))
    order = np.random.default_rng(seed).permutation(muscles) + 1
    names = torch.from_numpy(np.concatenate([[0], order]).astype(np.int64))
    return replace(site, train=[renamed(p) for p in site.train])


@dataclass(frozen=True)
class Hostilities:
    """All runs of one seed."""

    settings: Settings
    seed: int

    def scores(self) -> SeedScores:
        """Every server under every attack, on the four honest hospitals."""
        manifest = study(self.settings, seed=self.seed)
        sites = [make_site(h, seed=self.seed, manifest=manifest) for h in self.settings.hospitals]
        found = {}
        for server in SERVERS:
            for attack in ("none", *ATTACKS):
                model = self._model(server, attack, sites, manifest)
                for site in sites:
                    if site.name != HOSTILE:
                        found[f"{server} {attack}", site.name] = score(model, site, manifest=manifest)
                mean_of = means_of([found])
                names = [s.name for s in sites if s.name != HOSTILE]
                dice = np.mean([mean_of(f"{server} {attack}", n) for n in names])
                print(f"seed {self.seed} {server} {attack}: {dice:.3f}", flush=True)
        return found

    def _model(self, server: str, attack: str, sites: Sequence[Site], manifest: StudyManifest) -> Model:
        shuffled = attack == "shuffled-labels"
        trained_by = [with_shuffled_labels(s, seed=self.seed) if shuffled and s.name == HOSTILE else s for s in sites]
        step = trimmed_mean(self.settings.trim_percent) if server == "trimmed-mean" else mean
        cache = Cache(CACHE / "hostile" / str(self.seed))
        return cache.get(
            recipe(self.settings, manifest, server, attack),
            lambda: federated(trained_by, manifest, server=step, tamper=tampering(attack)),
        )


def measure(settings: Settings = SETTINGS, *, seeds: Sequence[int] = SEEDS) -> dict[str, Any]:
    """The document of `bench learning-hostile`."""
    be_quiet()
    print(f"settings {settings.digest()}\n{json.dumps(settings.model_dump(mode='json'), indent=1)}", flush=True)
    scored = [Hostilities(settings, seed).scores() for seed in seeds]
    honest = [h.name for h in settings.hospitals if h.name != HOSTILE]

    def figures(dice: Any) -> dict[str, float]:
        def over(server: str, attack: str) -> float:
            return sum(dice(f"{server} {attack}", n) for n in honest) / len(honest)

        losses = {
            f"{server} {attack}": over(server, "none") - over(server, attack)
            for server in SERVERS
            for attack in ATTACKS
        }
        robust = max(losses[f"trimmed-mean {attack}"] for attack in ATTACKS)
        return {
            "robust_worst_loss": robust,
            "robust_dice": over("trimmed-mean", "none"),
            "fedavg_dice": over("fedavg", "none"),
            **{f"{name.replace(' ', '_')}_loss": loss for name, loss in losses.items()},
        }

    found = with_intervals(scored, figures)
    return {
        "figures": {key: entry["value"] for key, entry in found.items()},
        "ratios": {},
        "intervals": found,
        "peers": {},
        "runs": len(seeds),
        "settings_digest": settings.digest(),
    }
