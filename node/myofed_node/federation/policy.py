"""What a site's policy says about a study, whoever asks and whenever; the coordinator can lower none of it."""

from __future__ import annotations

import math

from myofed_node.config import SitePolicy
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode
from myofed_schemas.study import StudyManifest

MAX_MODEL_BYTES = 512 << 20
"""A larger model would not fit a hospital's workstation four times over (weights, gradients, AdamW's two moments)."""
ITEM_BYTES = {"float32": 4, "int64": 8}


def check_policy(manifest: StudyManifest, policy: SitePolicy, *, site: str, subjects: int) -> None:
    """The site may take part in this study with so many labelled subjects.

    Args:
        manifest: The study.
        policy: The site's.
        site: The site's name.
        subjects: Labelled subjects that would be split.

    Raises:
        MyofedError: POLICY_NOT_NAMED, POLICY_DEMO, POLICY_TOO_FEW_SUBJECTS, POLICY_TOO_MANY_STEPS, POLICY_BATCH,
            POLICY_MODEL_SIZE; the first that applies.
    """
    if site not in manifest.sites:
        raise _refused("POLICY_NOT_NAMED", "a study that names this site", "one that does not")
    if manifest.demo != policy.demo:
        expected = "a demonstration" if policy.demo else "a study on patients"
        raise _refused("POLICY_DEMO", f"{expected}, as this site's policy says", "the other")
    needed = max(manifest.min_subjects, policy.minimum_subjects)
    if subjects < needed:
        raise _refused("POLICY_TOO_FEW_SUBJECTS", f"at least {needed} labelled subjects", f"{subjects}")
    if manifest.training.local_steps > policy.max_local_steps:
        found = str(manifest.training.local_steps)
        raise _refused("POLICY_TOO_MANY_STEPS", f"at most {policy.max_local_steps} steps a round", found)
    if manifest.training.batch_size > policy.max_batch:
        raise _refused("POLICY_BATCH", f"batches of at most {policy.max_batch}", str(manifest.training.batch_size))
    model_bytes = sum(math.prod(t.shape) * ITEM_BYTES[t.dtype] for t in manifest.state_dict)
    if model_bytes > MAX_MODEL_BYTES:
        raise _refused("POLICY_MODEL_SIZE", f"a model of at most {MAX_MODEL_BYTES} bytes", str(model_bytes))


def _refused(code: str, expected: str, found: str) -> MyofedError:
    return MyofedError(
        code,
        f"expected {expected}, found {found}",
        hint="the policy is in config.yaml; the coordinator cannot change it",
        exit_code=ExitCode.NOT_APPROVED,
    )
