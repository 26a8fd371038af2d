"""Names of labels."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from myofed_node.label_exchange.names import Target, plain, resolve
from myofed_schemas.anatomy import Side
from myofed_schemas.label_schemes import LabelScheme, LabelSide, scheme_rows
from myofed_schemas.muscle_sets import label_name, structures

VALUES = [(s, side) for s in structures().values() for side in Side]


@pytest.mark.parametrize(
    "name", ["", "left", "Muscle 1", "anterior compartment left", "vastus", "12", "choroid plexus", "left left"]
)
def test_name_that_could_mean_anything_is_unknown(name: str) -> None:
    """A compartment without its region is one of several."""
    assert resolve(name) is None


@pytest.mark.parametrize(
    ("name", "structure", "side"),
    [
        ("55 Vastus lateralis Left", "VL", LabelSide.LEFT),
        ("Vastus_Lateralis_R", "VL", LabelSide.RIGHT),
        ("L VL", "VL", LabelSide.LEFT),
        ("vl (right)", "VL", LabelSide.RIGHT),
        ("quadriceps_femoris_left", "quadriceps", LabelSide.LEFT),
        ("Gemelli & Quadratus Femoris L", "gemelli and quadratus femoris", LabelSide.LEFT),
        ("Infraspinatus", "ISP", LabelSide.BOTH),
        ("thigh_medial_compartment_right", "thigh medial compartment", LabelSide.RIGHT),
        ("Femur L", "bone", LabelSide.LEFT),
        ("Sacrum", "bone", LabelSide.MIDLINE),
        ("sartorius", "SA", LabelSide.BOTH),
        ("left sartorius group", "sartorius", LabelSide.LEFT),
        ("biceps femoris right", "biceps femoris", LabelSide.RIGHT),
    ],
)
def test_name_is_known_in_its_many_spellings(name: str, structure: str, side: LabelSide) -> None:
    """Number, case, underscores, side in front or behind."""
    assert resolve(name) == Target(structure, side)


def test_name_of_a_tool_means_what_that_tool_draws() -> None:
    """TotalSegmentator's infraspinatus has teres minor in it."""
    scheme = LabelScheme.TOTALSEGMENTATOR_THIGH_SHOULDER
    assert resolve("infraspinatus", scheme) == Target("infraspinatus and teres minor", LabelSide.BOTH)
    assert resolve("Anterior Compartment L", LabelScheme.MUSCLEMAP_99) == Target(
        "leg anterior compartment", LabelSide.LEFT
    )
    assert resolve("Soleus Left", scheme) is None


@given(st.sampled_from(VALUES), st.sampled_from([str, str.upper, lambda n: n.replace(" ", "_"), lambda n: f"12 {n}"]))
def test_our_names_lead_back_to_structure_and_side(item: tuple[object, Side], change: object) -> None:
    """What we export we read."""
    structure, side = item
    name = change(label_name(structure.label_value(side)))  # type: ignore[operator, attr-defined]
    assert resolve(name) == Target(structure.id, LabelSide(side.word))  # type: ignore[attr-defined]


@pytest.mark.parametrize("scheme", LabelScheme)
def test_every_name_of_a_tool_leads_to_its_own_row(scheme: LabelScheme) -> None:
    """Two rows of a table never share a name and side."""
    for row in scheme_rows(scheme):
        found = resolve(row.name, scheme)
        assert found is not None
        assert found.structure == row.structure
        assert found.side is row.side or row.structure not in structures()


def test_single_word_that_is_a_side_stays_a_name() -> None:
    """There would be no name left."""
    assert plain("Left") == ("left", None)
    assert not Target("bone", LabelSide.LEFT).is_muscle
