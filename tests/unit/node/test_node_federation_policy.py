"""What a site's policy says about a study."""

from __future__ import annotations

import pytest
from site_factories import study

from myofed_node.config import DEMO_POLICY, SitePolicy
from myofed_node.federation.policy import check_policy
from myofed_schemas.errors import MyofedError
from myofed_schemas.study import StudyManifest, TensorSpec

REAL = SitePolicy()


def training(**changes: int) -> dict[str, object]:
    return {"training": study().training.model_copy(update=changes)}


REFUSED: list[tuple[str, SitePolicy, StudyManifest, int]] = [
    ("POLICY_NOT_NAMED", DEMO_POLICY, study(sites=("beta",)), 50),
    ("POLICY_DEMO", REAL, study(demo=True), 50),
    ("POLICY_DEMO", DEMO_POLICY, study(demo=False), 50),
    ("POLICY_TOO_FEW_SUBJECTS", REAL, study(demo=False, min_subjects=1), 19),
    ("POLICY_TOO_FEW_SUBJECTS", DEMO_POLICY, study(min_subjects=30), 29),
    ("POLICY_TOO_MANY_STEPS", DEMO_POLICY, study(**training(local_steps=501)), 50),
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
    check_policy(study(demo=False, min_subjects=1), REAL, site="alpha", subjects=20)
