"""What travels during a run."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from myofed_schemas.federation import EXAMPLE_BUCKETS, FLEET_PATHS, MuscleScore, RunStatus, bucket, mean_dice


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


def test_status_names_the_kept_round_once_there_is_one() -> None:
    """Absent before, so that a status of an earlier release reads and writes as it was."""
    values = {
        "run_id": "run-0123abcd",
        "study_id": "thigh-muscles",
        "manifest_digest": "0" * 64,
        "state": "completed",
        "code": "OK",
        "rounds": (),
    }
    early, late = RunStatus.model_validate(values), RunStatus.model_validate(values | {"kept_round": 2})
    assert "kept_round" not in early.model_dump()
    assert late.model_dump()["kept_round"] == 2
    assert RunStatus.model_validate_json(early.model_dump_json()) == early
    assert RunStatus.model_validate_json(late.model_dump_json()) == late
