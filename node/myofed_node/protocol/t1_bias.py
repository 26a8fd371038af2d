"""By how much T1 weighting moves a fat fraction: fat recovers faster than muscle's water and so counts too much.

Steady-state signal of a spoiled gradient echo per unit of proton density (Ernst and Anderson 1966, Rev Sci Instrum 37:93):
`s = sin(a) (1 - E1) / (1 - cos(a) E1)`, `E1 = exp(-TR / T1)`. The apparent fat fraction is F s_f / (F s_f + W s_w).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

STEEPEST_DEGREES = 90.0
"""Up to here the bias grows with the flip angle and falls with the repetition time."""


@dataclass(frozen=True)
class Tissue:
    """T1 of water in muscle and of fat, ms, and the fat fraction that is there, percent."""

    water_t1_ms: float
    fat_t1_ms: float
    true_fat_fraction_percent: float


def ernst_signal(*, flip_angle_degrees: float, repetition_time_ms: float, t1_ms: float) -> float:
    """Steady-state signal per unit of proton density, 0..1."""
    flip = math.radians(flip_angle_degrees)
    e1 = math.exp(-repetition_time_ms / t1_ms)
    return math.sin(flip) * (1 - e1) / (1 - math.cos(flip) * e1)


def t1_bias_points(tissue: Tissue, *, flip_angle_degrees: float, repetition_time_ms: float) -> float:
    """Apparent less true fat fraction, percentage points; above 0 where fat has the shorter T1.

    Args:
        tissue: See Tissue.
        flip_angle_degrees: Above 0, below 180.
        repetition_time_ms: Above 0.
    """
    water, fat = (
        ernst_signal(flip_angle_degrees=flip_angle_degrees, repetition_time_ms=repetition_time_ms, t1_ms=t1)
        for t1 in (tissue.water_t1_ms, tissue.fat_t1_ms)
    )
    true = tissue.true_fat_fraction_percent / 100
    return 100 * (true * fat / (true * fat + (1 - true) * water) - true)


def largest_flip_angle(tissue: Tissue, *, repetition_time_ms: float, most_points: float) -> float:
    """The largest flip angle, at most 90 degrees, whose bias is at most `most_points`; by bisection, to 0.01 degrees.

    Args:
        tissue: Fat with the shorter T1.
        repetition_time_ms: Above 0.
        most_points: Bias in percentage points, above 0.
    """
    low, high = 0.0, STEEPEST_DEGREES
    if t1_bias_points(tissue, flip_angle_degrees=high, repetition_time_ms=repetition_time_ms) <= most_points:
        return high
    while high - low > 0.01:
        middle = (low + high) / 2
        bias = t1_bias_points(tissue, flip_angle_degrees=middle, repetition_time_ms=repetition_time_ms)
        low, high = (middle, high) if bias <= most_points else (low, middle)
    return low
