"""One hostile hospital of five: what the robust strategy loses, and what the plain mean loses to the same update.

    python -m bench learning-hostile                # all seeds, then the figures
    python -m bench.learning_hostile --seed 2       # one seed into the cache; one process a seed

Updates that are no weights (NaN, another shape, another size) never come here: the coordinator refuses them before it folds.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from safetensors.numpy import load, save

from bench.learning import Seed
from bench.learning_models import Model, Tamper, be_quiet, federated, local_steps, mean, recipe, trimmed_mean
from bench.learning_scores import SeedScores, means_of, score, with_intervals
from bench.learning_sites import Hospital, Patient, Settings, Site, start
from myofed_node.learning.subjects import Slices
from myofed_schemas.errors import MyofedError
from myofed_schemas.study import StudyManifest

SEEDS = (4, 5, 6)
"""Not 1, 2 and 3: how long to train was chosen on them."""
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
SETTINGS = Settings(hospitals=FIVE, trim_percent=20, rounds=10, local_steps=30)


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
    first_updates: dict[tuple[str, bool], bytes] = field(default_factory=dict)

    def scores(self) -> SeedScores:
        """Every server under every attack, on the four honest hospitals."""
        every = Seed(self.settings, self.seed)
        found = {}
        for server in SERVERS:
            for attack in ("none", *ATTACKS):
                model = self._model(server, attack, every)
                for site in every.sites:
                    if site.name != HOSTILE:
                        found[f"{server} {attack}", site.name] = score(model, site, manifest=every.manifest())
                mean_of = means_of([found])
                names = [s.name for s in every.sites if s.name != HOSTILE]
                dice = np.mean([mean_of(f"{server} {attack}", n) for n in names])
                print(f"seed {self.seed} {server} {attack}: {dice:.3f}", flush=True)
        return found

    def _model(self, server: str, attack: str, every: Seed) -> Model:
        shuffled, manifest = attack == "shuffled-labels", every.manifest()
        trained_by = [
            with_shuffled_labels(s, seed=self.seed) if shuffled and s.name == HOSTILE else s for s in every.sites
        ]
        step = trimmed_mean(self.settings.trim_percent) if server == "trimmed-mean" else mean

        def local(site: Site, incoming: bytes, study: StudyManifest, number: int) -> bytes:
            """The first round is the same in all runs and done once; what a replaying hospital trains later, nobody sees."""
            key = (site.name, shuffled and site.name == HOSTILE)
            if number > 1:
                replays = attack == "replayed" and site.name == HOSTILE
                return incoming if replays else local_steps(site, incoming, study, number)
            if key not in self.first_updates:
                self.first_updates[key] = local_steps(site, incoming, study, number)
            return self.first_updates[key]

        def run() -> Model:
            try:
                return federated(trained_by, manifest, server=step, tamper=tampering(attack), local=local)
            except MyofedError as error:
                if error.code != "LOSS_NOT_FINITE":
                    raise
                print(
                    f"seed {self.seed} {server} {attack}: no hospital can go on, the run ends without a model",
                    flush=True,
                )
                return Model(start(manifest.architecture, seed=self.seed))

        return every.cache.get(recipe(manifest, server, attack, f"trim {self.settings.trim_percent}"), run)


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
        "settings": settings.model_dump(mode="json"),
        "settings_digest": settings.digest(),
    }


def main(argv: Sequence[str] | None = None) -> None:
    """One seed into the cache."""
    parser = argparse.ArgumentParser(prog="python -m bench.learning_hostile")
    parser.add_argument("--seed", type=int, required=True)
    be_quiet()
    Hostilities(SETTINGS, parser.parse_args(argv).seed).scores()


if __name__ == "__main__":
    main()
