"""Learning together against learning alone and against one pile of data, on phantom hospitals; docs/learning.md has the words.

    python -m bench learning                # all seeds, then the figures
    python -m bench.learning --seed 2       # one seed into the cache; one process a seed, each on one thread

Everything that learns is the product's own local steps; means and server steps are done here in numpy, without transport.
Trained weights lie in `.bench-cache/learning/`, by the digest of settings, manifest and arithmetic: a run that was killed
goes on where it was.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from bench.learning_models import (
    CPU,
    Cache,
    Model,
    affine_tensors,
    alone,
    be_quiet,
    fed_adam,
    federated,
    mean,
    personalised,
    recipe,
    trimmed_mean,
)
from bench.learning_scores import (
    Means,
    Scores,
    SeedScores,
    details,
    mean_over_muscles,
    read_out_details,
    score,
    score_groups,
    with_intervals,
    with_read_outs,
)
from bench.learning_sites import Settings, Site, make_site, mixed_labels, pooled, start, study
from myofed_node.learning.evaluate import evaluate
from myofed_node.learning.models import build
from myofed_node.learning.recalibrate import recalibrated
from myofed_node.learning.schedule import Steps
from myofed_node.learning.train import TrainingData, train
from myofed_node.learning.weights import load_weights
from myofed_schemas.federation import mean_dice
from myofed_schemas.study import StudyManifest

CACHE = Path(__file__).parents[1] / ".bench-cache" / "learning"
SEEDS = (7, 8, 9)
"""Not 1 to 6: the settings were chosen on those."""
RECOMMENDED = "fedbn"
MIXED = ("mixed", "mixed-left-out")
"""Judged on the groups of the hospital that draws groups, too."""
READ_OUT = (RECOMMENDED, "recommended-long")
"""Whose fat fractions are read out in every way."""
READ_OUT_GROUPS = ("quadriceps", "hamstrings")
"""The sets of several muscles, of those that follow-up looks at, that the phantom has."""
STRATEGIES = ("fedavg", "fedprox", "fedadam", "fedbn", "trimmed-mean")


@dataclass(frozen=True)
class Seed:
    """Everything of one seed.

    Attributes:
        settings: The comparison.
        number: Of the patients, the split, the initial weights and the draws.
    """

    settings: Settings
    number: int

    @cached_property
    def sites(self) -> list[Site]:
        """The hospitals that train."""
        return [make_site(h, seed=self.number, manifest=self.manifest()) for h in self.settings.hospitals]

    @cached_property
    def never_trained(self) -> Site:
        """A hospital that only uses the model: all its subjects test."""
        made = make_site(self.settings.never_trained, seed=self.number, manifest=self.manifest())
        return Site(made.name, train=(), validation=(), test=[*made.train, *made.validation, *made.test])

    @cached_property
    def mixed_sites(self) -> list[Site]:
        """The hospitals, one of which draws groups."""
        labels = mixed_labels(self.settings).sites[0]
        hospital = next(h for h in self.settings.hospitals if h.name == labels.site)
        groups = make_site(hospital, seed=self.number, manifest=self.manifest(), labels=labels)
        return [groups if s.name == labels.site else s for s in self.sites]

    @cached_property
    def cache(self) -> Cache:
        """Of these patients and of what the training code computes on this machine."""
        return Cache(CACHE / self.settings.patients_digest()[:16] / f"{self.number}-{self._arithmetic()}")

    def _arithmetic(self) -> str:
        """Three steps with every term of the loss: another result means other code, and nothing kept is used."""
        site = next(s for s in self.mixed_sites if s.labels)
        data = TrainingData([p.slices for p in site.train[:2]], labels=site.labels)
        manifest = study(
            Settings(),
            seed=self.number,
            strategy="fedprox",
            strategy_options={"proximal_mu": 0.01},
            mixed_labels=mixed_labels(Settings(), distillation=1.0),
        )
        weights = start(manifest.architecture, seed=self.number)
        trained, _ = train(weights, data, manifest=manifest, steps=Steps(0, 3, 3), device=CPU)
        return hashlib.sha256(trained).hexdigest()[:12]

    def manifest(self, strategy: str = "fedavg", **changes: object) -> StudyManifest:
        """The study with this strategy."""
        settings, plain = self.settings, study(self.settings, seed=self.number)
        options: dict[str, dict[str, object]] = {
            "fedavg": {},
            "fedprox": {"strategy_options": {"proximal_mu": settings.proximal_mu}},
            "fedadam": {
                "strategy_options": {
                    name: getattr(settings, name) for name in ("server_rate", "beta_1", "beta_2", "tau")
                }
            },
            "fedbn": {
                "strategy_options": {"release": "aggregated", "proximal_mu": settings.proximal_mu},
                "local_tensors": affine_tensors(plain),
            },
            "trimmed-mean": {"strategy_options": {"trim_percent": settings.trim_percent}},
        }
        return study(settings, seed=self.number, strategy=strategy, **options[strategy], **changes)

    def together(self, strategy: str, *, sites: Sequence[Site] | None = None, **changes: object) -> Model:
        """A federated model of these sites."""
        manifest, trained_by = self.manifest(strategy, **changes), self.sites if sites is None else sites
        names = [s.name for s in trained_by]
        servers = {
            "fedadam": lambda: fed_adam(self.settings),
            "trimmed-mean": lambda: trimmed_mean(self.settings.trim_percent),
        }
        server = servers.get(strategy, lambda: mean)
        return self.cache.get(recipe(manifest, *names), lambda: federated(trained_by, manifest, server=server()))

    def one_pile(self, site: Site, **changes: object) -> Model:
        """A model of one pile of subjects."""
        manifest = self.manifest(**changes)
        return self.cache.get(recipe(manifest, "alone", site.name), lambda: alone(site, manifest))

    def personalised(self) -> Model:
        """The recommended model after some steps at each site."""
        manifest = self.manifest(RECOMMENDED)
        key = recipe(manifest, "personalised")
        return self.cache.get(key, lambda: personalised(self.together(RECOMMENDED), self.sites, manifest))

    def recalibrated(self) -> Model:
        """What the hospital that never trained makes of the recommended model with its unlabelled images (half of them)."""
        manifest, model = self.manifest("fedbn"), self.together("fedbn")
        images = [p.slices.images for p in self.never_trained.test[::2]]
        own = recalibrated(model.released, images, manifest=manifest, device=CPU)
        return Model(model.released, {**model.own, self.never_trained.name: own})

    def tuned_single(self, site: Site) -> Model:
        """A site's own model: the rate chosen on its validation subjects, then as many steps as all sites do together."""

        def of(rate: float, rounds: int) -> Model:
            training = self.manifest().training.model_copy(
                update={"learning_rate": rate, "learning_rate_end": rate / 20}
            )
            return self.one_pile(site, training=training, rounds=rounds)

        def validated(model: Model) -> float:
            manifest = self.manifest()
            network = build(manifest.architecture)
            load_weights(network, model.released, spec=manifest.state_dict)
            return mean_dice(evaluate(network, [p.slices for p in site.validation], muscles=manifest.muscles)) or 0.0

        short, long = self.settings.rounds, self.settings.rounds * len(self.sites)
        best = max(self.settings.single_rates, key=lambda rate: validated(of(rate, short)))
        return max((of(best, short), of(best, long)), key=validated)

    def models(self) -> dict[str, Callable[[], Model]]:
        """Every model of the comparison, by name, made when asked for."""
        together, settings = self.together, self.settings
        labelled = [s for s in self.sites if s.name != settings.group_only]
        return {
            "pooled": lambda: self.one_pile(pooled(self.sites)),
            **{strategy: lambda s=strategy: together(s) for strategy in STRATEGIES},  # type: ignore[misc]
            "personalised": self.personalised,
            "recalibrated": self.recalibrated,
            "mixed-left-out": lambda: together(settings.mixed_strategy, sites=labelled, rounds=settings.mixed_rounds),
            "mixed": lambda: together(
                settings.mixed_strategy,
                sites=self.mixed_sites,
                mixed_labels=mixed_labels(settings),
                rounds=settings.mixed_rounds,
            ),
            **{f"single-{s.name}": lambda s=s: self.tuned_single(s) for s in self.sites},  # type: ignore[misc]
            "pooled-long": lambda: self.one_pile(pooled(self.sites), rounds=settings.long_rounds * len(self.sites)),
            "recommended-long": lambda: together(RECOMMENDED, rounds=settings.long_rounds),
        }

    def train(self, *, only: Sequence[str] = ()) -> None:
        """All models into the cache; nothing is scored, so that nobody sees what a seed gives before the settings are fixed."""
        for name, make in self.models().items():
            if not only or name in only:
                began = time.process_time()
                make()
                print(f"seed {self.number} {name:22} trained  ({time.process_time() - began:.0f} cpu-s)", flush=True)

    def scores(self, *, only: Sequence[str] = ()) -> dict[tuple[str, str], Scores]:
        """All models on all hospitals; each is trained where it is not in the cache."""
        found = {}
        for name, make in self.models().items():
            if only and name not in only:
                continue
            began = time.process_time()
            model = make()
            for site in [*self.sites, self.never_trained]:
                found[name, site.name] = score(model, site, manifest=self.manifest())
                if name in READ_OUT:
                    found[name, site.name] = with_read_outs(
                        found[name, site.name], model, site, manifest=self.manifest(), groups=READ_OUT_GROUPS
                    )
                if name in MIXED:
                    found[f"{name}@groups", site.name] = score_groups(
                        model, site, manifest=self.manifest(), groups=self.settings.groups
                    )
            dice = {s.name[-1]: mean_over_muscles(found[name, s.name].dice) for s in [*self.sites, self.never_trained]}
            shown = ", ".join(f"{k} {v:.3f}" for k, v in dice.items())
            print(f"seed {self.number} {name:22} {shown}  ({time.process_time() - began:.0f} cpu-s)", flush=True)
        return found


def figures(settings: Settings) -> Callable[[Means], dict[str, float]]:
    """The figures of `targets.json`, out of mean Dice by model and site."""
    names = [h.name for h in settings.hospitals]
    labelled = [n for n in names if n != settings.group_only]

    def of(dice: Means) -> dict[str, float]:
        def over(model: str, sites: Sequence[str] = names) -> float:
            return sum(dice(model, n) for n in sites) / len(sites)

        elsewhere = [dice(RECOMMENDED, m) - dice(f"single-{n}", m) for n in names for m in names if m != n]
        home = {m: max(dice(f"single-{n}", n) - dice(m, n) for n in names) for m in (RECOMMENDED, "personalised")}
        losses = [dice("mixed-left-out", n) - dice("mixed", n) for n in labelled]
        unseen = settings.never_trained.name
        return {
            "fedavg_over_pooled_equal_steps": over("fedavg") / over("pooled"),
            "recommended_over_pooled_equal_steps": over(RECOMMENDED) / over("pooled"),
            "recommended_over_pooled_converged": over("recommended-long") / over("pooled-long"),
            "min_gain_over_single_elsewhere": min(elsewhere),
            "worst_loss_to_own_single_at_home": min(home.values()),
            "worst_loss_at_home_not_personalised": home[RECOMMENDED],
            "personalised_dice": over("personalised"),
            "pooled_dice": over("pooled"),
            "pooled_dice_not_trivial": over("pooled"),
            "group_only_site_gain": dice("mixed", settings.group_only) - dice("mixed-left-out", settings.group_only),
            "fully_labelled_site_loss": max(losses),
            "group_only_site_dice": dice("mixed", settings.group_only),
            "group_only_site_gain_on_groups": dice("mixed@groups", settings.group_only)
            - dice("mixed-left-out@groups", settings.group_only),
            "group_only_site_dice_on_groups": dice("mixed@groups", settings.group_only),
            "fully_labelled_site_loss_on_groups": max(
                dice("mixed-left-out@groups", n) - dice("mixed@groups", n) for n in labelled
            ),
            **{f"{s}_dice": over(s) for s in STRATEGIES},
            "pooled_long_dice": over("pooled-long"),
            "recommended_long_dice": over("recommended-long"),
            "never_trained_site_dice": dice(RECOMMENDED, unseen),
            "never_trained_site_recalibrated": dice("recalibrated", unseen),
            "never_trained_site_fedavg": dice("fedavg", unseen),
            "never_trained_site_pooled": dice("pooled", unseen),
            "never_trained_site_best_single": max(dice(f"single-{n}", unseen) for n in names),
        }

    return of


def measure(settings: Settings | None = None, *, seeds: Sequence[int] = SEEDS) -> dict[str, Any]:
    """The document of `bench learning`; prints settings, every model's Dice and the intervals."""
    be_quiet()
    chosen = settings or Settings()
    print(f"settings {chosen.digest()}\n{json.dumps(chosen.model_dump(mode='json'), indent=1)}", flush=True)
    scored: list[SeedScores] = [Seed(chosen, number).scores() for number in seeds]
    found = with_intervals(scored, figures(chosen))
    for key, entry in found.items():
        print(f"  {key:38} " + ", ".join(f"{k} {v:.3f}" for k, v in entry.items()), flush=True)
    return {
        "figures": {key: entry["value"] for key, entry in found.items() if "_over_" not in key or "gain" in key}
        | recommended_details(scored, chosen),
        "ratios": {key: entry["value"] for key, entry in found.items() if "_over_" in key and "gain" not in key},
        "intervals": found,
        "peers": {},
        "runs": len(seeds),
        "settings": chosen.model_dump(mode="json"),
        "settings_digest": chosen.digest(),
        "recommended": RECOMMENDED,
        "dice": _by_seed(scored),
    }


def recommended_details(scored: Sequence[SeedScores], settings: Settings) -> dict[str, float]:
    """What is said of the recommended model alone, and how far the fat fractions of the one that learned longer are off."""
    sites, muscles = [h.name for h in settings.hospitals], study(settings, seed=1).muscles
    read, longer = (
        read_out_details(scored, model, sites, muscles=len(muscles), groups=READ_OUT_GROUPS) for model in READ_OUT
    )
    long = {f"recommended_long_{key}": longer[key] for key in ("mean_ff_error_points", "median_ff_error_points")}
    return read | long | details(scored, RECOMMENDED, sites, muscles)


def _by_seed(scored: Sequence[SeedScores]) -> list[Mapping[str, float]]:
    return [{f"{model} at {site}": mean_over_muscles(s.dice) for (model, site), s in seed.items()} for seed in scored]


def main(argv: Sequence[str] | None = None) -> None:
    """One seed into the cache."""
    parser = argparse.ArgumentParser(prog="python -m bench.learning")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--only", nargs="+", default=[], help="names of models")
    parser.add_argument("--blind", action="store_true", help="train into the cache, score nothing")
    options = parser.parse_args(argv)
    be_quiet()
    one = Seed(Settings(), options.seed)
    if options.blind:
        one.train(only=options.only)
    else:
        one.scores(only=options.only)


if __name__ == "__main__":
    main()
