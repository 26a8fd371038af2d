"""Muscles, sides and groups."""

from __future__ import annotations

import pytest

from myofed_schemas.anatomy import THIGH_11, Side, groups, muscle, muscle_of_label_value, muscles


def test_thigh_has_eleven_muscles_a_side_in_the_order_of_the_public_label_maps() -> None:
    """The public 11-muscle maps number them 1..11."""
    assert [muscle(m).challenge for m in THIGH_11] == [str(n) for n in range(1, 12)]


def test_label_values_are_unique_and_lead_back_to_muscle_and_side() -> None:
    """A value in a label map means one muscle on one side."""
    values = [m.label_value(side) for m in muscles() for side in Side]
    assert len(set(values)) == len(values)
    for m in muscles():
        for side in Side:
            assert muscle_of_label_value(m.label_value(side)) == (m, side)


def test_left_ends_in_one_and_right_in_two() -> None:
    """MuscleMap's convention, so that labels drop into its tools."""
    for m in muscles():
        assert m.label_value(Side.LEFT) % 10 == 1
        assert m.label_value(Side.RIGHT) % 10 == 2


def test_every_muscle_belongs_to_exactly_one_group() -> None:
    """The follow-up level is an aggregation of the individual one."""
    members = [m for ids in groups().values() for m in ids]
    assert sorted(members) == sorted(m.id for m in muscles())


def test_unknown_muscle_is_refused() -> None:
    """A name that is no row of the table has no value."""
    with pytest.raises(KeyError):
        muscle("XX")
    with pytest.raises(KeyError):
        muscle_of_label_value(1)


def test_side_in_words() -> None:
    """As tables write it."""
    assert (Side.LEFT.word, Side.RIGHT.word) == ("left", "right")
