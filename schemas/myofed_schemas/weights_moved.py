"""Whether a tensor moved no farther than the study's rounds can take it: the arithmetic of `step_bound`, piece by piece.

Both sides need it, and neither imports the other; arrays come as numpy makes them, and only their own methods are used here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from myofed_schemas.step_bound import SLACK, Reach

PIECE = 1 << 16
"""Numbers looked at at once: what is computed of them stays in a processor's cache."""


@dataclass(frozen=True)
class Moved:
    """What became of a tensor.

    Attributes:
        changed: Some number is another.
        within: Every number is within its reach; none that is no number is.
    """

    changed: bool
    within: bool


def moved(old: Any, new: Any, *, reach: Reach, rounding: float) -> Moved:
    """How the second tensor follows the first.

    Args:
        old: float32 array of any shape.
        new: float32 array of the same shape; whether all are finite is the caller's to check.
        reach: How far a number can have moved.
        rounding: Relative error of one number on its way, see `step_bound.rounding`.
    """
    before, after = old.reshape(-1), new.reshape(-1)
    sure = SLACK * min(reach.travel, reach.cap)
    changed = False
    for start in range(0, len(before), PIECE):
        a, b = before[start : start + PIECE].astype("float64"), after[start : start + PIECE].astype("float64")
        way = b - a
        low, high = way.min(), way.max()
        changed = changed or bool(low != 0 or high != 0)
        if not (-sure <= low and high <= sure):  # also where one is no number
            near = abs(a) * reach.decay + reach.travel
            allowed = SLACK * near.clip(max=reach.cap) + rounding * (abs(b) + reach.travel)
            if not bool((abs(way) <= allowed).all()):
                return Moved(changed, within=False)
    return Moved(changed, within=True)
