"""Memory of a task: the step and the subjects beside it."""

from __future__ import annotations

import pytest
from learning_factories import manifest

from myofed_node.learning.memory import MIB, check_room, room_for_subjects, step_bytes
from myofed_schemas.errors import MyofedError


def test_room_is_what_the_step_leaves() -> None:
    """Nothing where the step alone is larger; without a limit there is none."""
    step = step_bytes(manifest())
    assert room_for_subjects(manifest(), max_memory_mb=1000) == 1000 * MIB - step
    assert room_for_subjects(manifest(), max_memory_mb=None) is None
    check_room(10**15, room=None)
    check_room(5, room=5)
    with pytest.raises(MyofedError) as caught:
        check_room(1, room=-5 * MIB)
    assert caught.value.code == "POLICY_MEMORY"
    assert "at most 0 MiB" in caught.value.message


def test_example_level_takes_a_subjects_slices_at_once() -> None:
    """Whatever the batch is."""
    privacy = {"level": "example", "clip_norm": 1.0, "noise_multiplier": 8.0, "delta": 1e-5, "epsilon": 4.0}
    single = {"batch_size": 1}
    assert step_bytes(manifest(training=single, privacy=privacy)) > step_bytes(manifest(training=single))
