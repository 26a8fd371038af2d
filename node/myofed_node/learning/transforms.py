"""Image volume -> the network's inputs: one thigh of one axial slice each, left mirrored, on the manifest's grid, z-scored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import nibabel as nib
import numpy as np
import numpy.typing as npt
from scipy import ndimage

from myofed_schemas.anatomy import Side
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode
from myofed_schemas.study import StudyInput

Volume = npt.NDArray[np.float32]
MAX_TILT_DEG = 30.0
"""Slices tilted further from axial are refused: our input is an axial slice."""
MIN_SIDE_SHARE = 0.2
"""Share of the foreground that each half must hold, else the image does not show two thighs."""
MIN_VOXEL_MM3 = 1e-6
CLIP_SD = 5.0
HISTOGRAM_BINS = 128
MIN_LOG_RANGE = 1e-3
"""A tenth of a percent between the darkest and the brightest voxel is an image of nothing."""


@dataclass(frozen=True)
class CanonicalVolume:
    """An axial volume with its axes towards right, anterior and superior.

    Attributes:
        values: (x, y, z) float32; index grows to the patient's RIGHT, front and head (nibabel's RAS+).
        spacing_mm: In-plane spacing along x and y.
    """

    values: Volume
    spacing_mm: tuple[float, float]


@dataclass(frozen=True)
class ThighGrid:
    """Where the slices of one thigh lie in the canonical volume.

    Attributes:
        side: LEFT is mirrored, so that the outer side of the leg is always at the high index.
        centres_px: (z, 2) float64: centre of the thigh per slice, voxel index (x, y).
        half: First and last x index (exclusive) of this half of the image.
    """

    side: Side
    centres_px: npt.NDArray[np.float64]
    half: tuple[int, int]


def canonical(values: npt.NDArray[np.generic], *, affine_ras: npt.NDArray[np.float64]) -> CanonicalVolume:
    """The same volume with its axes reordered and flipped towards RAS+; no resampling.

    Args:
        values: (i, j, k), any numeric type.
        affine_ras: 4 x 4, voxel index -> mm, RAS+.

    Raises:
        MyofedError: IMAGE_NOT_3D, IMAGE_WITHOUT_GEOMETRY, IMAGE_NOT_AXIAL (slice normal more than 30 degrees from the body's axis).
    """
    if values.ndim != 3:
        raise _refusal(f"expected a volume of three dimensions, found {values.ndim}", code="IMAGE_NOT_3D")
    if not values.size:
        raise _refusal("expected voxels in a volume, found none", code="IMAGE_NOT_3D")
    if not np.isfinite(affine_ras).all() or abs(float(np.linalg.det(affine_ras[:3, :3]))) < MIN_VOXEL_MM3:
        raise _refusal("expected an affine with three directions, found another", code="IMAGE_WITHOUT_GEOMETRY")
    normal = affine_ras[:3, 2] / np.linalg.norm(affine_ras[:3, 2])
    tilt_deg = float(np.degrees(np.arccos(min(abs(float(normal[2])), 1.0))))
    if tilt_deg > MAX_TILT_DEG:
        raise _refusal(
            f"expected slices within {MAX_TILT_DEG:g} degrees of axial, found {tilt_deg:.0f}", code="IMAGE_NOT_AXIAL"
        )
    orientation = nib.orientations.io_orientation(affine_ras)  # type: ignore[no-untyped-call]
    turned = nib.orientations.apply_orientation(values, orientation)  # type: ignore[no-untyped-call]
    affine = affine_ras @ nib.orientations.inv_ornt_aff(orientation, values.shape)  # type: ignore[no-untyped-call]
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    return CanonicalVolume(
        values=np.asarray(turned, dtype=np.float32), spacing_mm=(float(spacing[0]), float(spacing[1]))
    )


def foreground(values: Volume) -> npt.NDArray[np.bool_]:
    """True where there is tissue: Otsu's threshold (1979) on the logarithm of the smoothed magnitude; nowhere in a constant image.

    The logarithm makes a coil's bias an offset, so that the split falls between air and tissue, not between muscle and fat.
    """
    smooth = np.maximum(ndimage.uniform_filter(values, size=(3, 3, 1)), 0.0)
    logs = np.log(smooth + max(float(np.percentile(smooth, 99)), 1e-6) * 1e-2)
    if float(np.ptp(logs)) < MIN_LOG_RANGE:
        return np.zeros(values.shape, dtype=np.bool_)
    counts, edges = np.histogram(logs, bins=HISTOGRAM_BINS)
    mask: npt.NDArray[np.bool_] = logs > _otsu(counts.astype(np.float64), (edges[:-1] + edges[1:]) / 2)
    return mask


def _otsu(counts: npt.NDArray[np.float64], middles: npt.NDArray[np.float64]) -> float:
    below = np.cumsum(counts)
    above = below[-1] - below
    sums = np.cumsum(counts * middles)
    with np.errstate(divide="ignore", invalid="ignore"):
        between = below * above * (sums / below - (sums[-1] - sums) / above) ** 2
    return float(middles[int(np.nanargmax(np.where(above > 0, between, np.nan)))])


def thigh_grids(mask: npt.NDArray[np.bool_]) -> tuple[ThighGrid, ThighGrid]:
    """Left and right thigh: the image is split at the emptiest column near the middle of the body's own extent.

    Args:
        mask: (x, y, z) tissue, canonical.

    Raises:
        MyofedError: IMAGE_NOT_TWO_THIGHS where a half holds less than a fifth of the tissue.
    """
    columns = mask.sum(axis=(1, 2)).astype(np.float64)
    occupied = np.flatnonzero(columns > 0.02 * columns.max(initial=0.0))
    if occupied.size < 4:
        raise _refusal("expected two thighs, found no tissue", code="IMAGE_NOT_TWO_THIGHS")
    first, last = int(occupied[0]), int(occupied[-1]) + 1
    reach = max(1, (last - first) // 10)
    middle = (first + last) // 2
    split = middle - reach + int(np.argmin(ndimage.uniform_filter1d(columns, 3)[middle - reach : middle + reach + 1]))
    share = float(columns[:split].sum() / columns.sum())
    if not MIN_SIDE_SHARE <= share <= 1 - MIN_SIDE_SHARE:
        raise _refusal(
            f"expected each half to hold {MIN_SIDE_SHARE:.0%} of the tissue or more", code="IMAGE_NOT_TWO_THIGHS"
        )
    return _grid(mask, side=Side.LEFT, half=(0, split)), _grid(mask, side=Side.RIGHT, half=(split, mask.shape[0]))


def _grid(mask: npt.NDArray[np.bool_], *, side: Side, half: tuple[int, int]) -> ThighGrid:
    part = mask[half[0] : half[1]]
    whole = _centre(np.asarray(part.any(axis=2)))
    centres = [_centre(part[:, :, k]) if part[:, :, k].any() else whole for k in range(mask.shape[2])]
    return ThighGrid(side=side, centres_px=np.asarray(centres) + np.array([half[0], 0.0]), half=half)


def _centre(mask: npt.NDArray[np.bool_]) -> tuple[float, float]:
    x, y = np.nonzero(mask)
    return float(x.mean()), float(y.mean())


def thigh_images(volume: CanonicalVolume, grid: ThighGrid, *, image: StudyInput) -> Volume:
    """The slices of one thigh as the network sees them.

    Args:
        volume: In-phase magnitude, canonical.
        grid: From `thigh_grids`.
        image: Spacing and size.

    Returns:
        (z, h, w) float32, rows to the front, columns to the outer side of the leg; zero mean and unit variance over the
        tissue of each slice, clipped to 5 SD, air about as far below as it was.
    """
    sampled = _sampled(volume, grid, image=image)
    return _standardised(sampled, foreground(np.moveaxis(sampled, 0, 2)))


def thigh_channels(
    volumes: Sequence[CanonicalVolume | None], reference: CanonicalVolume, grid: ThighGrid, *, image: StudyInput
) -> Volume:
    """As `thigh_images`, for several sequences of one session on one grid.

    Args:
        volumes: One a channel; None where the session lacks it.
        reference: The labelled one: its tissue is where each channel is standardised.
        grid: From `thigh_grids` of the reference.
        image: Spacing and size.

    Returns:
        (z, c, h, w) float32; a missing channel is 0 everywhere, and so is a slice of a channel that shows nothing.
    """
    sampled = _sampled(reference, grid, image=image)
    tissue = foreground(np.moveaxis(sampled, 0, 2))
    out = np.zeros((len(sampled), len(volumes), *image.size_px), dtype=np.float32)
    for channel, volume in enumerate(volumes):
        if volume is not None:
            out[:, channel] = _standardised(_sampled(volume, grid, image=image), tissue)
    return out


def _sampled(volume: CanonicalVolume, grid: ThighGrid, *, image: StudyInput) -> Volume:
    half = volume.values[grid.half[0] : grid.half[1]]
    smooth = _smoothed(half, volume.spacing_mm, image.spacing_mm)
    return _sample(smooth, volume.spacing_mm, grid, image=image, order=1)


def thigh_classes(
    classes: npt.NDArray[np.uint8], volume: CanonicalVolume, grid: ThighGrid, *, image: StudyInput
) -> npt.NDArray[np.uint8]:
    """The class map of one thigh on the same grid as `thigh_images`, nearest neighbour.

    Args:
        classes: (x, y, z) uint8, canonical, 0 is background.
        volume: The image, for its spacing.
        grid: From `thigh_grids`.
        image: Spacing and size.

    Returns:
        (z, h, w) uint8.
    """
    half = classes[grid.half[0] : grid.half[1]]
    return _sample(half, volume.spacing_mm, grid, image=image, order=0).astype(np.uint8)


def _smoothed(values: Volume, spacing_mm: tuple[float, float], target_mm: float) -> Volume:
    """Low-pass before sampling more coarsely, so that nothing aliases: SD (ratio - 1) / 2 voxels."""
    sigmas = [max(0.0, (target_mm / s - 1.0) / 2.0) for s in spacing_mm]
    return np.asarray(ndimage.gaussian_filter(values, (*sigmas, 0.0), truncate=3.0), dtype=np.float32)


def _sample(
    values: npt.NDArray[np.generic], spacing_mm: tuple[float, float], grid: ThighGrid, *, image: StudyInput, order: int
) -> Volume:
    """(x, y, z) of one half -> (z, h, w)."""
    rows, columns = image.size_px
    direction = -1.0 if grid.side is Side.LEFT else 1.0
    steps = np.array([direction * image.spacing_mm / spacing_mm[0], image.spacing_mm / spacing_mm[1]])
    out = np.empty((values.shape[2], rows, columns), dtype=np.float32)
    for k in range(values.shape[2]):
        centre = grid.centres_px[k] - (grid.half[0], 0)
        offset = centre - steps * ((columns - 1) / 2, (rows - 1) / 2)
        plane = ndimage.affine_transform(
            values[:, :, k], steps, offset=offset, output_shape=(columns, rows), order=order, mode="constant", cval=0.0
        )
        out[k] = plane.T
    return out


def _standardised(values: Volume, tissue: npt.NDArray[np.bool_]) -> Volume:
    out = np.zeros_like(values)
    for k, plane in enumerate(values):
        inside = plane[tissue[:, :, k]]
        chosen = inside if inside.size > 1 else plane.ravel()
        out[k] = (plane - chosen.mean()) / max(float(chosen.std()), 1e-6)
    return np.clip(out, -CLIP_SD, CLIP_SD)


def _refusal(message: str, *, code: str) -> MyofedError:
    return MyofedError(code, message, exit_code=ExitCode.BAD_INPUT)
