"""From the checked updates of a round to the next model, tensor by tensor, in float64 and in a fixed order."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from myofed_coordinator.federation.strategies.base import Float64, RoundInputs, Strategy, Update
from myofed_coordinator.federation.weights import Tensors
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode
from myofed_schemas.federation import EXAMPLE_BUCKETS, TaskMetrics
from myofed_schemas.study import StudyManifest, TensorSpec

MAX_LOSS = 1e6
"""Cross-entropy plus soft Dice is some ten thousand times smaller; sums of what two liars say must stay finite."""


@dataclass(frozen=True)
class Aggregate:
    """The next model, and what its strategy remembers.

    Attributes:
        weights: In the manifest's shapes and dtypes, finite.
        memory: float64, by the strategy's own names; empty for most.
    """

    weights: Tensors
    memory: dict[str, Float64]


def aggregate(strategy: Strategy, inputs: RoundInputs, spec: Sequence[TensorSpec]) -> Aggregate:
    """The next model; the same updates give the same bits in whatever order they arrived.

    They are folded in the order of the sites' names. Floating-point tensors are rounded to float32 once, at the end.
    Integer tensors (counters such as `num_batches_tracked`) take the largest value: a mean of counters means nothing.

    Raises:
        MyofedError: UPDATE_WEIGHT, STRATEGY_TOO_FEW_SITES, AGGREGATE_NOT_FINITE, or what reading an update raises.
    """
    ordered = replace(inputs, updates=_in_order(inputs.updates, least=strategy.min_updates))
    weights: Tensors = {}
    memory: dict[str, Float64] = {}
    for tensor in spec:
        if tensor.dtype == "int64":
            weights[tensor.name] = _largest(tensor.name, ordered.updates)
            continue
        combined = strategy.combine(tensor.name, ordered)
        weights[tensor.name] = _rounded(combined.value, where=tensor.name)
        memory.update({name: np.asarray(kept, order="C") for name, kept in combined.memory.items()})
    return Aggregate(weights, memory)


def _in_order(updates: Iterable[Update], *, least: int) -> list[Update]:
    ordered = sorted(updates, key=lambda update: update.site)
    if not all(math.isfinite(update.weight) and update.weight > 0 for update in ordered):
        raise MyofedError("UPDATE_WEIGHT", "expected a finite weight above 0, found another")
    check_enough(len(ordered), least=least)
    return ordered


def check_enough(found: int, *, least: int) -> None:
    """So many updates are enough for the strategy.

    Raises:
        MyofedError: STRATEGY_TOO_FEW_SITES.
    """
    if found < least:
        raise MyofedError(
            "STRATEGY_TOO_FEW_SITES",
            f"expected at least {least} updates for this strategy, found {found}",
            hint="invite more sites, raise sites_per_round, or choose another strategy",
            exit_code=ExitCode.QUORUM_LOST,
        )


def _rounded(value: Float64, *, where: str) -> NDArray[np.float32]:
    with np.errstate(over="ignore", invalid="ignore"):
        rounded = np.asarray(value).astype(np.float32)  # numpy makes a scalar of what has no axes
    if not np.isfinite(rounded).all():
        raise MyofedError("AGGREGATE_NOT_FINITE", f"expected a finite next model, found other values, in {where}")
    return rounded


def _largest(name: str, updates: Sequence[Update]) -> NDArray[np.int64]:
    largest = updates[0].read(name).astype(np.int64)
    for update in updates[1:]:
        np.maximum(largest, update.read(name), out=largest)
    return largest


MOST_TIMES_THE_MEDIAN = 5.0
"""A site's number of subjects can only be believed: no update counts more than so many times the round's median one."""


def capped(weights: Sequence[float]) -> list[float]:
    """The weights of a round's updates, none above MOST_TIMES_THE_MEDIAN; the median of an even number is its lower middle."""
    ordered = sorted(weights)
    most = MOST_TIMES_THE_MEDIAN * ordered[(len(ordered) - 1) // 2] if ordered else 0.0
    return [min(weight, most) for weight in weights]


def weight_of(metrics: TaskMetrics, manifest: StudyManifest) -> float:
    """What an update counts: 1 with uniform weighting, else the site's bucketed number of training subjects."""
    return 1.0 if manifest.weighting == "uniform" else float(metrics.examples)


def check_metrics(metrics: TaskMetrics, manifest: StudyManifest, *, trained: bool) -> None:
    """What a site says about its task is possible under this manifest.

    Raises:
        MyofedError: METRICS_IMPLAUSIBLE.
    """
    plausible = (
        abs(metrics.loss) <= MAX_LOSS
        and _are_of([score.muscle for score in metrics.scores], manifest.muscles)
        and _are_of([score.structure for score in metrics.group_scores], _drawn_sets(manifest))
        and all(math.isfinite(s.dice_sum) and s.dice_sum <= s.subjects for s in metrics.scores + metrics.group_scores)
    )
    if trained:
        plausible = (
            plausible and metrics.examples in EXAMPLE_BUCKETS and 1 <= metrics.steps <= manifest.training.local_steps
        )
    if not plausible:
        raise MyofedError("METRICS_IMPLAUSIBLE", "expected metrics that this manifest allows, found others")


def _are_of(names: Sequence[str], known: Iterable[str]) -> bool:
    return set(names) <= set(known) and len(set(names)) == len(names)


def _drawn_sets(manifest: StudyManifest) -> set[str]:
    """What some site of the study draws otherwise than muscle by muscle."""
    mixed = manifest.mixed_labels
    return {name for labels in mixed.sites for name in labels.structures} if mixed else set()
