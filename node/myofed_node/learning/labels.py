"""Canonical label values (MuscleMap: left and right differ by one) -> class index of the network."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from myofed_schemas.anatomy import Side, muscle, muscle_of_label_value
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode

BACKGROUND = 0


def class_map(values: npt.NDArray[np.integer], *, muscles: Sequence[str], side: Side) -> npt.NDArray[np.uint8]:
    """Class k+1 where the label map holds muscle k of this side, 0 elsewhere.

    Muscles of the label map that the study does not name, and those of the other side, become background.

    Args:
        values: Canonical label map, any shape, integers.
        muscles: Muscle ids of the manifest, in its order.
        side: Whose muscles to take.

    Returns:
        The classes, same shape, uint8.

    Raises:
        MyofedError: LABEL_VALUE_UNKNOWN where a value stands for no muscle.
    """
    known = sorted({int(v) for v in np.unique(values)} - {BACKGROUND})
    _check_known(known)
    table = np.zeros(max([BACKGROUND, *known]) + 1, dtype=np.uint8)
    for index, name in enumerate(muscles):
        value = muscle(name).label_value(side)
        if value < table.size:
            table[value] = index + 1
    classes: npt.NDArray[np.uint8] = table[values]
    return classes


def _check_known(values: Sequence[int]) -> None:
    unknown = 0
    for value in values:
        try:
            muscle_of_label_value(value)
        except KeyError:
            unknown += 1
    if unknown:
        raise MyofedError(
            "LABEL_VALUE_UNKNOWN",
            f"expected values of muscles.tsv in the label map, found {unknown} others",
            hint="import the label map again with its table",
            exit_code=ExitCode.BAD_INPUT,
        )
