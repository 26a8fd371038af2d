"""Label values become class indices of the study, side by side."""

from __future__ import annotations

import numpy as np
import pytest

from myofed_node.learning.labels import class_map
from myofed_schemas.anatomy import THIGH_11, Side, muscle, muscles
from myofed_schemas.errors import MyofedError


@pytest.mark.parametrize("value", [1, 7100, 9999, -1])
def test_value_of_no_muscle_is_refused_and_not_named(value: int) -> None:
    """An unknown value is never taken for background, and the message does not repeat it."""
    with pytest.raises(MyofedError) as refusal:
        class_map(np.array([0, value, 7101]), muscles=THIGH_11, side=Side.LEFT)
    assert refusal.value.code == "LABEL_VALUE_UNKNOWN"
    assert str(value) not in refusal.value.message.replace("1 others", "")


def test_each_muscle_of_the_side_gets_its_place_in_the_manifest() -> None:
    """Class k+1 is muscle k; the other side's muscles and those the study does not name are background."""
    for side in Side:
        other = Side.LEFT if side is Side.RIGHT else Side.RIGHT
        values = np.array(
            [0, *(muscle(m).label_value(side) for m in THIGH_11), *(muscle(m).label_value(other) for m in THIGH_11)]
        )
        assert class_map(values, muscles=THIGH_11, side=side).tolist() == [*range(12), *[0] * 11]
    everything = np.array([m.label_value(Side.LEFT) for m in muscles()])
    assert np.count_nonzero(class_map(everything, muscles=("VL", "RF"), side=Side.LEFT)) == 2
