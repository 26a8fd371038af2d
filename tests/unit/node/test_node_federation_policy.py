"""What a site's policy says about a study."""

from __future__ import annotations

import pytest
from site_factories import study

from myofed_node.config import DEMO_POLICY, PrivacyFloor, SitePolicy
from myofed_node.federation.policy import check_policy
from myofed_schemas.errors import MyofedError
from myofed_schemas.study import StudyManifest, TensorSpec
from myofed_schemas.study_options import MixedLabels, SiteLabels

REAL = SitePolicy()
FIVE_DRAWS = DEMO_POLICY.model_copy(update={"min_scored_subjects": 5})


def training(**changes: int) -> dict[str, object]:
    return {"training": study().training.model_copy(update=changes)}


REFUSED: list[tuple[str, SitePolicy, StudyManifest, int]] = [
    ("POLICY_NOT_NAMED", DEMO_POLICY, study(sites=("beta",)), 50),
    ("POLICY_DEMO", REAL, study(demo=True), 50),
    ("POLICY_DEMO", DEMO_POLICY, study(demo=False), 50),
    ("POLICY_TOO_FEW_SUBJECTS", REAL, study(demo=False, min_subjects=1), 39),
    ("POLICY_TOO_FEW_SUBJECTS", DEMO_POLICY, study(min_subjects=30), 29),
    ("POLICY_TOO_MANY_STEPS", DEMO_POLICY, study(**training(local_steps=501)), 50),
    ("POLICY_TOO_FEW_STEPS", REAL, study(demo=False, **training(local_steps=9)), 50),
    ("POLICY_TOO_FEW_DRAWS", FIVE_DRAWS, study(**training(local_steps=2, batch_size=2)), 50),
    ("POLICY_BATCH", DEMO_POLICY, study(**training(batch_size=33)), 50),
    (
        "POLICY_MODEL_SIZE",
        DEMO_POLICY,
        study(state_dict=(TensorSpec(name="huge", shape=(2**15, 2**15), dtype="float32"),)),
        50,
    ),
]


@pytest.mark.parametrize(("code", "policy", "manifest", "subjects"), REFUSED)
def test_study_against_the_policy_is_refused(
    code: str, policy: SitePolicy, manifest: StudyManifest, subjects: int
) -> None:
    """The coordinator can ask, the hospital's policy decides."""
    with pytest.raises(MyofedError) as caught:
        check_policy(manifest, policy, site="alpha", subjects=subjects)
    assert caught.value.code == code


def test_study_within_the_policy_passes() -> None:
    """Exactly at the limits."""
    check_policy(study(**training(local_steps=500, batch_size=32)), DEMO_POLICY, site="alpha", subjects=3)
    check_policy(study(demo=False, min_subjects=1), REAL, site="alpha", subjects=40)


def test_steps_of_a_site_that_does_fewer_are_what_counts() -> None:
    """Ten for the others, five for the site that draws groups: the policy is about what leaves this site."""
    sets = SiteLabels(site="alpha", structures=("biceps femoris",))
    manifest = study(
        demo=False,
        sites=("alpha", "beta"),
        muscles=("BFL", "BFS"),
        mixed_labels=MixedLabels(sites=(sets,), step_percent=50),
        **training(local_steps=10),
    )
    check_policy(manifest, REAL, site="beta", subjects=50)
    with pytest.raises(MyofedError) as caught:
        check_policy(manifest, REAL, site="alpha", subjects=50)
    assert caught.value.code == "POLICY_TOO_FEW_STEPS"


FLOOR = PrivacyFloor(level="update", max_clip_norm=1.0, min_noise_multiplier=4.0, max_epsilon=8.0)
AT_THE_FLOOR = {"level": "update", "clip_norm": 1.0, "noise_multiplier": 4.0, "delta": 1e-5, "epsilon": 8.0}
PRIVATE = DEMO_POLICY.model_copy(update={"privacy_floor": FLOOR})


@pytest.mark.parametrize(
    "change",
    [{"level": "example"}, {"clip_norm": 1.01}, {"noise_multiplier": 3.99}, {"delta": 1e-4}, {"epsilon": 8.1}],
    ids=str,
)
def test_study_with_weaker_privacy_than_the_sites_floor_is_refused(change: dict[str, object]) -> None:
    """Each number by itself."""
    with pytest.raises(MyofedError) as caught:
        check_policy(study(privacy=AT_THE_FLOOR | change), PRIVATE, site="alpha", subjects=50)
    assert caught.value.code == "POLICY_PRIVACY"


def test_study_without_privacy_is_refused_where_the_site_asks_for_it() -> None:
    """Absent is weaker than anything."""
    with pytest.raises(MyofedError) as caught:
        check_policy(study(), PRIVATE, site="alpha", subjects=50)
    assert caught.value.code == "POLICY_PRIVACY"


def test_study_at_the_floor_or_stronger_passes() -> None:
    """A stronger manifest is used as it is; without a floor any manifest is."""
    stronger = AT_THE_FLOOR | {"clip_norm": 0.5, "noise_multiplier": 9.0, "delta": 1e-6, "epsilon": 1.0}
    for privacy in (AT_THE_FLOOR, stronger):
        check_policy(study(privacy=privacy), PRIVATE, site="alpha", subjects=50)
    check_policy(
        study(privacy=AT_THE_FLOOR | {"level": "example", "epsilon": 1e5}), DEMO_POLICY, site="alpha", subjects=50
    )


def test_example_level_privacy_with_batch_norm_is_refused_at_approval() -> None:
    """One subject's gradient would hold the others'."""
    batch = (*study().state_dict, TensorSpec(name="norm.running_mean", shape=(4,), dtype="float32"))
    manifest = study(privacy=AT_THE_FLOOR | {"level": "example"}, state_dict=batch)
    with pytest.raises(MyofedError) as caught:
        check_policy(manifest, DEMO_POLICY, site="alpha", subjects=50)
    assert caught.value.code == "PRIVACY_NETWORK"
