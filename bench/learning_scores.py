"""Dice and mean fat fraction of a model on patients, subject by subject; figures and intervals made of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from bench.learning_models import Model
from bench.learning_readouts import errors, second_reader
from bench.learning_sites import Patient, Site
from myofed_node.learning.evaluate import predicted_classes
from myofed_node.learning.metrics import dice_of_region, dice_per_class, pixels_in_both
from myofed_node.learning.models import build
from myofed_node.learning.weights import load_weights
from myofed_schemas.muscle_sets import structures
from myofed_schemas.study import StudyManifest

FATTY_PERCENT = 30.0
READER = "reader_"
DRAWS = 500
Table = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Scores:
    """A model at a site; NaN where a subject lacks the muscle.

    Attributes:
        dice: (subjects, muscles).
        fat_percent: The same shape; true mean fat fraction of the true muscle.
        fat_error: The same shape; mean over the predicted muscle minus mean over the true one, points.
        read_outs: Empty where nobody asked. By read-out, and as `reader_...` for a second reader in the place of the model:
            (subjects, muscles and then groups) errors, points.
    """

    dice: Table
    fat_percent: Table
    fat_error: Table
    read_outs: Mapping[str, Table] = field(default_factory=dict)


def score(model: Model, site: Site, *, manifest: StudyManifest) -> Scores:
    """The model that this site would use, on the subjects that no training saw."""
    network = build(manifest.architecture)
    load_weights(network, model.at(site.name), spec=manifest.state_dict)
    rows = [_subject(predicted_classes(network, p.single.images).numpy(), p, len(manifest.muscles)) for p in site.test]
    dice, fat_percent, fat_error = (np.stack(part) for part in zip(*rows, strict=True))
    return Scores(dice, fat_percent, fat_error)


def with_read_outs(
    scores: Scores, model: Model, site: Site, *, manifest: StudyManifest, groups: Sequence[str]
) -> Scores:
    """With the error of each read-out of each muscle and of these groups; the reader's hand is the same for every model."""
    network = build(manifest.architecture)
    load_weights(network, model.at(site.name), spec=manifest.state_dict)
    regions = [*((k + 1,) for k in range(len(manifest.muscles))), *_classes_of(groups, manifest=manifest)]
    hand = np.random.default_rng(0)
    rows: dict[str, list[Table]] = {}
    for patient in site.test:
        truth = patient.single.classes.numpy()
        drawn = {"": predicted_classes(network, patient.single.images).numpy(), READER: second_reader(truth, hand)}
        for who, classes in drawn.items():
            for name, row in errors(patient.fat_percent, classes, truth, regions=regions).items():
                rows.setdefault(who + name, []).append(row)
    return replace(scores, read_outs={name: np.stack(found) for name, found in rows.items()})


def _classes_of(groups: Sequence[str], *, manifest: StudyManifest) -> list[tuple[int, ...]]:
    """The network's classes that are members of each group."""
    place = {name: k + 1 for k, name in enumerate(manifest.muscles)}
    return [tuple(place[m] for m in structures()[g].members if m in place) for g in groups]


def score_groups(model: Model, site: Site, *, manifest: StudyManifest, groups: Sequence[str]) -> Scores:
    """The same with these sets of muscles in the place of muscles: what is lost where only their split is wrong is not lost."""
    network = build(manifest.architecture)
    load_weights(network, model.at(site.name), spec=manifest.state_dict)
    classes, muscles = _classes_of(groups, manifest=manifest), len(manifest.muscles)
    rows = []
    for patient in site.test:
        predicted, truth = predicted_classes(network, patient.single.images).numpy(), patient.single.classes.numpy()
        table = pixels_in_both(predicted, truth, classes=muscles, targets=muscles)
        rows.append([dice_of_region(table, (inside, inside)) for inside in classes])
    unknown = np.full((len(rows), len(classes)), np.nan)
    return Scores(np.array(rows), unknown, unknown)


def _subject(predicted: npt.NDArray[np.int64], patient: Patient, muscles: int) -> tuple[Table, Table, Table]:
    truth = patient.single.classes.numpy()
    dice = dice_per_class(predicted, truth, classes=muscles)
    means = [[_mean_fat(patient, where == k) for k in range(1, muscles + 1)] for where in (truth, predicted)]
    return dice, np.array(means[0]), np.array(means[1]) - np.array(means[0])


def _mean_fat(patient: Patient, inside: npt.NDArray[np.bool_]) -> float:
    values = patient.fat_percent[inside]
    values = values[np.isfinite(values)]
    return float(values.mean()) if values.size else float("nan")


def mean_over_muscles(dice: Table) -> float:
    """Mean over muscles of the mean over subjects."""
    return float(np.nanmean(np.nanmean(dice, axis=0)))


SeedScores = Mapping[tuple[str, str], Scores]
"""(model, site) -> scores, of one seed."""
Means = Callable[[str, str], float]
"""(model, site) -> mean Dice over the seeds."""


def means_of(seeds: Sequence[SeedScores], rng: np.random.Generator | None = None) -> Means:
    """Mean Dice over the seeds; with `rng`, of subjects drawn anew with replacement, the same ones for every model."""
    drawn: dict[tuple[int, str], npt.NDArray[np.int64]] = {}

    def rows(index: int, site: str, dice: Table) -> Table:
        if rng is None:
            return dice
        key = (index, site)
        if key not in drawn:
            drawn[key] = rng.integers(len(dice), size=len(dice))
        return dice[drawn[key]]

    def mean(model: str, site: str) -> float:
        return float(np.mean([mean_over_muscles(rows(i, site, s[model, site].dice)) for i, s in enumerate(seeds)]))

    return mean


Figures = Callable[[Means], dict[str, float]]


def with_intervals(seeds: Sequence[SeedScores], figures: Figures) -> dict[str, dict[str, float]]:
    """Each figure with the 95 % interval of a bootstrap over subjects (Efron 1979) and the range over single seeds."""
    value = figures(means_of(seeds))
    rng = np.random.default_rng(0)
    with np.errstate(all="ignore"):
        draws = [figures(means_of(seeds, rng)) for _ in range(DRAWS)]
    single = [figures(means_of([s])) for s in seeds]
    return {
        key: {
            "value": value[key],
            "low": float(np.nanpercentile([d[key] for d in draws], 2.5)),
            "high": float(np.nanpercentile([d[key] for d in draws], 97.5)),
            "lowest_seed": min(s[key] for s in single),
            "highest_seed": max(s[key] for s in single),
        }
        for key in value
    }


def details(seeds: Sequence[SeedScores], model: str, sites: Sequence[str], muscles: Sequence[str]) -> dict[str, float]:
    """What else is said of the recommended model: worst muscle, fatty muscles, error of the mean fat fraction."""
    dice = np.concatenate([s[model, site].dice for s in seeds for site in sites])
    fat = np.concatenate([s[model, site].fat_percent for s in seeds for site in sites])
    signed = np.concatenate([s[model, site].fat_error for s in seeds for site in sites])
    by_muscle, error = np.nanmean(dice, axis=0), np.abs(signed)
    return {
        "worst_muscle_dice": float(by_muscle.min()),
        "worst_muscle_index": float(by_muscle.argmin()),
        "fatty_muscle_dice": float(np.nanmean(dice[fat > FATTY_PERCENT])),
        "mean_ff_error_points": float(np.nanmean(error)),
        "mean_ff_bias_points": float(np.nanmean(signed)),
        "mean_ff_error_points_worst_muscle": float(np.nanmean(error, axis=0).max()),
        "mean_ff_missing": float(np.isnan(error[~np.isnan(dice)]).mean()),
        **{f"dice_{name}": float(value) for name, value in zip(muscles, by_muscle, strict=True)},
        **{f"ff_error_points_{n}": float(v) for n, v in zip(muscles, np.nanmean(error, axis=0), strict=True)},
    }


def read_out_details(
    seeds: Sequence[SeedScores], model: str, sites: Sequence[str], *, muscles: int, groups: Sequence[str]
) -> dict[str, float]:
    """Absolute error of a model's fat fractions by every read-out: mean and median over muscles, mean by group; of a second reader the mean.

    Args:
        seeds: With `read_outs` for this model at these sites.
        model: Name.
        sites: Where.
        muscles: How many columns are muscles; the groups follow.
        groups: Their names.
    """
    found = {}
    for name in seeds[0][model, sites[0]].read_outs:
        error = np.abs(np.concatenate([s[model, site].read_outs[name] for s in seeds for site in sites]))
        found[f"{name}_ff_error_points"] = float(np.nanmean(error[:, :muscles]))
        if not name.startswith(READER):
            found[f"{name}_ff_error_points_typical"] = float(np.nanmedian(error[:, :muscles]))
            by_group = np.nanmean(error[:, muscles:], axis=0)
            found |= {f"{name}_ff_error_points_{g}": float(v) for g, v in zip(groups, by_group, strict=True)}
    return found
