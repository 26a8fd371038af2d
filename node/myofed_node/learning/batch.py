"""A training batch as the manifest wants it: augmented, and with channels left out where the study names several."""

from __future__ import annotations

import torch

from myofed_node.learning.augment import augmented
from myofed_node.learning.channels import available, with_dropout
from myofed_schemas.study import InputChannels, StudyManifest


def training_batch(
    images: torch.Tensor, classes: torch.Tensor, *, manifest: StudyManifest, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """A changed copy of these slices; a study of one channel draws no more numbers than its augmentation does.

    Args:
        images: (n, c, h, w) float32, z-scored.
        classes: (n, h, w) int64.
        manifest: Says what to change.
        generator: Source of all draws, on the CPU.
    """
    changed, moved = augmented(images, classes, kind=manifest.training.augmentation, generator=generator)
    if isinstance(manifest.image, InputChannels):
        share = manifest.image.dropout
        changed = with_dropout(changed, present=available(images), share=share, generator=generator)
    return changed, moved
