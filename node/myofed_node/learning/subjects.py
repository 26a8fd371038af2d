"""One labelled subject as the network sees it: slices of both thighs, images beside classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import torch

from myofed_node.learning.labels import LabelSpace, class_map, label_space
from myofed_node.learning.transforms import (
    CanonicalVolume,
    ThighGrid,
    canonical,
    foreground,
    thigh_channels,
    thigh_classes,
    thigh_grids,
    thigh_images,
)
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode
from myofed_schemas.study import Channel, InputChannels, StudyInput
from myofed_schemas.study_options import SiteLabels


@dataclass(frozen=True)
class LabelledVolume:
    """A magnitude volume and the label map on the same grid.

    Attributes:
        image: (i, j, k), magnitude; the one that the labels were drawn on.
        labels: (i, j, k), canonical label values.
        affine_ras: 4 x 4, voxel index -> mm, RAS+.
    """

    image: npt.NDArray[np.generic]
    labels: npt.NDArray[np.integer]
    affine_ras: npt.NDArray[np.float64]
    channels: Mapping[Channel, npt.NDArray[np.generic]] = field(default_factory=dict)
    """By channel, where the study names several: (i, j, k) each, on the same grid; a missing one is absent."""


@dataclass(frozen=True)
class Slices:
    """All labelled slices of one subject, both thighs.

    Attributes:
        images: (n, c, h, w) float32, z-scored; c is 1, or the number of channels that the study names.
        classes: (n, h, w) int64; 0 background, k+1 the manifest's muscle k, or targets of the site's label space where
            the site does not draw every muscle singly.
    """

    images: torch.Tensor
    classes: torch.Tensor

    def bytes(self) -> int:
        """What both take in memory."""
        return self.images.nbytes + self.classes.nbytes


def slices_of(
    volume: LabelledVolume, *, image: StudyInput, muscles: Sequence[str], labels: SiteLabels | None = None
) -> Slices:
    """The subject's slices that show at least one of the study's muscles; the reader left the others unlabelled.

    Args:
        volume: Image and labels.
        image: Grid of the network's input.
        muscles: Muscle ids of the manifest, in its order.
        labels: What the site draws; None: every muscle singly.

    Raises:
        MyofedError: LABEL_GRID, LABELS_EMPTY, LABEL_VALUE_UNKNOWN, LABEL_TOO_COARSE, IMAGE_*.
    """
    if volume.labels.shape != volume.image.shape:
        raise MyofedError(
            "LABEL_GRID",
            f"expected a label map of shape {volume.image.shape}, found {volume.labels.shape}",
            exit_code=ExitCode.BAD_INPUT,
        )
    magnitude = canonical(volume.image, affine_ras=volume.affine_ras)
    parts = _thighs(magnitude, volume, image=image, space=label_space(muscles, labels))
    images = np.concatenate([part[0] for part in parts])
    classes = np.concatenate([part[1] for part in parts])
    labelled = classes.any(axis=(1, 2))
    if not labelled.any():
        raise MyofedError("LABELS_EMPTY", "expected a labelled slice, found none", exit_code=ExitCode.BAD_INPUT)
    return Slices(
        images=torch.from_numpy(images[labelled]), classes=torch.from_numpy(classes[labelled].astype(np.int64))
    )


def _thighs(
    magnitude: CanonicalVolume, volume: LabelledVolume, *, image: StudyInput, space: LabelSpace
) -> list[tuple[npt.NDArray[np.float32], npt.NDArray[np.uint8]]]:
    parts = []
    for grid in thigh_grids(foreground(magnitude.values)):
        mapped = class_map(volume.labels, space=space, side=grid.side)
        turned = canonical(mapped, affine_ras=volume.affine_ras).values.astype(np.uint8)
        planes = _planes(magnitude, volume, grid, image=image)
        parts.append((planes, thigh_classes(turned, magnitude, grid, image=image)))
    return parts


def _planes(
    magnitude: CanonicalVolume, volume: LabelledVolume, grid: ThighGrid, *, image: StudyInput
) -> npt.NDArray[np.float32]:
    """(z, c, h, w) of one thigh."""
    if not isinstance(image, InputChannels):
        return thigh_images(magnitude, grid, image=image)[:, None]
    given = [volume.channels.get(name) for name in image.channels]
    turned = [None if values is None else canonical(values, affine_ras=volume.affine_ras) for values in given]
    return thigh_channels(turned, magnitude, grid, image=image)
