"""Label values become targets of the site's label space: single muscles, or sets that are never split."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from learning_factories import manifest, set_site

from myofed_node.learning.labels import class_map, label_space, sets_of_study, site_labels
from myofed_schemas.anatomy import THIGH_11, Side, muscle, muscles
from myofed_schemas.errors import MyofedError
from myofed_schemas.muscle_sets import muscle_sets, structures
from myofed_schemas.study_options import SiteLabels

SINGLE = label_space(THIGH_11)


def space(*names: str, study: tuple[str, ...] = THIGH_11) -> object:
    return label_space(study, SiteLabels(site="hospital-a", structures=names))


def left(*names: str) -> np.ndarray:
    return np.array([structures()[name].label_value(Side.LEFT) for name in names])


def refusal_of(values: np.ndarray, of_space: object) -> str:
    with pytest.raises(MyofedError) as refusal:
        class_map(values, space=of_space, side=Side.LEFT)
    return refusal.value.code


@pytest.mark.parametrize("value", [1, 7100, 9999, -1])
def test_value_of_no_muscle_is_refused_and_not_named(value: int) -> None:
    """An unknown value is never taken for background, and the message does not repeat it."""
    with pytest.raises(MyofedError) as refusal:
        class_map(np.array([0, value, 7101]), space=SINGLE, side=Side.LEFT)
    assert refusal.value.code == "LABEL_VALUE_UNKNOWN"
    assert str(value) not in refusal.value.message.replace("1 others", "")


def test_set_is_refused_where_its_muscles_should_have_been_drawn_singly() -> None:
    """No value of a set ever stands for one of its members, nor for a smaller set."""
    assert refusal_of(left("quadriceps"), SINGLE) == "LABEL_TOO_COARSE"
    assert refusal_of(left("quadriceps"), space("VL", "RF")) == "LABEL_TOO_COARSE"
    assert refusal_of(left("thigh anterior compartment"), space("quadriceps")) == "LABEL_TOO_COARSE"
    assert refusal_of(left("adductors"), space("AM")) == "LABEL_TOO_COARSE"


def test_each_muscle_of_the_side_gets_its_place_in_the_manifest() -> None:
    """Class k+1 is muscle k; the other side's muscles and those the study does not name are background."""
    for side in Side:
        other = Side.LEFT if side is Side.RIGHT else Side.RIGHT
        values = np.array(
            [0, *(muscle(m).label_value(side) for m in THIGH_11), *(muscle(m).label_value(other) for m in THIGH_11)]
        )
        assert class_map(values, space=SINGLE, side=side).tolist() == [*range(12), *[0] * 11]
    everything = np.array([m.label_value(Side.LEFT) for m in muscles()])
    assert np.count_nonzero(class_map(everything, space=label_space(("VL", "RF")), side=Side.LEFT)) == 2


def test_muscle_is_taken_up_into_its_set() -> None:
    """A site that draws the group may have drawn members here and there."""
    groups = space("quadriceps", "hamstrings")
    assert class_map(left("VL", "quadriceps", "SM"), space=groups, side=Side.LEFT).tolist() == [1, 1, 2]


def test_set_outside_the_study_and_muscle_that_the_site_does_not_draw_are_undrawn() -> None:
    """Neither says anything; what is undrawn may be background or a muscle that the site never draws."""
    some = space("quadriceps")
    assert class_map(left("triceps surae", "SM", "hamstrings"), space=some, side=Side.LEFT).tolist() == [0, 0, 0]
    assert some.allowed[0] == (0, 1, 6, 7, 8, 9, 10, 11)


def test_set_with_members_outside_the_study_may_be_background() -> None:
    """Adductors are adductor magnus or muscles that other sites leave in the background."""
    groups = space("adductors", "VL", "triceps surae")
    assert groups.structures == ("adductors", "VL")
    assert groups.allowed[1:] == ((0, 6), (3,))
    assert groups.whole == (False, True)
    assert groups.targets_of((6,)) is None


def test_targets_of_a_set_are_found_where_the_site_draws_its_members_or_itself() -> None:
    """A fully labelling site can be scored on the group; a group site cannot be scored on a member."""
    assert SINGLE.is_single
    assert SINGLE.targets_of((3, 4, 5, 2)) == (2, 3, 4, 5)
    groups = space("quadriceps", "SA")
    assert not groups.is_single
    assert groups.targets_of((2, 3, 4, 5)) == (1,)
    assert groups.targets_of((1,)) == (2,)
    assert groups.targets_of((3,)) is None
    assert groups.targets_of((2, 3)) is None
    assert groups.targets_of(()) is None


@given(st.sets(st.sampled_from([s.id for s in (*muscles(), *muscle_sets())]), min_size=1, max_size=6))
def test_allowed_classes_partition_the_studys_muscles(names: set[str]) -> None:
    """Whatever a site draws, each muscle of the study is allowed by exactly one target, and set targets never lose a member."""
    members = [m for n in names for m in structures()[n].members]
    if len(set(members)) < len(members):
        return
    of_site = space(*sorted(names))
    found = sorted(c for allowed in of_site.allowed for c in allowed if c)
    assert found == list(range(1, 12))
    for name, allowed in zip(of_site.structures, of_site.allowed[1:], strict=True):
        assert {THIGH_11[c - 1] for c in allowed if c} == set(structures()[name].members) & set(THIGH_11)


def test_manifest_says_what_a_site_draws_and_which_sets_are_scored() -> None:
    """A site that is not named draws every muscle singly; a set that reaches beyond the study is not scored."""
    labels, study = set_site()
    assert site_labels(study, "hospital-b") == labels
    assert site_labels(study, "hospital-a") is None
    assert site_labels(manifest(), "hospital-b") is None
    assert sets_of_study(study) == {"biceps femoris": (1, 2)}
    assert sets_of_study(manifest()) == {}
    wide = {"sites": [{"site": "hospital-b", "structures": ["adductors", "GR"]}]}
    assert sets_of_study(manifest(muscles=("AM", "GR"), mixed_labels=wide)) == {}
