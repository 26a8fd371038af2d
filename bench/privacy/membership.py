"""Membership inference on models of the demonstration's size: was this subject among those that trained?

Two attacks: the loss of the subject (Yeom 2018), and the loss minus that of reference models which did not see the subject
(Watson 2022; the offline attack of Carlini 2022 with its mean). The score of a subject is over all its slices.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from bench.privacy.phantoms import federated, study, subjects
from myofed_node.learning.loss import dice_cross_entropy
from myofed_node.learning.models import build
from myofed_node.learning.subjects import Slices
from myofed_node.learning.weights import load_weights
from myofed_schemas.study import StudyManifest

FALSE_POSITIVES = 0.01
DRAWS = 1000


@dataclass(frozen=True)
class Consortium:
    """Whose models are attacked.

    Attributes:
        train: Training subjects of the three hospitals; as many again stay out of each model.
        models: How many; each pair shares the subjects between its two.
    """

    train: tuple[int, int, int]
    models: int


DEMONSTRATION = Consortium(train=(10, 8, 7), models=6)
TWENTY = Consortium(train=(20, 20, 20), models=4)
"""Twice the demonstration's or more; with its split a site labels 31 subjects for that."""
TWENTY_SIX = Consortium(train=(26, 26, 26), models=8)
"""Those who train of 40 labelled subjects."""


@dataclass(frozen=True)
class Trial:
    """Losses of every subject under every model; (models, subjects) each.

    Attributes:
        losses: Mean over the subject's slices.
        member: The model trained on the subject.
    """

    losses: npt.NDArray[np.float64]
    member: npt.NDArray[np.bool_]


def run(*, seed: int, consortium: Consortium = DEMONSTRATION) -> dict[str, float]:
    """Figures of both attacks: AUC and true positives at 1 % false positives, with 95 % intervals over subjects."""
    found = trial(consortium, seed=seed)
    figures: dict[str, float] = {"members": int(found.member.sum()), "outsiders": int((~found.member).sum())}
    for name, scores in (("loss", -found.losses), ("calibrated", calibrated(found))):
        figures |= {f"{name}_{key}": value for key, value in _figures(scores, found.member, seed=seed).items()}
    gap = float(found.losses[~found.member].mean() - found.losses[found.member].mean())
    return figures | {"loss_gap": gap}


def trial(consortium: Consortium, *, seed: int) -> Trial:
    """Federated models, each pair on complementary halves of the subjects of three scanners."""
    manifest, _ = study(seed=seed)
    train = consortium.train
    pool = [subjects(2 * count, site=s, seed=7000 + seed, manifest=manifest) for s, count in enumerate(train)]
    rng = np.random.default_rng(seed)
    losses, member = [], []
    for pair in range(consortium.models // 2):
        first = [np.isin(np.arange(2 * n), rng.permutation(2 * n)[:n]) for n in train]
        for half in (first, [~chosen for chosen in first]):
            model = _trained(pool, half, seed=100 * seed + 2 * pair + (half is not first))
            losses.append(_losses(model, [s for site in pool for s in site], manifest))
            member.append(np.concatenate(half))
    return Trial(np.array(losses), np.array(member))


def calibrated(found: Trial) -> npt.NDArray[np.float64]:
    """How much lower the loss is than the mean of the other models that did not see the subject."""
    scores = np.zeros_like(found.losses)
    for model in range(len(found.losses)):
        others = ~found.member.copy()
        others[model] = False
        seen_by_none = np.where(others, found.losses, np.nan)
        scores[model] = np.nanmean(seen_by_none, axis=0) - found.losses[model]
    return scores


def auc(inside: npt.NDArray[np.float64], outside: npt.NDArray[np.float64]) -> float:
    """Probability that a member scores above an outsider, ties half."""
    difference = inside[:, None] - outside[None, :]
    return float(((difference > 0) + 0.5 * (difference == 0)).mean())


def true_positives(inside: npt.NDArray[np.float64], outside: npt.NDArray[np.float64]) -> float:
    """Share of members above the threshold that at most 1 % of outsiders exceed."""
    allowed = int(FALSE_POSITIVES * len(outside))
    return float((inside > np.sort(outside)[::-1][allowed]).mean())


def _figures(scores: npt.NDArray[np.float64], member: npt.NDArray[np.bool_], *, seed: int) -> dict[str, float]:
    """Intervals: subjects drawn again with all their models, because a subject's scores belong together."""
    rng = np.random.default_rng(seed)
    draws = [rng.integers(scores.shape[1], size=scores.shape[1]) for _ in range(DRAWS)]
    values = np.array([_pair(scores[:, d], member[:, d]) for d in draws])
    (low_auc, low_true), (high_auc, high_true) = np.quantile(values, 0.025, axis=0), np.quantile(values, 0.975, axis=0)
    point_auc, point_true = _pair(scores, member)
    return {
        "auc": point_auc,
        "auc_low": float(low_auc),
        "auc_high": float(high_auc),
        "tpr_at_1_percent": point_true,
        "tpr_low": float(low_true),
        "tpr_high": float(high_true),
    }


def _pair(scores: npt.NDArray[np.float64], member: npt.NDArray[np.bool_]) -> tuple[float, float]:
    return auc(scores[member], scores[~member]), true_positives(scores[member], scores[~member])


def _trained(pool: Sequence[Sequence[Slices]], half: Sequence[npt.NDArray[np.bool_]], *, seed: int) -> bytes:
    manifest, weights = study(seed=seed)
    sites = [[s for s, chosen in zip(site, mask, strict=True) if chosen] for site, mask in zip(pool, half, strict=True)]
    return federated(weights, sites, manifest=manifest)


@torch.no_grad()
def _losses(weights: bytes, everyone: Sequence[Slices], manifest: StudyManifest) -> npt.NDArray[np.float64]:
    network = build(manifest.architecture)
    load_weights(network, weights, spec=manifest.state_dict)
    network.eval()
    return np.array([float(dice_cross_entropy(network(s.images), s.classes)) for s in everyone])
