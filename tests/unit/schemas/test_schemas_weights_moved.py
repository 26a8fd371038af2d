"""Whether a tensor moved no farther than its reach, piece by piece as all at once."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from myofed_schemas import weights_moved
from myofed_schemas.step_bound import SLACK, Reach
from myofed_schemas.weights_moved import Moved, moved

ROUNDING = 1e-5
VALUES = st.floats(-10, 10, width=32)


def one(old: float, new: float, reach: Reach) -> Moved:
    return moved(np.array(old, np.float32), np.array([new], np.float32)[0], reach=reach, rounding=ROUNDING)


@pytest.mark.parametrize("new", [1.2, 0.8, math.nan])
def test_longer_way_is_not_within(new: float) -> None:
    """Nor is what is no number."""
    assert one(1.0, new, Reach(travel=0.1, cap=math.inf)) == Moved(changed=True, within=False)


def test_reach_is_what_decay_travel_and_cap_say() -> None:
    """A large weight may decay farther; the cap holds for both together."""
    wide = Reach(decay=0.1, travel=0.1, cap=math.inf)
    assert one(10.0, 9.0, wide).within
    assert not one(1.0, 0.75, wide).within
    assert not one(10.0, 9.0, Reach(decay=0.1, travel=0.1, cap=0.5)).within
    assert one(0.0, 0.1 * SLACK, Reach(travel=0.1, cap=1.0)).within
    assert one(1.0, 1.0, Reach()) == Moved(changed=False, within=True)


@given(st.lists(st.tuples(VALUES, VALUES), max_size=12), st.floats(0, 0.5), st.floats(0, 5), st.floats(0, 5))
def test_pieces_say_what_the_whole_says(
    pairs: list[tuple[float, float]], decay: float, travel: float, cap: float
) -> None:
    """Written out for all numbers at once."""
    old = np.array([a for a, _ in pairs], np.float32)
    new = np.array([b for _, b in pairs], np.float32)
    a, b = old.astype(np.float64), new.astype(np.float64)
    allowed = SLACK * np.minimum(decay * np.abs(a) + travel, cap) + ROUNDING * (np.abs(b) + travel)
    near = np.abs(b - a) <= allowed
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(weights_moved, "PIECE", 5)
        found = moved(old.reshape(1, -1), new.reshape(1, -1), reach=Reach(decay, travel, cap), rounding=ROUNDING)
    assert found.within == bool(near.all())
    if found.within:
        assert found.changed == bool((old != new).any())
