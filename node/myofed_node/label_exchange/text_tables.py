"""Tables of a label map's values for viewers."""

from __future__ import annotations

from collections.abc import Iterable

from myofed_node.label_exchange.colours import colour
from myofed_schemas.muscle_sets import label_name


def itksnap_table(values: Iterable[int]) -> bytes:
    """An ITK-SNAP label description: index, colour, opacity, visible in slices and in 3D, name."""
    rows = ["# ITK-SnAP Label Description File", "# IDX -R- -G- -B- -A- VIS MSH LABEL", '0 0 0 0 0 0 0 "Clear Label"']
    for value in values:
        red, green, blue = colour(value)
        rows.append(f'{value} {red} {green} {blue} 1 1 1 "{label_name(value)}"')
    return ("\n".join(rows) + "\n").encode()


def slicer_table(values: Iterable[int]) -> bytes:
    """A 3D Slicer colour table: index, name with underscores, colour, opacity."""
    rows = ["# Color table file", "0 Background 0 0 0 0"]
    for value in values:
        red, green, blue = colour(value)
        rows.append(f"{value} {label_name(value).replace(' ', '_')} {red} {green} {blue} 255")
    return ("\n".join(rows) + "\n").encode()
