"""What travels during a run."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from myofed_schemas.federation import EXAMPLE_BUCKETS, FLEET_PATHS, MuscleScore, bucket, mean_dice


@given(st.integers(1, 5000))
def test_bucket_never_tells_more_than_its_step(count: int) -> None:
    """The number that leaves is a bucket, not above the true one."""
    assert bucket(count) in EXAMPLE_BUCKETS
    assert bucket(count) <= count


def test_bucket_of_nobody_is_refused() -> None:
    """A site without subjects has no example count."""
    with pytest.raises(ValueError, match="count is 0"):
        bucket(0)


def test_mean_dice_weighs_muscles_alike_and_leaves_out_muscles_without_subjects() -> None:
    """Mean over muscles of the mean over subjects: (1.0 + 0.5) / 2 here."""
    scores = (
        MuscleScore(muscle="VL", dice_sum=4.0, subjects=4),
        MuscleScore(muscle="RF", dice_sum=0.5, subjects=1),
        MuscleScore(muscle="GR", dice_sum=0.0, subjects=0),
    )
    assert mean_dice(scores) == pytest.approx(0.75)


def test_mean_dice_of_nothing_is_not_a_number() -> None:
    """0 of 0 is not a Dice of zero."""
    assert mean_dice(()) is None


def test_exactly_ten_fleet_calls_pass() -> None:
    """The list that both walls share."""
    assert len(set(FLEET_PATHS)) == 10
    assert all(p.startswith("/v1/fleet/") for p in FLEET_PATHS)
