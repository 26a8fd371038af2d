"""Coarser maps by aggregation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from label_factories import LEFT, RIGHT, drawn

from myofed_node.label_exchange.derive import derived_map
from myofed_node.label_exchange.refusal import LabelRefusedError
from myofed_schemas.anatomy import Side, muscle, muscles
from myofed_schemas.muscle_sets import Level, structure_of_label_value, structures

MEDIAL = structures()["thigh medial compartment"]


@pytest.mark.parametrize("name", ["thigh medial compartment", "deep muscles of back"])
def test_what_belongs_to_several_groups_is_never_split(name: str) -> None:
    """A compartment of two groups, all muscles of the back."""
    lossy = drawn({LEFT: structures()[name].label_value(Side.LEFT)})
    assert lossy.lossy
    with pytest.raises(LabelRefusedError) as refusal:
        derived_map(lossy, Level.GROUP)
    assert refusal.value.code == "LABEL_NOT_AGGREGABLE"
    assert "found 1 others" in refusal.value.message


def test_muscles_of_a_group_become_one_label_marked_as_derived() -> None:
    """Derived is not lossy: the finer map exists."""
    fine = drawn({LEFT: 7101, (3, 3, 1): 7131, RIGHT: 7102})
    coarse = derived_map(fine, Level.GROUP)
    quadriceps = structures()["quadriceps"].value
    assert coarse.labels == coarse.values_present == (quadriceps, quadriceps + 1)
    assert (coarse.values[LEFT], coarse.values[3, 3, 1], coarse.values[RIGHT]) == (
        quadriceps,
        quadriceps,
        quadriceps + 1,
    )
    assert (coarse.derived, coarse.lossy, fine.lossy) == (Level.GROUP, False, False)


@given(st.sets(st.sampled_from([m.label_value(side) for m in muscles() for side in Side]), min_size=1, max_size=20),
       st.sampled_from([Level.GROUP, Level.COMPARTMENT]))  # fmt: skip
def test_every_voxel_of_a_group_belongs_to_one_of_its_muscles(values: set[int], level: Level) -> None:
    """No voxel is lost, won, or moved to the other side."""
    voxels = {(n % 5, (n // 5) % 4, n // 20): value for n, value in enumerate(sorted(values))}
    fine = drawn(voxels)
    coarse = derived_map(fine, level)
    assert np.array_equal(coarse.values > 0, fine.values > 0)
    for voxel, value in voxels.items():
        structure, side = structure_of_label_value(int(coarse.values[voxel]))
        finer, finer_side = structure_of_label_value(value)
        assert finer.id in structure.members
        assert side is finer_side


def test_lossy_union_goes_up_to_its_group() -> None:
    """Both heads of biceps femoris are hamstrings."""
    whole = structures()["biceps femoris"].value
    coarse = derived_map(drawn({LEFT: whole, RIGHT: muscle("ST").value + 1}), Level.GROUP)
    assert coarse.labels == (structures()["hamstrings"].value, structures()["hamstrings"].value + 1)
