"""How much memory a task takes: the step, known from the manifest, and the subjects in memory, known once they are read."""

from __future__ import annotations

from myofed_node.learning.accountant import SLICES_PER_SUBJECT
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode
from myofed_schemas.study import StudyManifest
from myofed_schemas.study_networks import training_bytes

MIB = 1 << 20


def step_bytes(manifest: StudyManifest) -> int:
    """About how much memory one training step of this study takes, weights and activations."""
    batch = manifest.training.batch_size
    if manifest.privacy and manifest.privacy.level == "example":  # whatever the batch, a subject has so many at once
        batch = max(batch, SLICES_PER_SUBJECT)
    return training_bytes(manifest.architecture, batch=batch, size=manifest.image.size_px)


def room_for_subjects(manifest: StudyManifest, *, max_memory_mb: int | None) -> int | None:
    """Bytes of subjects that fit beside the step; None where there is no limit.

    Args:
        manifest: The study.
        max_memory_mb: The site's `policy.max_memory_mb`.
    """
    return None if max_memory_mb is None else max_memory_mb * MIB - step_bytes(manifest)


def check_room(held: int, *, room: int | None) -> None:
    """So many bytes of subjects fit.

    Raises:
        MyofedError: POLICY_MEMORY.
    """
    if room is not None and held > room:
        raise MyofedError(
            "POLICY_MEMORY",
            f"expected subjects of at most {max(room, 0) // MIB} MiB beside the step, found more",
            hint="policy.max_memory_mb is in config.yaml; a study of larger pixels or fewer channels needs less",
            exit_code=ExitCode.NOT_APPROVED,
        )
