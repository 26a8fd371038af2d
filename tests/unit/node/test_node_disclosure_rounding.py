"""Rounding: what is told keeps to its side of k and of public_k, and its bounds say which counts it stands for."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from myofed_node.disclosure.rounding import UNBOUNDED, Rounding

RULES = st.builds(
    lambda k, more, step: Rounding(k, k + more, step), st.integers(1, 12), st.integers(0, 12), st.integers(1, 10)
)


def test_default_rule_tells_five_ten_fifteen() -> None:
    """5..9 are told as 5, 10..12 as 10, 13..17 as 15; nothing below 5."""
    told = [Rounding(5, 10, 5).told(count) for count in range(18)]
    assert told == [None] * 5 + [5] * 5 + [10] * 3 + [15] * 5


def test_count_without_a_multiple_on_its_side_is_not_told() -> None:
    """With k = 7 no multiple of 5 lies between 7 and 9."""
    assert [Rounding(7, 10, 5).told(count) for count in (6, 7, 9, 10)] == [None, None, None, 10]


def test_zero_is_told_only_where_the_policy_says_so() -> None:
    """Zero and "fewer than k" are one answer, else."""
    assert Rounding(5, 10, 5).told(0) is None
    assert Rounding(5, 10, 5, zeros_told=True).told(0) == 0


@given(rule=RULES, count=st.integers(0, 120))
def test_told_number_is_a_multiple_on_the_side_of_its_count(rule: Rounding, count: int) -> None:
    """Never in 1..k-1, always a multiple, at least public_k exactly when the count is."""
    told = rule.told(count)
    if told is not None:
        assert told % rule.round_to == 0
        assert told >= rule.k
        assert count >= rule.k
        assert (told >= rule.public_k) == (count >= rule.public_k)


@given(rule=RULES, count=st.integers(0, 60))
def test_bounds_are_the_counts_that_are_told_alike(rule: Rounding, count: int) -> None:
    """Within them every count is told as this one, beside them none is."""
    lowest, highest = (int(each[count]) for each in rule.bounds(60))
    told = rule.told(count)
    if told is None:
        assert (lowest, highest) == (-UNBOUNDED, UNBOUNDED)
    else:
        assert {rule.told(each) for each in range(lowest, highest + 1)} == {told}
        assert rule.told(highest + 1) != told
        assert lowest == 0 or rule.told(lowest - 1) != told
