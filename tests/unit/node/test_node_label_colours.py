"""Colours of labels."""

from __future__ import annotations

import pytest

from myofed_node.label_exchange.colours import colour
from myofed_schemas.anatomy import Side
from myofed_schemas.muscle_sets import structures


def test_unknown_value_has_no_colour() -> None:
    """As it has no name."""
    with pytest.raises(KeyError):
        colour(1)


def test_every_label_has_its_own_colour() -> None:
    """131 structures, two sides."""
    colours = [colour(s.label_value(side)) for s in structures().values() for side in Side]
    assert len(set(colours)) == len(colours) == 262
    assert all(0 <= part <= 255 for c in colours for part in c)


def test_colour_depends_on_the_value_alone() -> None:
    """Not on the table's order: a later version gives the same."""
    assert colour(7101) == (255, 53, 97)
    assert sum(colour(7102)) < sum(colour(7101))
