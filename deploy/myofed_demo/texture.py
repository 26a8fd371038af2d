"""Smooth random fields, made on a coarse grid and stretched: cheap, and the same on every machine for one generator."""

from __future__ import annotations

import numpy as np

from myofed_demo.anatomy_geometry import Float32


def smooth_noise(shape: tuple[int, int], *, cell: tuple[float, float], rng: np.random.Generator) -> Float32:
    """A random field of mean 0 and standard deviation about 1 that varies over `cell` samples, (i, j) float32."""
    coarse = rng.standard_normal((int(shape[0] / cell[0]) + 2, int(shape[1] / cell[1]) + 2)).astype(np.float32)
    field = _stretch(shape[0], cell[0]) @ _between(coarse, shape, cell)
    return np.asarray(field * np.float32(1.5))


def smooth_noise_3d(shape: tuple[int, int, int], *, cells: tuple[int, int], rng: np.random.Generator) -> Float32:
    """Like `smooth_noise` in plane, with `cells` cells across the image and a little change from slice to slice."""
    cell = (shape[0] / cells[0], shape[1] / cells[1])
    first = smooth_noise(shape[:2], cell=cell, rng=rng)
    last = first + np.float32(0.5) * smooth_noise(shape[:2], cell=cell, rng=rng)
    share = np.linspace(0.0, 1.0, shape[2], dtype=np.float32)
    return np.asarray(first[:, :, None] * (1 - share) + last[:, :, None] * share)


def _between(coarse: Float32, shape: tuple[int, int], cell: tuple[float, float]) -> Float32:
    return np.asarray(coarse @ _stretch(shape[1], cell[1]).T)


def _stretch(samples: int, cell: float) -> Float32:
    """(samples, nodes): linear interpolation from coarse nodes, as a matrix."""
    at = np.arange(samples) / cell
    low = at.astype(int)
    matrix = np.zeros((samples, int(samples / cell) + 2), np.float32)
    matrix[np.arange(samples), low] = 1.0 - (at - low)
    matrix[np.arange(samples), low + 1] = at - low
    return matrix
