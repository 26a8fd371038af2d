# ruff: noqa: INP001  a script of its own, in no package
"""Fit the points and reaches of `thigh_geometry.tsv` and the outline to the mean of public label maps; prints the outline.

    python deploy/tools/fit_thigh_geometry.py FOLDER_OF_MAPS deploy/myofed_demo/thigh_geometry.tsv

Run once at development time; the maps are not part of the repository (Apache-2.0, see docs/synthetic-patients.md).
"""

from __future__ import annotations

import argparse
from pathlib import Path

import nibabel as nib
import numpy as np
from nibabel.affines import voxel_sizes
from numpy.typing import NDArray
from scipy import ndimage
from scipy.cluster.vq import kmeans2

from myofed_schemas.anatomy import THIGH_11

Float = NDArray[np.float64]
AXIS = np.linspace(-1.6, 1.6, 129)
LEVELS = (30, 50, 70)
POINTS = {"VL": 4, "VI": 4, "VM": 3, "AM": 4}
FEMUR = {30: (0.13, 0.24), 50: (0.16, 0.24), 70: (0.27, 0.24)}
FEMUR_RADIUS = 0.23
EXTRA = {
    30: {"AL": ([(-0.45, -0.05), (-0.35, 0.0)], 1.0), "NV": ([(0.08, -0.22)], 4.0)},
    50: {"AL": ([(-0.55, 0.1), (-0.42, 0.05)], 4.0), "NV": ([(0.08, -0.42)], 2.0)},
    70: {"AL": ([(-0.72, 0.2), (-0.5, 0.2)], 8.0), "NV": ([(0.2, -0.42)], 1.0)},
}
"""Structures that the maps leave out: points and share of the muscle area in percent, set by eye in the gaps."""
ABSENT = {70: {"BFS": 0.02}}
HARMONICS = 5


def mean_section(folder: Path, level: int) -> tuple[NDArray[np.intp], dict[str, float]]:
    """Most frequent label (x, y) in units of R at this level, and each muscle's mean share of the area in percent."""
    votes, shares = np.zeros((12, AXIS.size, AXIS.size)), []
    for path in sorted(folder.glob("*.nii.gz")):
        image = nib.Nifti1Image.from_filename(path)
        labels, spacing = np.asarray(image.dataobj).astype(int), voxel_sizes(image.affine)  # type: ignore[no-untyped-call]
        slices = np.flatnonzero((labels > 0).any(axis=(0, 1)))
        plane = labels[:, :, round(slices[0] + (slices[-1] - slices[0]) * level / 100)]
        middle = int(np.argwhere(labels > 0)[:, 0].mean())
        for lateral in (-1, 1):
            leg = plane.copy()
            leg[slice(middle, None) if lateral < 0 else slice(None, middle)] = 0
            if len(np.unique(leg)) < 10:
                continue
            area = np.count_nonzero(leg) * spacing[0] * spacing[1]
            radius, centre = np.sqrt(area / np.pi), np.argwhere(leg > 0).mean(axis=0)
            columns = np.rint(centre[0] + lateral * AXIS * radius / spacing[0]).clip(0, leg.shape[0] - 1).astype(int)
            rows = np.rint(centre[1] - AXIS * radius / spacing[1]).clip(0, leg.shape[1] - 1).astype(int)
            sampled = leg[np.ix_(columns, rows)]
            votes += np.arange(12)[:, None, None] == sampled
            shares.append([100 * np.count_nonzero(leg == v) / np.count_nonzero(leg) for v in range(1, 12)])
    votes[0] = 0.3 * len(shares)
    return np.argmax(votes, axis=0), dict(zip(THIGH_11, np.mean(shares, axis=0).round(1).tolist(), strict=True))


def outline(section: NDArray[np.intp]) -> Float:
    """Harmonics of the outline's radius round the origin."""
    filled = ndimage.binary_fill_holes(ndimage.binary_closing(section > 0, iterations=22) | (section > 0))
    angles = np.linspace(-np.pi, np.pi, 72, endpoint=False)
    reach = np.linspace(0.3, 1.5, 240)
    radius = []
    for angle in angles:
        index = [np.rint((reach * f(angle) + 1.6) / 3.2 * 128).astype(int) for f in (np.cos, np.sin)]
        radius.append(reach[filled[index[0], index[1]]].max())
    found = [float(np.mean(radius))]
    for order in range(1, HARMONICS + 1):
        found += [2 * float(np.mean(radius * f(order * angles))) for f in (np.cos, np.sin)]
    return np.array(found)


def points_of(section: NDArray[np.intp], level: int, start: dict[str, Float] | None) -> dict[str, Float]:
    """Points of each structure: cluster centres of its area, in the order of those at mid-thigh."""
    x, y = np.meshgrid(AXIS, AXIS, indexing="ij")
    found: dict[str, Float] = {}
    for value, name in enumerate(THIGH_11, start=1):
        where = np.stack([x[section == value], y[section == value]], axis=1)
        if start is not None and len(where) < 30:
            found[name] = start[name]
            continue
        if start is None:
            angle = np.arctan2(where[:, 1] - 0.2, where[:, 0] - 0.15)
            key = np.where(angle > 2.8, angle - 2 * np.pi, angle) if name in {"VL", "VI"} else where[:, 0]
            parts = np.array_split(np.argsort(key), POINTS.get(name, 2))
            guess = np.array([where[part].mean(axis=0) for part in parts])
        else:
            guess = start[name] - start[name].mean(axis=0) + where.mean(axis=0)
        found[name], _ = kmeans2(where, guess, iter=30, minit="matrix", seed=0)
    return found | {name: np.array(points) for name, (points, _) in EXTRA[level].items()}


def reaches(points: dict[str, Float], shares: dict[str, float], harmonics: Float, level: int) -> dict[str, float]:
    """Reach of each structure, so that the diagram has the measured areas."""
    x, y = np.meshgrid(AXIS, AXIS, indexing="ij")
    angle = np.arctan2(y, x)
    radius = harmonics[0] + sum(
        harmonics[2 * n - 1] * np.cos(n * angle) + harmonics[2 * n] * np.sin(n * angle) for n in range(1, HARMONICS + 1)
    )
    bone = np.hypot(x - FEMUR[level][0], y - FEMUR[level][1]) <= FEMUR_RADIUS
    inside = (np.hypot(x, y) < radius) & ~bone
    distance = np.stack([np.min([np.hypot(x - a, y - b) for a, b in points[n]], axis=0)[inside] for n in points])
    wanted = np.array(
        [{**shares, **ABSENT.get(level, {}), **{n: s for n, (_, s) in EXTRA[level].items()}}[n] for n in points]
    )
    wanted /= wanted.sum()
    reach = np.zeros(len(points))
    for _ in range(400):
        owner = np.argmin(distance - reach[:, None], axis=0)
        reach += 0.25 * (np.sqrt(wanted) - np.sqrt(np.bincount(owner, minlength=len(points)) / owner.size))
        reach -= reach.mean()
    return dict(zip(points, reach.tolist(), strict=True))


def main() -> None:
    """Fit and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("maps", type=Path)
    parser.add_argument("table", type=Path)
    options = parser.parse_args()
    fitted: dict[int, tuple[dict[str, Float], dict[str, float]]] = {}
    for level in (50, 30, 70):
        section, shares = mean_section(options.maps, level)
        harmonics = outline(section)
        points = points_of(section, level, fitted[50][0] if fitted else None)
        fitted[level] = points, reaches(points, shares, harmonics, level)
        print(level, [round(float(h), 3) for h in harmonics])  # noqa: T201  a tool's output
    lines = ["structure\tpoint\tlevel_percent\tx\ty\treach"]
    lines += [
        f"{name}\t{index}\t{level}\t{x:.3f}\t{y:.3f}\t{fitted[level][1][name]:.3f}"
        for name in fitted[50][0]
        for level in LEVELS
        for index, (x, y) in enumerate(fitted[level][0][name])
    ]
    options.table.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
