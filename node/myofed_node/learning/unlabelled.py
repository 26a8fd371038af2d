"""A subject's images as the network sees them, without a label map: slices of both thighs that show tissue."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from myofed_node.learning.channels import ChannelImage, channel_images, on_grid
from myofed_node.learning.transforms import (
    CanonicalVolume,
    canonical,
    foreground,
    thigh_channels,
    thigh_grids,
    thigh_images,
)
from myofed_node.mids.dataset import Dataset
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode
from myofed_schemas.study import Channel, InputChannels, StudyInput


def subjects_with_images(dataset: Path) -> tuple[str, ...]:
    """Labels of all subjects, sorted, labelled or not; none where there is no data set."""
    return tuple(subject.label for subject in Dataset(dataset).subjects)


def unlabelled_slices(dataset: Path, subject: str, *, image: StudyInput, most: int) -> torch.Tensor:
    """Slices of one subject over all sessions, evenly spaced where there are more than `most`.

    Of each session the best image of the study's first channel that is there says where tissue is and how slices are cut.

    Args:
        dataset: ORMIR-MIDS folder.
        subject: Label without `sub-`.
        image: Grid and channels of the input.
        most: At least 1.

    Returns:
        (n, c, h, w) float32, as training would see them; n is at least 1.

    Raises:
        MyofedError: SUBJECT_WITHOUT_INPUT, IMAGE_*, SIDECAR_INVALID, DATASET_UNREADABLE.
    """
    opened = Dataset(dataset)
    parts = []
    for session in opened.subject(subject).sessions:
        candidates = channel_images(opened, subject, session.label, channels=image.channel_names)
        if candidates:
            parts += _thighs(candidates, image=image)
    planes = np.concatenate(parts) if parts else np.empty((0,))
    if not len(planes):
        raise MyofedError(
            "SUBJECT_WITHOUT_INPUT",
            "expected an image that the study takes, with tissue in it, found a subject without",
            hint="nothing to do where this is so; else look at the subject with myofed-node validate",
            exit_code=ExitCode.INVALID_DATASET,
        )
    chosen = np.linspace(0, len(planes) - 1, min(most, len(planes))).round().astype(np.intp)
    return torch.from_numpy(planes[chosen])


def _thighs(candidates: Sequence[ChannelImage], *, image: StudyInput) -> list[npt.NDArray[np.float32]]:
    """(z, c, h, w) of each thigh, slices without tissue left out."""
    reference = candidates[0]
    values, affine_ras = _finite(reference), reference.image.affine_ras
    magnitude = canonical(values, affine_ras=affine_ras)
    tissue = foreground(magnitude.values)
    channels = _channels(candidates, values.shape, affine_ras) if isinstance(image, InputChannels) else {}
    parts = []
    for grid in thigh_grids(tissue):
        if isinstance(image, InputChannels):
            planes = thigh_channels([channels.get(name) for name in image.channels], magnitude, grid, image=image)
        else:
            planes = thigh_images(magnitude, grid, image=image)[:, None]
        parts.append(planes[tissue[slice(*grid.half)].any(axis=(0, 1))])
    return parts


def _channels(
    candidates: Sequence[ChannelImage], shape: tuple[int, ...], affine_ras: npt.NDArray[np.float64]
) -> dict[Channel, CanonicalVolume]:
    """The first image of each channel on the reference's grid."""
    firsts = {c.channel: c for c in reversed(candidates)}
    return {
        name: canonical(
            on_grid(_finite(first), first.image.affine_ras, shape=shape, target_ras=affine_ras), affine_ras=affine_ras
        )
        for name, first in firsts.items()
    }


def _finite(chosen: ChannelImage) -> npt.NDArray[np.float32]:
    values = chosen.image.values(chosen.volume).astype(np.float32)
    if not np.isfinite(values).all():
        raise MyofedError(
            "IMAGE_NOT_FINITE",
            "expected finite numbers in an image, found others",
            hint="convert the session again from its source",
            exit_code=ExitCode.INVALID_DATASET,
        )
    return values
