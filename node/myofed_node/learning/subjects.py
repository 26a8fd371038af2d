"""One labelled subject as the network sees it: slices of both thighs, images beside classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from myofed_node.learning.labels import class_map
from myofed_node.learning.transforms import (
    CanonicalVolume,
    canonical,
    foreground,
    thigh_classes,
    thigh_grids,
    thigh_images,
)
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode
from myofed_schemas.study import InputImage


@dataclass(frozen=True)
class LabelledVolume:
    """An in-phase magnitude volume and the label map on the same grid.

    Attributes:
        image: (i, j, k), magnitude.
        labels: (i, j, k), canonical label values.
        affine_ras: 4 x 4, voxel index -> mm, RAS+.
    """

    image: npt.NDArray[np.generic]
    labels: npt.NDArray[np.integer]
    affine_ras: npt.NDArray[np.float64]


@dataclass(frozen=True)
class Slices:
    """All labelled slices of one subject, both thighs.

    Attributes:
        images: (n, 1, h, w) float32, z-scored.
        classes: (n, h, w) int64; 0 background, k+1 the manifest's muscle k.
    """

    images: torch.Tensor
    classes: torch.Tensor


def slices_of(volume: LabelledVolume, *, image: InputImage, muscles: Sequence[str]) -> Slices:
    """The subject's slices that show at least one of the study's muscles; the reader left the others unlabelled.

    Args:
        volume: Image and labels.
        image: Grid of the network's input.
        muscles: Muscle ids of the manifest, in its order.

    Raises:
        MyofedError: LABEL_GRID, LABELS_EMPTY, LABEL_VALUE_UNKNOWN, IMAGE_*.
    """
    if volume.labels.shape != volume.image.shape:
        raise MyofedError(
            "LABEL_GRID",
            f"expected a label map of shape {volume.image.shape}, found {volume.labels.shape}",
            exit_code=ExitCode.BAD_INPUT,
        )
    magnitude = canonical(volume.image, affine_ras=volume.affine_ras)
    parts = _thighs(magnitude, volume, image=image, muscles=muscles)
    images, classes = (np.concatenate([part[i] for part in parts]) for i in range(2))
    labelled = classes.any(axis=(1, 2))
    if not labelled.any():
        raise MyofedError("LABELS_EMPTY", "expected a labelled slice, found none", exit_code=ExitCode.BAD_INPUT)
    return Slices(
        images=torch.from_numpy(images[labelled][:, None]), classes=torch.from_numpy(classes[labelled].astype(np.int64))
    )


def _thighs(
    magnitude: CanonicalVolume, volume: LabelledVolume, *, image: InputImage, muscles: Sequence[str]
) -> list[tuple[npt.NDArray[np.float32], npt.NDArray[np.uint8]]]:
    parts = []
    for grid in thigh_grids(foreground(magnitude.values)):
        mapped = class_map(volume.labels, muscles=muscles, side=grid.side)
        turned = canonical(mapped, affine_ras=volume.affine_ras).values.astype(np.uint8)
        parts.append((thigh_images(magnitude, grid, image=image), thigh_classes(turned, magnitude, grid, image=image)))
    return parts
