"""How far a weight can move in honest rounds: a bound that follows from the manifest alone.

One step of AdamW (Loshchilov 2019, Alg. 2) is w' = (1 - a l) w - a u, with rate a, decay l and u = m^ / (sqrt(v^) + eps).
By Cauchy-Schwarz |u| is at most

    c(t) = (1 - b1) / sqrt(1 - b2) * sqrt(1 + r + ... + r^(t-1)) * sqrt(1 - b2^t) / (1 - b1^t),  r = b1^2 / b2,

whatever the gradients are (c(1) = 1, and about 2.35 at most for b1 = 0.9, b2 = 0.99): clipping, a proximal term and noise on
gradients change nothing. So a site's update stays in a box around the weights that came in, and so does every mean or
trimmed mean of updates, coordinate by coordinate.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from myofed_schemas.study import StudyManifest
from myofed_schemas.study_options import StrategyOptions

BETAS = (0.9, 0.99)
"""Of the sites' AdamW; a test holds `learning.train` to them."""
SLACK = 1.02
"""Rounding in float32 over a round's steps stays far below; `delta-int8` rounds to 1/127 of a tensor's largest step."""
ROUNDED = {"float32": 1e-5, "bfloat16": 2.0**-8, "float16": 2.0**-10, "delta-int8": 1e-5}
"""Relative error of one number by the encoding of the updates."""
STATISTICS = ("running_mean", "running_var")
"""Of a batch norm: means of the data, not steps of an optimiser."""
VARIANCE = "running_var"
"""The one of them that is never below 0."""
CARRIED = 1 / 127
"""`delta-int8` carries up to half of this share of a site's largest earlier step into its next update, however late that is
and however slow the rate is by then; twice that leaves room for the decay of large weights."""
NOISE_SIGMAS = 8.0
"""A Gaussian number is farther out once in 10^15; a site's own policy may add more noise than the manifest says."""

LARGEST_EXPONENT = 700.0
"""e to this power is still a float."""


@dataclass(frozen=True)
class Reach:
    """A weight w ends within min(decay * |w| + travel, cap) of where it was."""

    decay: float = 0.0
    travel: float = 0.0
    cap: float = 0.0

    def then(self, later: Reach) -> Reach:
        """Both, one after the other."""
        return Reach(
            decay=self.decay + later.decay * (1 + self.decay),
            travel=self.travel + later.decay * self.travel + later.travel,
            cap=self.cap + later.cap,
        )


def judged_tensors(manifest: StudyManifest) -> tuple[str, ...]:
    """Names of the tensors that the bound holds for: floating point, not a statistic, not local to each site."""
    names = [t.name for t in manifest.state_dict if t.dtype == "float32" and not t.name.endswith(STATISTICS)]
    return tuple(name for name in names if name not in (manifest.local_tensors or ()))


def rounding(manifest: StudyManifest) -> float:
    """Relative error of one number by the study's encoding."""
    return ROUNDED[manifest.transport.encoding if manifest.transport else "float32"]


def reach_of_rounds(manifest: StudyManifest, *, first: int, last: int) -> Reach:
    """How far the rounds' weights can move from the start of round `first` to the end of round `last`; nowhere if first > last."""
    reach = Reach()
    for number in range(first, last + 1):
        reach = reach.then(reach_of_round(manifest, round_number=number))
    return reach


def reach_of_round(manifest: StudyManifest, *, round_number: int) -> Reach:
    """How far one round can move them, by the manifest's strategy."""
    if manifest.strategy != "fedadam" or manifest.strategy_options is None:
        return reach_of_update(manifest, round_number=round_number)
    ends = (reach_of_update(manifest, round_number=number) for number in (1, manifest.rounds))
    fastest = max(ends, key=lambda reach: reach.travel)  # the moments remember updates of every round so far
    return _adaptive(fastest, manifest.strategy_options, round_number)


def reach_of_update(manifest: StudyManifest, *, round_number: int) -> Reach:
    """How far one site's honest update can be from the weights that it was given."""
    reach = _reach_of_steps(manifest, round_number=round_number)
    if round_number == 1 or manifest.transport is None or manifest.transport.encoding != "delta-int8":
        return reach
    earlier = max(_reach_of_steps(manifest, round_number=number).travel for number in (1, round_number - 1))
    return Reach(reach.decay, reach.travel + CARRIED * earlier, reach.cap)


def reach_of_local(manifest: StudyManifest, *, round_number: int) -> Reach:
    """How far a tensor that stays at a site can be from its initial values after this round: it made every round's steps."""
    reach = Reach()
    for number in range(1, round_number + 1):
        reach = reach.then(reach_of_update(manifest, round_number=number))
    return reach


def _reach_of_steps(manifest: StudyManifest, *, round_number: int) -> Reach:
    steps, rate = manifest.training.local_steps, highest_rate(manifest, round_number=round_number)
    travel = rate * sum(largest_step(t) for t in range(1, steps + 1))
    privacy = manifest.privacy
    if privacy is not None and privacy.level == "update":
        travel += NOISE_SIGMAS * privacy.noise_multiplier * privacy.clip_norm
    return Reach(decay=1 - (1 - rate * manifest.training.weight_decay) ** steps, travel=travel, cap=math.inf)


def highest_rate(manifest: StudyManifest, *, round_number: int) -> float:
    """No step of this round learns faster; a warm-up only slows steps down."""
    training, schedule = manifest.training, manifest.schedule
    if schedule is not None and schedule.learning_rate == "constant":
        return training.learning_rate
    total = max(manifest.rounds * training.local_steps - 1, 1)
    first = (round_number - 1) * training.local_steps
    ends = [min(step / total, 1.0) for step in (first, first + training.local_steps - 1)]
    span = training.learning_rate - training.learning_rate_end
    return max(training.learning_rate_end + span * (1 + math.cos(math.pi * share)) / 2 for share in ends)


def largest_step(t: int) -> float:
    """c(t): the t-th step of AdamW after its start is at most this times the rate."""
    first, second = BETAS
    return _ratio(first, second, t) * math.sqrt(1 - second**t) / (1 - first**t)


def _ratio(first: float, second: float, t: int) -> float:
    """Largest |m| / sqrt(v) after t gradients, without bias correction."""
    if second == 0:
        return 1.0 if first == 0 else math.inf
    share = first**2 / second
    if share > 1 and t * math.log(share) > LARGEST_EXPONENT:
        return math.inf
    return (1 - first) / math.sqrt(1 - second) * math.sqrt(sum(share**k for k in range(t)))


def _adaptive(update: Reach, options: StrategyOptions, t: int) -> Reach:
    """FedAdam (Reddi 2021, Alg. 2): rate * m / (sqrt(v) + tau), v from tau^2 on, no bias correction."""
    rate, tau = options.server_rate or 0.0, options.tau or 1.0
    cap = rate * _ratio(options.beta_1 or 0.0, options.beta_2 or 0.0, t)
    return Reach(decay=rate * update.decay / tau, travel=rate * update.travel / tau, cap=cap)
