"""One colour a structure, the same in every file and version."""

from __future__ import annotations

import colorsys

from myofed_schemas.anatomy import Side
from myofed_schemas.muscle_sets import structure_of_label_value

HUE_STEP, SATURATION_STEP = 0.7548776662466927, 0.5698402909980532
"""Multiples of both, modulo 1, spread evenly over a square (the R2 sequence, Roberts 2018): neighbours differ."""


def colour(value: int) -> tuple[int, int, int]:
    """Red, green and blue (0 to 255) of a canonical value; right is the darker of the two sides.

    Raises:
        KeyError: No structure has this value.
    """
    structure, side = structure_of_label_value(value)
    number = structure.label_value(Side.LEFT) // 10
    saturation = 0.5 + 0.5 * (number * SATURATION_STEP % 1.0)
    brightness = 1.0 if side is Side.LEFT else 0.72
    red, green, blue = colorsys.hsv_to_rgb(number * HUE_STEP % 1.0, saturation, brightness)
    return round(255 * red), round(255 * green), round(255 * blue)
