"""What a site's policy says about a study, whoever asks and whenever; the coordinator can lower none of it."""

from __future__ import annotations

from myofed_node.config import PrivacyFloor, SitePolicy
from myofed_node.federation.network_policy import check_network
from myofed_node.learning.labels import site_labels
from myofed_node.learning.schedule import steps_of_round
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode
from myofed_schemas.study import StudyManifest

BATCH_NORM = ".running_mean"
"""Tensors of this name belong to batch norm, which mixes the subjects of a batch."""


def check_policy(manifest: StudyManifest, policy: SitePolicy, *, site: str, subjects: int) -> None:
    """The site may take part in this study with so many labelled subjects.

    Args:
        manifest: The study.
        policy: The site's.
        site: The site's name.
        subjects: Labelled subjects that would be split.

    Raises:
        MyofedError: POLICY_NOT_NAMED, POLICY_DEMO, POLICY_TOO_FEW_SUBJECTS, POLICY_TOO_MANY_STEPS,
            POLICY_TOO_FEW_STEPS, POLICY_TOO_FEW_DRAWS, POLICY_BATCH, POLICY_PRIVACY, PRIVACY_NETWORK, or a code of
            `check_network`; the first that applies.
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
    steps = steps_of_round(manifest, round_number=1, labels=site_labels(manifest, site)).count
    if steps < policy.min_local_steps:
        raise _refused(
            "POLICY_TOO_FEW_STEPS", f"at least {policy.min_local_steps} steps of this site a round", str(steps)
        )
    draws = steps * manifest.training.batch_size
    if draws < policy.min_scored_subjects:
        expected = f"steps that draw at least {policy.min_scored_subjects} slices a round"
        raise _refused("POLICY_TOO_FEW_DRAWS", expected, str(draws))
    if manifest.training.batch_size > policy.max_batch:
        raise _refused("POLICY_BATCH", f"batches of at most {policy.max_batch}", str(manifest.training.batch_size))
    check_privacy(manifest, policy.privacy_floor)
    check_network(manifest, policy)


def check_privacy(manifest: StudyManifest, floor: PrivacyFloor | None) -> None:
    """The study's privacy is at least the site's floor, and its network allows it.

    Raises:
        MyofedError: POLICY_PRIVACY, PRIVACY_NETWORK.
    """
    asked = manifest.privacy
    if asked and asked.level == "example" and any(t.name.endswith(BATCH_NORM) for t in manifest.state_dict):
        raise _refused("PRIVACY_NETWORK", "a network without batch norm for example-level privacy", "one with it")
    if floor is None:
        return
    if asked is None or asked.level != floor.level:
        found = asked.level if asked else "none"
        raise _refused("POLICY_PRIVACY", f"a study with privacy of level {floor.level}", found)
    weaker = {
        "clip_norm": asked.clip_norm > floor.max_clip_norm,
        "noise_multiplier": asked.noise_multiplier < floor.min_noise_multiplier,
        "epsilon": asked.epsilon > floor.max_epsilon,
        "delta": asked.delta > floor.max_delta,
    }
    if any(weaker.values()):
        names = ", ".join(name for name, is_weaker in weaker.items() if is_weaker)
        raise _refused("POLICY_PRIVACY", "a study at least as private as this site's floor", f"a weaker {names}")


def _refused(code: str, expected: str, found: str) -> MyofedError:
    return MyofedError(
        code,
        f"expected {expected}, found {found}",
        hint="the policy is in config.yaml; the coordinator cannot change it",
        exit_code=ExitCode.NOT_APPROVED,
    )
