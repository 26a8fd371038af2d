"""One model for sites with different sequences: which channels a session has, and channels that training leaves out.

A channel that a site lacks is zero everywhere. A z-scored one never is, so the planes themselves tell what is available.
Leaving out channels at random in training: Neverova 2016 (IEEE TPAMI 38:1692, ModDrop).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from scipy import ndimage

from myofed_node.mids.dataset import Dataset
from myofed_node.mids.image import Image
from myofed_node.mids.inphase import in_phase_images
from myofed_schemas.mids import Suffix
from myofed_schemas.study import Channel

SUFFIXES: dict[Channel, Suffix] = {"water": Suffix.WAT, "fat": Suffix.FAT, "t1w": Suffix.T1W}
"""`in-phase` is a Dixon product or the echo nearest in phase, as `in_phase_images` finds it."""
GRID_TOLERANCE_MM = 1e-3


@dataclass(frozen=True)
class ChannelImage:
    """Where one channel of a session is.

    Attributes:
        channel: Its name.
        image: The image of the data set.
        volume: Index along the fourth axis; 0 where the file is 3D.
    """

    channel: Channel
    image: Image
    volume: int


def channel_images(
    dataset: Dataset, subject: str, session: str, *, channels: tuple[Channel, ...]
) -> list[ChannelImage]:
    """All magnitude images of the session that are one of these channels: by channel, then best or lowest run first.

    Raises:
        MyofedError: DATASET_UNREADABLE.
    """
    found = sorted(dataset.images(part=None, subject=subject, session=session), key=lambda image: image.name.run)
    images: list[ChannelImage] = []
    for channel in channels:
        if channel == "in-phase":
            chosen = in_phase_images(dataset.root, subject, session)
            images += [ChannelImage(channel, c.image, c.volume) for c in chosen]
        else:
            images += [ChannelImage(channel, image, 0) for image in found if image.suffix is SUFFIXES[channel]]
    return images


def on_grid(
    values: npt.NDArray[np.generic],
    affine_ras: npt.NDArray[np.float64],
    *,
    shape: tuple[int, ...],
    target_ras: npt.NDArray[np.float64],
) -> npt.NDArray[np.float32]:
    """The volume on another image's voxels, linear between its own, 0 outside; unchanged where the grids are one.

    Args:
        values: (i, j, k).
        affine_ras: 4 x 4, its voxel index -> mm, RAS+.
        shape: Voxels of the target.
        target_ras: 4 x 4 of the target.

    Returns:
        `shape`, float32.
    """
    if values.shape == shape and np.allclose(affine_ras, target_ras, atol=GRID_TOLERANCE_MM, rtol=0):
        return values.astype(np.float32)
    matrix = np.linalg.inv(affine_ras) @ target_ras
    moved = ndimage.affine_transform(
        values.astype(np.float32), matrix[:3, :3], offset=matrix[:3, 3], output_shape=shape, order=1, cval=0.0
    )
    return np.asarray(moved, dtype=np.float32)


def available(images: torch.Tensor) -> torch.Tensor:
    """(n, c) bool: which channels each slice has.

    Args:
        images: (n, c, h, w); a missing channel is zero everywhere.
    """
    return images.ne(0).any(dim=3).any(dim=2)


def with_dropout(
    images: torch.Tensor, *, present: torch.Tensor, share: float, generator: torch.Generator
) -> torch.Tensor:
    """A copy in which each present channel of each slice was left out with this probability; the last one never is.

    Args:
        images: (n, c, h, w), augmented.
        present: (n, c) bool, from `available` before the augmentation: missing channels are zero again after it.
        share: 0..1.
        generator: Source of all draws, on the CPU.
    """
    kept = present & (torch.rand(present.shape, generator=generator) >= share)
    kept = torch.where(kept.any(dim=1, keepdim=True), kept, present)
    return images * kept[:, :, None, None].to(images)
