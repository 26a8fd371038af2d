"""Whether a written image is the one the generator's truth describes: by its own affine, never by the order of its array."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from itertools import permutations, product
from pathlib import Path

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from myofed_demo.vendor_matrix import ImageTruth
from myofed_schemas.mids import Part, Suffix

TOLERANCE_MM = 1e-3
VALUE_TOLERANCE = 2e-6
"""Of the greatest value: float32 rounds to 6e-8 of each, a decimal string to 1e-9."""
BRIGHT = 0.6
"""Share of the brightest voxel that only markers reach (module `marked_phantom`)."""
Affine = NDArray[np.float64]
Values = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class WrittenImage:
    """A NIfTI image as any reader sees it.

    Attributes:
        values: (x, y, z, volume) float64, with the file's own slope.
        affine_lps: (4, 4), voxel index -> mm LPS.
    """

    values: Values = field(repr=False)
    affine_lps: Affine = field(repr=False)

    @classmethod
    def read(cls, path: Path) -> WrittenImage:
        """The image at this path."""
        image = nib.load(path)
        values = np.asarray(image.get_fdata(dtype=np.float64))
        shape = (*(*values.shape, 1, 1)[:3], -1)
        return cls(values.reshape(shape), np.diag([-1.0, -1.0, 1.0, 1.0]) @ image.affine)


def corner_error_mm(truth: ImageTruth, written: WrittenImage) -> float:
    """Greatest distance of a corner voxel of the truth from the nearest corner voxel of the image, both in the patient."""
    expected, found = (
        _corners(shape, affine)
        for shape, affine in (
            (truth.values.shape[:3], truth.affine_lps),
            (written.values.shape[:3], written.affine_lps),
        )
    )
    distance = np.linalg.norm(expected[:, None] - found[None], axis=-1)
    return float(max(distance.min(axis=0).max(), distance.min(axis=1).max()))


def _corners(shape: tuple[int, ...], affine: Affine) -> Values:
    corners = np.array(list(product(*[(0, n - 1) for n in shape[:3]])), dtype=np.float64)
    return np.asarray(corners @ affine[:3, :3].T + affine[:3, 3])


def in_truth_order(truth: ImageTruth, written: WrittenImage, *, tolerance_mm: float = TOLERANCE_MM) -> Values | None:
    """The image's values at the truth's voxels (i, j, k, volume), found through the patient; None where one has no voxel there."""
    shape = truth.values.shape[:3]
    grid = np.stack(np.meshgrid(*[np.arange(n) for n in shape], indexing="ij"), axis=-1).reshape(-1, 3)
    world = grid @ truth.affine_lps[:3, :3].T + truth.affine_lps[:3, 3]
    inverse = np.linalg.inv(written.affine_lps)
    index = np.rint(world @ inverse[:3, :3].T + inverse[:3, 3]).astype(int)
    back = index @ written.affine_lps[:3, :3].T + written.affine_lps[:3, 3]
    inside = ((index >= 0) & (index < np.array(written.values.shape[:3]))).all()
    same_count = np.prod(written.values.shape[:3]) == len(grid)
    if not inside or not same_count or np.linalg.norm(back - world, axis=1).max() > tolerance_mm:
        return None
    found: Values = written.values[index[:, 0], index[:, 1], index[:, 2]]
    return found.reshape(*shape, -1)


def marker_errors_mm(truth: ImageTruth, written: WrittenImage) -> list[float]:
    """For each marker the distance of its centre from that of the nearest bright block, found in the image alone."""
    first = written.values[..., 0]
    bright = np.argwhere(first > BRIGHT * first.max())
    world = bright @ written.affine_lps[:3, :3].T + written.affine_lps[:3, 3]
    errors = []
    for marker in truth.markers_mm:
        own = world[np.argsort(np.linalg.norm(world - np.array(marker), axis=1))[:6]]
        errors.append(float(np.linalg.norm(own.mean(axis=0) - np.array(marker))))
    return errors


def value_error(truth: ImageTruth, values: Values) -> float:
    """Greatest difference from the truth as a share of the greatest true value."""
    return float(np.abs(values - truth.values).max() / np.abs(truth.values).max())


def faults(truth: ImageTruth, image: Path, *, sidecar: Path) -> list[str]:
    """What is wrong with the image and its sidecar; empty where nothing is."""
    written = WrittenImage.read(image)
    found = []
    if corner_error_mm(truth, written) > TOLERANCE_MM:
        found.append(f"a corner is {corner_error_mm(truth, written):.4f} mm off")
    values = in_truth_order(truth, written)
    if values is None or values.shape != truth.values.shape:
        return [*found, f"voxels of shape {written.values.shape} are not at the truth's {truth.values.shape} places"]
    if value_error(truth, values) > VALUE_TOLERANCE:
        found.append(f"a value is off by {value_error(truth, values):.2e} of the greatest")
    errors = marker_errors_mm(truth, written) if truth.markers_mm else []
    if errors and max(errors) > TOLERANCE_MM:
        found.append(f"markers are {', '.join(f'{e:.3f}' for e in errors)} mm off")
    return found + _sidecar_faults(truth, json.loads(sidecar.read_text()))


def _sidecar_faults(truth: ImageTruth, document: dict[str, object]) -> list[str]:
    times = document.get("EchoTime")
    told = tuple(times) if isinstance(times, list) else (times,)
    unit = "rad" if truth.part is Part.PHASE else truth.suffix.unit
    found = []
    if told != tuple(round(t, 6) for t in truth.echo_times_ms):
        found.append(f"EchoTime is {told}, true are {truth.echo_times_ms} ms")
    if document.get("Units") != unit:
        found.append(f"Units is {document.get('Units')}, true is {unit}")
    return found


def verdict_of(truth: ImageTruth, written: WrittenImage, *, tolerance_mm: float = 0.02) -> str:
    """What another converter did: `right`, or how it is wrong.

    Arbitrary units may have any one positive factor; radians, percent, Hz and ms must be these. A float32 affine and
    slice positions rounded to 0.01 mm pass as right.

    Returns:
        right; scaled; volumes (another number of echoes, or another order); mirrored; shifted; misplaced (neither of these);
        other content.
    """
    values = in_truth_order(truth, written, tolerance_mm=tolerance_mm)
    if values is not None:
        if values.shape != truth.values.shape:
            return "volumes"
        if _same(truth, values):
            return "right"
        if any(_same(truth, values[..., list(o)]) for o in _orders(values.shape[3])):
            return "volumes"
        if _alike(truth.values, values):
            return "scaled"
    return _how_misplaced(truth, written)


def _orders(count: int) -> list[tuple[int, ...]]:
    return [tuple(reversed(range(count)))] if count > 1 else []


def _same(truth: ImageTruth, values: Values) -> bool:
    quantity = truth.part is Part.PHASE or truth.suffix.unit != "arbitrary"
    factor = 1.0 if quantity else float((values * truth.values).sum() / (truth.values**2).sum())
    return factor > 0 and bool(
        np.abs(values - factor * truth.values).max() <= 1e-4 * factor * np.abs(truth.values).max()
    )


def _alike(expected: Values, found: Values) -> bool:
    """Whether one factor and one offset make the one of the other."""
    if expected.shape != found.shape or not found.std() or not expected.std():
        return False
    factor, offset = np.polyfit(expected.ravel(), found.ravel(), 1)
    return bool(np.abs(found - (factor * expected + offset)).max() <= 2e-3 * abs(factor) * np.ptp(expected))


def _how_misplaced(truth: ImageTruth, written: WrittenImage) -> str:
    """The array is looked for with its axes in any order and direction, then its affine compared."""
    if written.values.shape[3] != truth.values.shape[3]:
        return "volumes"
    if not _alike(np.sort(truth.values, axis=None), np.sort(written.values, axis=None)):
        return "other content"
    for order in permutations(range(3)):
        turned = np.transpose(written.values, (*order, 3))
        if turned.shape != truth.values.shape:
            continue
        for flips in product((False, True), repeat=3):
            if _alike(truth.values, turned[tuple(slice(None, None, -1 if f else 1) for f in flips)]):
                return _kind_of_move(truth, written, order, flips)
    return "other content: slices out of order"


def _kind_of_move(truth: ImageTruth, written: WrittenImage, order: tuple[int, ...], flips: tuple[bool, ...]) -> str:
    axes = written.affine_lps[:3, [*order]].copy()
    ends = np.array(truth.values.shape[:3]) - 1
    origin = written.affine_lps[:3, 3] + sum((axes[:, a] * ends[a] for a in range(3) if flips[a]), np.zeros(3))
    axes *= np.where(flips, -1.0, 1.0)
    if np.linalg.det(axes) * np.linalg.det(truth.affine_lps[:3, :3]) < 0:
        return "mirrored"
    if np.allclose(axes, truth.affine_lps[:3, :3], atol=1e-3):
        return f"shifted by {np.linalg.norm(origin - truth.affine_lps[:3, 3]):.2f} mm"
    return "misplaced"


def name_of(truth: ImageTruth) -> tuple[Suffix, Part]:
    """What the image is called."""
    return truth.suffix, truth.part
