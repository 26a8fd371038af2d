"""Groups, compartments and what coarser tools draw."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from myofed_schemas.anatomy import MUSCLES_VERSION, Side, groups, muscle, muscles, muscles_digest
from myofed_schemas.muscle_sets import (
    Level,
    aggregation,
    compartment_name,
    exact_codes,
    is_single_muscle,
    label_name,
    muscle_sets,
    structure_name,
    structure_of_code,
    structure_of_label_value,
    structures,
)

VALUES = [s.label_value(side) for s in structures().values() for side in Side]


def test_unknown_values_and_codes_are_refused() -> None:
    """Nothing is found for them."""
    with pytest.raises(KeyError):
        structure_of_label_value(7100)
    with pytest.raises(KeyError):
        structure_of_code("UBERON", "UBERON:9999999")
    with pytest.raises(KeyError):
        is_single_muscle(1)
    assert label_name(7103) == ""


def test_code_that_two_muscles_share_finds_neither() -> None:
    """ISO 11073 has one code for both obturators."""
    assert muscle("OI").mdc == muscle("OE").mdc == "816"
    with pytest.raises(KeyError):
        structure_of_code("MDC", "7:816")
    assert "MDC" not in exact_codes(muscle("OI"))


def test_code_of_a_whole_muscle_is_not_the_code_of_its_head() -> None:
    """UBERON knows biceps femoris alone."""
    assert structure_of_code("UBERON", "UBERON:0001374").id == "biceps femoris"
    assert list(exact_codes(muscle("BFL"))) == ["MDC"]


@given(st.sampled_from(VALUES))
def test_value_leads_to_one_structure_and_side_and_back(value: int) -> None:
    """Left is odd, right one more, all fit 16 bits with sign."""
    structure, side = structure_of_label_value(value)
    assert structure.label_value(side) == value
    assert 0 < value < 2**15
    assert value % 10 == side.value
    assert VALUES.count(value) == 1


def test_numbers_tell_kinds_apart() -> None:
    """Below 10,000 MuscleMap's, from 11,000 our muscles, from 21,000 sets."""
    assert all(21_000 <= s.value < 29_000 and s.value % 10 == 1 for s in muscle_sets())
    for m in muscles():
        assert m.value == m.musclemap if m.value < 10_000 else m.musclemap is None and 11_000 <= m.value < 19_000


def test_every_group_and_compartment_of_a_muscle_has_its_number() -> None:
    """And no number is without muscles."""
    named = {level: {s.name for s in muscle_sets() if s.level is level} for level in Level}
    assert named[Level.GROUP] == set(groups())
    assert named[Level.COMPARTMENT] == {compartment_name(m) for m in muscles()}
    assert all(len(s.members) > 1 for s in muscle_sets() if s.level is Level.UNION)
    assert all(s.members for s in muscle_sets())


def test_members_of_groups_are_those_of_the_muscles_table() -> None:
    """Never a second list."""
    for s in muscle_sets():
        if s.level is Level.GROUP:
            assert s.members == groups()[s.name]


def test_aggregation_goes_up_only() -> None:
    """A muscle and a union have a group, a group has a compartment, a compartment of two groups has no group."""
    to_group, to_compartment = aggregation(Level.GROUP), aggregation(Level.COMPARTMENT)
    quadriceps, medial = structures()["quadriceps"], structures()["thigh medial compartment"]
    assert to_group[7102] == quadriceps.label_value(Side.RIGHT)
    assert to_group[structures()["biceps femoris"].value] == structures()["hamstrings"].value
    assert to_compartment[quadriceps.value] == structures()["thigh anterior compartment"].value
    assert medial.value not in to_group
    assert structures()["deep muscles of back"].value not in to_group
    assert aggregation(Level.UNION) == {}


def test_all_muscles_have_group_and_compartment() -> None:
    """Both sides."""
    for level in (Level.GROUP, Level.COMPARTMENT):
        assert {m.label_value(side) for m in muscles() for side in Side} <= set(aggregation(level))


def test_names_tell_a_group_from_its_only_muscle() -> None:
    """Both are called sartorius."""
    assert structure_name(structures()["sartorius"]) == "sartorius group"
    names = [label_name(value) for value in VALUES]
    assert len(set(names)) == len(names)


def test_tables_have_a_version_and_a_digest() -> None:
    """Written beside every label map."""
    assert MUSCLES_VERSION == "2"
    assert len(muscles_digest()) == 64


def test_regions_have_the_muscles_that_the_page_counts() -> None:
    """The 13 of the first table are unchanged and first."""
    first = ["VL", "VI", "VM", "RF", "SA", "GR", "AM", "AL", "AB", "SM", "ST", "BFL", "BFS"]
    assert [m.id for m in muscles()][:13] == first
    assert all(muscle(m).musclemap == muscle(m).value for m in first)
    count = {region: sum(m.region == region for m in muscles()) for region in {m.region for m in muscles()}}
    assert count == {"thigh": 15, "leg": 14, "hip": 13, "shoulder": 13, "arm": 4, "neck": 6, "trunk": 8}
