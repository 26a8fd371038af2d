"""Federated averaging of whole, checked updates (McMahan 2017, Algorithm 1), in float64 and in a fixed order."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from myofed_coordinator.federation.weights import Tensor, Tensors, check
from myofed_schemas.errors import MyofedError
from myofed_schemas.federation import EXAMPLE_BUCKETS, TaskMetrics
from myofed_schemas.study import StudyManifest, TensorSpec


class WeightedMean:
    """A running weighted mean; an update is folded whole or, when any of it is wrong, not at all.

    Floating-point tensors are summed in float64 and rounded once, at the end. Integer tensors (counters such as
    `num_batches_tracked`) take the largest value seen: a mean of counters means nothing.
    """

    def __init__(self, spec: Sequence[TensorSpec]) -> None:
        self._spec = tuple(spec)
        self._sums: dict[str, NDArray[np.float64]] = {}
        self._counters: dict[str, NDArray[np.int64]] = {}
        self._weight = 0.0

    def fold(self, tensors: Mapping[str, Tensor], *, weight: float) -> None:
        """The update is part of the mean.

        Args:
            tensors: All tensors of the manifest's state dict.
            weight: Finite and above 0.

        Raises:
            MyofedError: UPDATE_WEIGHT or a code of `weights.check`; the mean is unchanged then.
        """
        if not (math.isfinite(weight) and weight > 0):
            raise MyofedError("UPDATE_WEIGHT", "expected a finite weight above 0, found another")
        check(tensors, self._spec)
        for name, tensor in tensors.items():
            if tensor.dtype.kind == "f":
                self._add(name, tensor.astype(np.float64) * weight)
            else:
                counter = tensor.astype(np.int64)
                self._counters[name] = np.maximum(self._counters[name], counter) if name in self._counters else counter
        self._weight += weight

    def result(self) -> Tensors:
        """The mean of everything folded, in the manifest's dtypes.

        Raises:
            MyofedError: NO_UPDATES where nothing was folded.
        """
        if self._weight == 0:
            raise MyofedError("NO_UPDATES", "expected at least one update, found none")
        means: Tensors = {name: (total / self._weight).astype(np.float32) for name, total in self._sums.items()}
        return {**means, **self._counters}

    def _add(self, name: str, weighted: NDArray[np.float64]) -> None:
        if name in self._sums:
            self._sums[name] += weighted
        else:
            self._sums[name] = weighted


@dataclass(frozen=True)
class Contribution:
    """One site's checked update, read only when its turn comes.

    Attributes:
        site: Decides the order of folding.
        weight: 1 or the bucketed number of examples.
        read: Gives the tensors.
    """

    site: str
    weight: float
    read: Callable[[], Tensors]


def federated_average(contributions: Iterable[Contribution], spec: Sequence[TensorSpec]) -> Tensors:
    """The weighted mean; the same contributions give the same bits in whatever order they arrived.

    They are folded in the order of the sites' names, one in memory at a time.

    Raises:
        MyofedError: As `WeightedMean`.
    """
    mean = WeightedMean(spec)
    for contribution in sorted(contributions, key=lambda c: c.site):
        mean.fold(contribution.read(), weight=contribution.weight)
    return mean.result()


def weight_of(metrics: TaskMetrics, manifest: StudyManifest) -> float:
    """What an update counts: 1 with uniform weighting, else the site's bucketed number of training subjects."""
    return 1.0 if manifest.weighting == "uniform" else float(metrics.examples)


def check_metrics(metrics: TaskMetrics, manifest: StudyManifest, *, trained: bool) -> None:
    """What a site says about its task is possible under this manifest.

    Raises:
        MyofedError: METRICS_IMPLAUSIBLE.
    """
    muscles = [score.muscle for score in metrics.scores]
    plausible = (
        math.isfinite(metrics.loss)
        and set(muscles) <= set(manifest.muscles)
        and len(set(muscles)) == len(muscles)
        and all(math.isfinite(s.dice_sum) and s.dice_sum <= s.subjects for s in metrics.scores)
    )
    if trained:
        plausible = (
            plausible and metrics.examples in EXAMPLE_BUCKETS and 1 <= metrics.steps <= manifest.training.local_steps
        )
    if not plausible:
        raise MyofedError("METRICS_IMPLAUSIBLE", "expected metrics that this manifest allows, found others")
