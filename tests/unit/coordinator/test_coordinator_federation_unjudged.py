"""Statistics, counters and tensors that stay local: bounded, though no step of an optimiser leads from what went out to them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from wall_examples import make_manifest

from myofed_coordinator.federation.unjudged import VARIANCE_FACTOR, check_unjudged
from myofed_schemas.errors import MyofedError
from myofed_schemas.step_bound import reach_of_update
from myofed_schemas.study import StudyManifest

SPEC = tuple(
    {"name": f"norm.{name}", "shape": () if name == "num_batches_tracked" else (2,), "dtype": kind}
    for name, kind in (
        ("running_mean", "float32"),
        ("running_var", "float32"),
        ("num_batches_tracked", "int64"),
        ("weight", "float32"),
    )
)
LOCAL = {
    "strategy": "fedbn",
    "strategy_options": {"release": "aggregated"},
    "local_tensors": ("norm.weight", "norm.running_mean", "norm.num_batches_tracked"),
}


def fresh(**changes: Any) -> dict[str, Any]:
    values = {"running_mean": [0.0, 0.0], "running_var": [1.0, 1.0], "num_batches_tracked": 7, "weight": [1.0, 1.0]}
    return {
        f"norm.{name}": np.array(value, np.int64 if name == "num_batches_tracked" else np.float32)
        for name, value in (values | changes).items()
    }


def study(**changes: Any) -> StudyManifest:
    return make_manifest(state_dict=SPEC, **changes)


def passes(
    manifest: StudyManifest, sent: dict[str, Any], *, out: dict[str, Any] | None = None, number: int = 1
) -> bool:
    try:
        check_unjudged(sent, (out or fresh()).__getitem__, manifest, round_number=number)
    except MyofedError as error:
        return error.code != "UPDATE_IMPLAUSIBLE"
    return True


@pytest.mark.parametrize(
    ("changes", "good"),
    [
        ({}, True),
        ({"running_var": [99.0, 0.0]}, True),
        ({"running_var": [101.0, 1.0]}, False),
        ({"running_var": [1.0, -1e-3]}, False),
        ({"running_mean": [-9.9, 9.9]}, True),
        ({"running_mean": [0.0, -10.1]}, False),
        ({"num_batches_tracked": 47}, True),
        ({"num_batches_tracked": 48}, False),
        ({"num_batches_tracked": 6}, False),
        ({"num_batches_tracked": -1}, False),
    ],
)
def test_statistics_and_counters_are_bounded(changes: dict[str, Any], good: bool) -> None:
    """A hundred times the variance, ten times the deviation, the study's forty steps."""
    assert passes(study(), fresh(**changes)) is good


def test_bound_grows_with_what_went_out() -> None:
    """Layers whose activations are large stay usable: by their variance, and by their mean."""
    for out in (fresh(running_var=[4.0, 1.0]), fresh(running_mean=[2.0, 0.0])):
        assert passes(study(), fresh(running_var=[399.0, 1.0]), out=out)
        assert passes(study(), fresh(running_mean=[19.9, 1.0]), out=out)
        assert not passes(study(), fresh(running_var=[401.0, 1.0]), out=out)


def test_noise_of_the_study_is_allowed_for() -> None:
    """Eight of its deviations."""
    privacy = {"level": "update", "clip_norm": 1.0, "noise_multiplier": 2.0, "delta": 1e-5, "epsilon": 8.0}
    sent = fresh(running_mean=[25.9, 0.0], running_var=[VARIANCE_FACTOR + 15.9, 0.0])
    assert passes(study(privacy=privacy), sent)
    assert not passes(study(), sent)
    example = privacy | {"level": "example"}
    assert not passes(study(privacy=example), sent)


def test_mean_or_variance_alone_is_bounded_as_well() -> None:
    """A network may list one without the other."""
    for name, good, bad in (("running_mean", 9.9, 10.1), ("running_var", 99.0, 101.0)):
        spec = tuple(tensor for tensor in SPEC if tensor["name"] == f"norm.{name}")
        manifest = make_manifest(state_dict=spec)
        assert passes(manifest, {f"norm.{name}": np.array([good, 0.0], np.float32)})
        assert not passes(manifest, {f"norm.{name}": np.array([bad, 0.0], np.float32)})


def test_local_tensors_are_as_far_apart_as_two_sites_steps_can_take_them() -> None:
    """Twice a round's way in the first round, more in later ones; a local counter may lag behind."""
    manifest = study(**LOCAL)
    way = reach_of_update(manifest, round_number=1).travel
    assert 40 < way < 100, "forty steps at a rate of 1"
    assert passes(manifest, fresh(weight=[1 + 2 * way, 1 - 2 * way], num_batches_tracked=0))
    assert not passes(manifest, fresh(weight=[1 + 2.1 * way, 1.0]))
    assert passes(manifest, fresh(weight=[1 + 6 * way, 1.0]), number=3)
    assert not passes(manifest, fresh(weight=[1 + 6.3 * way, 1.0]), number=3)
    assert passes(manifest, fresh(num_batches_tracked=7 + 3 * 40))
    assert not passes(manifest, fresh(num_batches_tracked=8 + 3 * 40))
    assert not passes(manifest, fresh(running_mean=[0.0, 11.0]))


def test_weight_decay_that_takes_everything_leaves_no_bound_on_local_tensors() -> None:
    """Rate and decay of 1: whatever it was before is gone."""
    usual = study().training.model_dump()
    training = usual | {"weight_decay": 1.0, "learning_rate": 1.0}
    assert passes(study(**LOCAL, training=training), fresh(weight=[1e6, 1.0]))


def test_shared_weights_are_judged_elsewhere() -> None:
    """By the box of honest steps."""
    assert passes(study(), fresh(weight=[1e6, 1.0]))
