"""What every strategy has in common: it makes one tensor of the next model from that tensor of all checked updates."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from myofed_coordinator.federation.weights import ReadTensor, Tensor
from myofed_schemas.weights_moved import PIECE

Float64 = NDArray[np.float64]


@dataclass(frozen=True)
class Update:
    """One site's checked update, on disk until a tensor of it is asked for.

    Attributes:
        site: Decides the order of folding.
        weight: 1 or the bucketed number of examples.
        read: Name -> tensor.
    """

    site: str
    weight: float
    read: ReadTensor


@dataclass(frozen=True)
class RoundInputs:
    """What a round brings to its strategy.

    Attributes:
        updates: In the order of the sites' names, at least `min_updates`.
        outgoing: The weights that went out.
        memory: What the strategy remembered in the round before, by its own names; None in the first round.
    """

    updates: Sequence[Update]
    outgoing: ReadTensor
    memory: Callable[[str], Float64] | None = None


@dataclass(frozen=True)
class Combined:
    """One floating-point tensor of the next model.

    Attributes:
        value: float64; rounded to float32 once, by the caller.
        memory: What to remember for the next round, kept in float64 in the checkpoint.
    """

    value: Float64
    memory: Mapping[str, Float64] = field(default_factory=dict)


class Strategy(Protocol):
    """How updates become the next model, tensor by tensor."""

    @property
    def min_updates(self) -> int:
        """With fewer the mathematics mean nothing: the run ends as STRATEGY_TOO_FEW_SITES."""

    @property
    def remembers(self) -> bool:
        """A checkpoint without this strategy's memory is not whole."""

    def combine(self, name: str, inputs: RoundInputs) -> Combined:
        """The floating-point tensor `name` of the next model."""


def weighted_mean(name: str, updates: Sequence[Update]) -> Float64:
    """sum(w x) / sum(w) in float64, folded in the given order, one update's tensor in memory at a time.

    Source: McMahan 2017, Algorithm 1, with the weights of the manifest.
    """
    total: Float64 | None = None
    for update in updates:
        values = update.read(name)
        if total is None:
            total = np.empty(values.shape, np.float64)
            np.multiply(values, update.weight, out=total, dtype=np.float64)
        else:
            _add_weighted(total.reshape(-1), values.reshape(-1), update.weight)
    assert total is not None
    total /= sum(update.weight for update in updates)
    return total


def _add_weighted(total: Float64, values: Tensor, weight: float) -> None:
    """Piece by piece: what is between stays in a processor's cache."""
    piece = np.empty(min(PIECE, len(total)), np.float64)
    for at in range(0, len(total), PIECE):
        some = values[at : at + PIECE]
        weighted = np.multiply(some, weight, out=piece[: len(some)], dtype=np.float64)
        total[at : at + PIECE] += weighted
