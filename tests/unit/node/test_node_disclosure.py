"""Disclosure control: small counts never leave, in no combination that we publish."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from myofed_node.disclosure import common_categories, protect_count, protect_part
from myofed_schemas.catalog import DisclosurePolicy

POLICIES = st.builds(DisclosurePolicy, k=st.integers(1, 30), round_to=st.integers(1, 20), demo=st.just(True))
DEFAULT = DisclosurePolicy(k=10, round_to=5, demo=False)
few = settings(max_examples=60, deadline=None)


@few
@given(count=st.integers(0, 200), policy=POLICIES)
def test_no_count_below_k_leaves(count: int, policy: DisclosurePolicy) -> None:
    """A withheld count tells nothing but that it is below k, and no published value is below k."""
    value = protect_count(count, policy=policy).value
    assert (value is None) == (count < policy.k)
    assert value is None or value >= policy.k


@few
@given(count=st.integers(0, 500), policy=POLICIES)
def test_published_count_is_a_multiple_of_the_base_and_near_the_truth(count: int, policy: DisclosurePolicy) -> None:
    """Rounding moves a count by less than the base."""
    value = protect_count(count, policy=policy).value
    if value is not None:
        assert value % policy.round_to == 0
        assert abs(value - count) < policy.round_to


@few
@given(whole=st.integers(0, 100), data=st.data(), policy=POLICIES)
def test_small_complement_is_not_told(whole: int, data: st.DataObject, policy: DisclosurePolicy) -> None:
    """Where a few subjects are not in the part, the part is withheld: a subtraction would count them."""
    part = data.draw(st.integers(0, whole))
    value = protect_part(part, whole=whole, policy=policy).value
    if 0 < whole - part < policy.k or part < policy.k:
        assert value is None
    else:
        assert value == protect_count(part, policy=policy).value


@pytest.mark.parametrize(("count", "told"), [(0, None), (9, None), (10, 10), (12, 10), (13, 15), (27, 25), (28, 30)])
def test_default_policy_withholds_below_ten_and_rounds_to_five(count: int, told: int | None) -> None:
    """The default by hand."""
    assert protect_count(count, policy=DEFAULT).value == told


def test_rare_category_is_left_out() -> None:
    """A scanner that nine subjects saw is not named."""
    assert common_categories({"Siemens": 10, "GE": 9}, policy=DEFAULT) == {"Siemens"}


def test_impossible_counts_are_refused() -> None:
    """A negative count or a part above its whole is a defect of the caller."""
    with pytest.raises(ValueError, match="negative"):
        protect_count(-1, policy=DEFAULT)
    with pytest.raises(ValueError, match="larger"):
        protect_part(3, whole=2, policy=DEFAULT)
