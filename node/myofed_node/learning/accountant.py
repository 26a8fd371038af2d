"""What a site's rounds under Gaussian noise cost, as Renyi differential privacy and as (epsilon, delta); no torch here.

Neighbours: `update`: any other data at this site (one subject more, less or changed, or all of them); two clipped updates
differ by at most twice `clip_norm`. `example`: one training subject more or less; the sum of the clipped gradients differs
by at most `clip_norm`, and each subject is drawn in each step by its own secret coin (Poisson).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace

from myofed_schemas.study import StudyManifest

ORDERS = (*(1 + tenth / 10 for tenth in range(1, 100)), *map(float, range(11, 64)), 80.0, 96.0, 128.0, 192.0, 256.0)
"""Orders at which the divergence is followed; the best one gives epsilon, and any subset gives a valid one."""
UPDATE_SENSITIVITY = 2.0
"""In units of `clip_norm`: from one end of the ball to the other."""
SLICES_PER_SUBJECT = 4
"""Drawn of a chosen subject in each step of level `example`; more cost time and memory and change no bound, because the whole
gradient is clipped."""


@dataclass(frozen=True)
class Mechanism:
    """The Gaussian mechanism, used some times.

    Attributes:
        noise: Standard deviation in units of the sensitivity.
        rate: Probability with which one subject is drawn in a use; 1 is no sampling.
        uses: How often.
    """

    noise: float
    rate: float
    uses: int


def round_cost(manifest: StudyManifest, *, subjects: int) -> Mechanism:
    """What one round of this study costs a site with so many training subjects; the manifest asks for privacy.

    Raises:
        ValueError: The manifest has no privacy.
    """
    privacy = manifest.privacy
    if privacy is None:
        msg = "the study has no privacy"
        raise ValueError(msg)
    if privacy.level == "update":
        return Mechanism(noise=privacy.noise_multiplier / UPDATE_SENSITIVITY, rate=1.0, uses=1)
    rate = sampling_rate(batch=manifest.training.batch_size, subjects=subjects)
    return Mechanism(noise=privacy.noise_multiplier, rate=rate, uses=manifest.training.local_steps)


def sampling_rate(*, batch: int, subjects: int) -> float:
    """Chance of each subject in each step, so that `batch` of them are expected; 1 where the site has no more."""
    return min(1.0, batch / max(subjects, 1))


def epsilon(mechanisms: Iterable[Mechanism], *, delta: float) -> float:
    """The smallest epsilon known for all these uses together; 0 for none.

    Composition: Mironov 2017, Prop. 1. Conversion: Canonne, Kamath, Steinke 2020, Prop. 12.

    Args:
        mechanisms: In any order.
        delta: 0 < delta < 1.
    """
    uses: Counter[Mechanism] = Counter()
    for mechanism in mechanisms:
        uses[replace(mechanism, uses=1)] += mechanism.uses
    if not uses:
        return 0.0
    found = (_converted(sum(n * renyi(m, order=a) for m, n in uses.items()), order=a, delta=delta) for a in ORDERS)
    return max(0.0, min(found))


def renyi(mechanism: Mechanism, *, order: float) -> float:
    """Renyi divergence of one use at this order, or an upper bound of it.

    Without sampling: order / (2 noise^2), Mironov 2017, Prop. 7. With Poisson sampling at integer orders: Mironov, Talwar,
    Zhang 2019, Sec. 3.3. Between integers (order - 1) times the divergence is convex, so the straight line is above it; sampling never costs
    more than taking everybody (joint quasi-convexity, van Erven 2014, Thm. 13).
    """
    everybody = order / (2 * mechanism.noise**2)
    if mechanism.rate >= 1:
        return everybody
    below = math.floor(order)
    share = order - below
    moment = (1 - share) * _log_moment(mechanism, below)
    if share:
        moment += share * _log_moment(mechanism, below + 1)
    return min(everybody, moment / (order - 1))


def _log_moment(mechanism: Mechanism, order: int) -> float:
    """(order - 1) times the divergence: log of the sum over k of C(order, k) (1-q)^(order-k) q^k exp((k^2-k) / (2 s^2))."""
    if order <= 1 or mechanism.rate <= 0:
        return 0.0
    stay, drawn = math.log1p(-mechanism.rate), math.log(mechanism.rate)
    terms = [
        _log_choose(order, k) + (order - k) * stay + k * drawn + (k * k - k) / (2 * mechanism.noise**2)
        for k in range(order + 1)
    ]
    largest = max(terms)
    return largest + math.log(math.fsum(math.exp(term - largest) for term in terms))


def _log_choose(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)


def _converted(divergence: float, *, order: float, delta: float) -> float:
    return divergence + math.log1p(-1 / order) - (math.log(delta) + math.log(order)) / (order - 1)
