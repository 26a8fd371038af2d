"""Coarser maps, made from finer ones by aggregation alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from myofed_node.label_exchange.refusal import LabelRefusedError
from myofed_node.label_map import DrawnMap
from myofed_schemas.muscle_sets import Level, aggregation


def derived_map(drawn: DrawnMap, level: Level) -> DrawnMap:
    """The same voxels, each with the value of the group or compartment of its muscle; marked as derived.

    Args:
        drawn: Canonical values; a set of muscles goes up where one group or compartment holds all its muscles.
        level: Group or compartment.

    Raises:
        LabelRefusedError: LABEL_NOT_AGGREGABLE where a value has no such group: nothing is split.
    """
    upwards = aggregation(level)
    lost = sum(value not in upwards for value in drawn.labels)
    if lost:
        raise LabelRefusedError(
            "LABEL_NOT_AGGREGABLE",
            f"expected labels that belong to one {level} each, found {lost} others",
            hint="export this map at the level of its own labels",
        )
    lookup = np.zeros(max(drawn.labels) + 1, dtype=np.int16)
    for value in drawn.labels:
        lookup[value] = upwards[value]
    return replace(
        drawn,
        values=lookup[drawn.values],
        labels=tuple(sorted({upwards[value] for value in drawn.labels})),
        values_present=tuple(sorted({upwards[value] for value in drawn.values_present})),
        derived=level,
    )
