"""The models that `bench learning` compares: trained by the product's own local steps, averaged here in numpy, kept in a cache."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from safetensors.numpy import load, save

from bench.learning_sites import Settings, Site, start
from myofed_node.learning.personal import personal_model
from myofed_node.learning.schedule import steps_of_own_model, steps_of_round
from myofed_node.learning.train import train
from myofed_schemas.files import write_atomically
from myofed_schemas.study import StudyManifest

CPU = torch.device("cpu")
Arrays = Mapping[str, npt.NDArray[np.generic]]
Server = Callable[[Arrays, Sequence[Arrays]], Arrays]
"""Weights that went out and what came back -> the next weights."""
Tamper = Callable[[int, str, bytes, bytes], bytes]
"""Round, site, weights that went out, honest update -> what the site sends."""
Local = Callable[[Site, bytes, StudyManifest, int], bytes]
"""Site, weights that came in, study, round -> the honest update."""


@dataclass(frozen=True)
class Model:
    """Weights after training.

    Attributes:
        released: What a site that never trained is given.
        own: What each site uses itself, where that differs.
    """

    released: bytes
    own: Mapping[str, bytes] = field(default_factory=dict)

    def at(self, site: str) -> bytes:
        """The weights that this site would use."""
        return self.own.get(site, self.released)


@dataclass(frozen=True)
class Cache:
    """Trained weights by what made them, so that a run that was killed goes on."""

    folder: Path

    def get(self, key: str, make: Callable[[], Model]) -> Model:
        """The model of this key, trained where it is not there."""
        place = self.folder / key
        if not (place / "released").exists():
            model = make()
            place.mkdir(parents=True, exist_ok=True)
            (self.folder / ".gitignore").write_text("*\n")
            for site, weights in model.own.items():
                write_atomically(place / f"own-{site}", weights)
            write_atomically(place / "released", model.released)
        own = {path.name.removeprefix("own-"): path.read_bytes() for path in sorted(place.glob("own-*"))}
        return Model((place / "released").read_bytes(), own)


def mean(_before: Arrays, updates: Sequence[Arrays]) -> Arrays:
    """Uniform mean in float64 (McMahan 2017)."""
    return {
        name: np.mean([u[name] for u in updates], axis=0, dtype=np.float64).astype(value.dtype)
        for name, value in updates[0].items()
    }


def trimmed_mean(percent: int) -> Server:
    """Coordinate by coordinate without the largest and smallest (Yin 2018), at least one of each."""

    def server(_before: Arrays, updates: Sequence[Arrays]) -> Arrays:
        cut = max(1, len(updates) * percent // 100)
        cut = min(cut, (len(updates) - 1) // 2)
        out = {}
        for name, value in updates[0].items():
            ranked = np.sort(np.stack([u[name] for u in updates]).astype(np.float64), axis=0)
            out[name] = ranked[cut : len(updates) - cut].mean(axis=0).astype(value.dtype)
        return out

    return server


def fed_adam(settings: Settings) -> Server:
    """Adam on the mean update as if it were a gradient (Reddi 2021, Alg. 2)."""
    first: dict[str, npt.NDArray[np.float64]] = {}
    second: dict[str, npt.NDArray[np.float64]] = {}

    def server(before: Arrays, updates: Sequence[Arrays]) -> Arrays:
        out = {}
        for name, value in mean(before, updates).items():
            step = value.astype(np.float64) - before[name]
            first[name] = settings.beta_1 * first.get(name, 0.0) + (1 - settings.beta_1) * step
            second[name] = settings.beta_2 * second.get(name, settings.tau**2) + (1 - settings.beta_2) * step**2
            moved = before[name] + settings.server_rate * first[name] / (np.sqrt(second[name]) + settings.tau)
            out[name] = moved.astype(value.dtype)
        return out

    return server


def local_steps(site: Site, incoming: bytes, manifest: StudyManifest, number: int) -> bytes:
    """The site's update of this round."""
    steps = steps_of_round(manifest, round_number=number, labels=site.labels)
    return train(incoming, site.data(), manifest=manifest, steps=steps, device=CPU)[0]


def federated(
    sites: Sequence[Site],
    manifest: StudyManifest,
    *,
    server: Server = mean,
    tamper: Tamper | None = None,
    local: Local = local_steps,
) -> Model:
    """All rounds; tensors of `local_tensors` stay at each site, and the mean of the last ones is released."""
    weights = start(manifest.architecture, seed=manifest.training.seed)
    kept: dict[str, Arrays] = {}
    for number in range(1, manifest.rounds + 1):
        updates = {}
        for site in sites:
            incoming = with_own(weights, kept.get(site.name, {}))
            trained = local(site, incoming, manifest, number)
            updates[site.name] = tamper(number, site.name, incoming, trained) if tamper else trained
            kept[site.name] = {n: v for n, v in load(trained).items() if n in (manifest.local_tensors or ())}
        weights = save(dict(server(load(weights), [load(u) for u in updates.values()])))
    own = {name: with_own(weights, tensors) for name, tensors in kept.items()} if manifest.local_tensors else {}
    return Model(weights, own)


def with_own(weights: bytes, tensors: Arrays) -> bytes:
    """The weights with a site's own tensors in place."""
    return save({**load(weights), **tensors}) if tensors else weights


def alone(site: Site, manifest: StudyManifest) -> Model:
    """Rounds x local steps on one pile of subjects, same start, same schedule."""
    weights = start(manifest.architecture, seed=manifest.training.seed)
    steps = steps_of_own_model(manifest)
    return Model(train(weights, site.data(), manifest=manifest, steps=steps, device=CPU)[0])


def personalised(model: Model, sites: Sequence[Site], manifest: StudyManifest) -> Model:
    """The model, at each site trained on with its own subjects, if its validation subjects say so."""
    own = {}
    for site in sites:
        data = replace(site.data(), validation=[p.slices for p in site.validation])
        own[site.name] = personal_model(model.at(site.name), data, manifest=manifest, device=CPU)[0]
    return Model(model.released, own)


def affine_tensors(manifest: StudyManifest) -> tuple[str, ...]:
    """Scale and offset of each normalisation: what FedBN leaves at a site (Li 2021)."""
    return tuple(t.name for t in manifest.state_dict if ".adn.N." in t.name)


def recipe(manifest: StudyManifest, *parts: str) -> str:
    """Name of a model in the cache: all it was made from but patients and code, for which the cache's folder stands.

    A setting that the manifest does not name trains nothing anew.
    """
    text = "\0".join([manifest.digest(), *parts])
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def be_quiet() -> None:
    """One thread, low priority."""
    torch.set_num_threads(1)
    os.nice(5)
