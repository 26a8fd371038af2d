"""What people of a small site should know before they approve: no Dice of theirs will be seen."""

from __future__ import annotations

from myofed_node.config import SitePolicy
from myofed_node.learning.protocol import Roles
from myofed_schemas.study import StudyManifest

CONSEQUENCES = (
    ("validate", "no Dice of a muscle leaves, and this site has no say in which round's model is kept"),
    ("test", "a Dice of a muscle on them would be nearly that of single patients, so do not tell it to others"),
)


def scoring_notes(
    manifest: StudyManifest, policy: SitePolicy, *, subjects: int, roles: Roles | None = None
) -> tuple[str, ...]:
    """One line for each role that has fewer subjects than a Dice per muscle needs to leave; none at a site large enough.

    Args:
        manifest: The study.
        policy: Its `min_scored_subjects`.
        subjects: Labelled subjects at this site.
        roles: The stored split; None: what its percentages give on average.
    """
    least, split = policy.min_scored_subjects, manifest.split
    if roles is None:
        numbers = (_number(subjects, split.validation_percent), _number(subjects, split.test_percent))
    else:
        numbers = (len(roles.validation), len(roles.test))
    about = "about " if roles is None else ""
    return tuple(
        f"few subjects: {about}{number} {what}, fewer than policy.min_scored_subjects ({least}): {then}"
        for number, (what, then) in zip(numbers, CONSEQUENCES, strict=True)
        if number < least
    )


def _number(subjects: int, percent: int) -> int:
    """As many as a split of this percentage has on average, rounded down."""
    return subjects * percent // 100
