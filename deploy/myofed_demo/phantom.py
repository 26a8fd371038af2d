"""A synthetic patient in a scanner: images, the truth about them, and where they are in the patient."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from myofed_demo.anatomy_geometry import Float32, section
from myofed_demo.body import Body, Int16, Leg, draw_body
from myofed_demo.deformation import ThighShape, draw_thigh_shapes
from myofed_demo.disease import PROFILES, Disease, draw_fat_fractions
from myofed_demo.scanner import Acquisition, Complex64, ScannerPreset, acquire, grid_of
from myofed_schemas.anatomy import Side

MM_PER_PERCENT = 4.2
"""One percent of the thigh, for a femur of about 420 mm."""


@dataclass(frozen=True, eq=False)
class Subject:
    """One synthetic patient as one scanner saw them. Arrays are (i, j, k): towards left, posterior, head.

    Attributes:
        profile: Disease.
        preset: Scanner and protocol.
        labels: int16, canonical label values of the 11 muscles (`Muscle.label_value`), else 0.
        fat_fraction_percent: float32, proton density fat fraction; NaN where there is no tissue.
        acquisition: Complex echoes and the truth about the field.
        spacing_mm: Along i, j, k.
        affine_lps: (4, 4), voxel index -> mm LPS. Patient right is at negative x: at the image's left.
    """

    profile: Disease
    preset: ScannerPreset
    labels: Int16
    fat_fraction_percent: Float32
    acquisition: Acquisition
    spacing_mm: tuple[float, float, float]
    affine_lps: NDArray[np.float64]

    @property
    def echoes(self) -> Complex64:
        """(i, j, k, echo) complex64."""
        return self.acquisition.echoes


def subject_rng(seed: int, *, hospital: str, subject: int) -> np.random.Generator:
    """The generator of one subject: the same for the same three values in any process, unrelated for any other."""
    name = f"myofed-demo|{seed}|{hospital}|{subject}".encode()
    return np.random.default_rng(int.from_bytes(hashlib.sha256(name).digest()[:16], "big"))


def make_subject(profile: Disease, preset: ScannerPreset, rng: np.random.Generator) -> Subject:
    """A new patient with this disease, scanned with this protocol; the same for the same state of `rng`.

    Args:
        profile: Key of `disease.PROFILES`.
        preset: Scanner, protocol, build and position of the patients.
        rng: All randomness, from `subject_rng`.
    """
    grid = grid_of(preset)
    levels = slice_levels_percent(preset, shift_percent=rng.uniform(-3.0, 3.0))
    body = draw_body(grid, _draw_legs(profile, preset, rng), levels, rng)
    return Subject(
        profile=profile,
        preset=preset,
        labels=body.labels,
        fat_fraction_percent=_fat_fraction_percent(body),
        acquisition=acquire(body, preset, rng),
        spacing_mm=grid.spacing_mm,
        affine_lps=grid.affine_lps(),
    )


def in_phase(subject: Subject) -> Float32:
    """Magnitude image (i, j, k) float32 of the echo nearest in phase: what a network is given. Fat is brighter than muscle."""
    return np.abs(subject.echoes[..., subject.preset.in_phase_echo]).astype(np.float32)


def slice_levels_percent(preset: ScannerPreset, *, shift_percent: float) -> tuple[float, ...]:
    """Height of each slice in the thigh, percent, ascending from distal."""
    step = preset.spacing_mm[2] / MM_PER_PERCENT
    return tuple(preset.lowest_level_percent + shift_percent + step * k for k in range(preset.shape[2]))


def _draw_legs(profile: Disease, preset: ScannerPreset, rng: np.random.Generator) -> tuple[Leg, Leg]:
    shapes = draw_thigh_shapes(preset.positioning, len(section(50.0).structures), rng)
    fat = draw_fat_fractions(PROFILES[profile], rng)
    gap_mm = rng.uniform(4.0, 14.0)
    offset = (rng.uniform(-5.0, 5.0), rng.uniform(-5.0, 5.0))
    right_x = offset[0] - gap_mm / 2 - _medial_extent_mm(shapes[0])
    left_x = offset[0] + gap_mm / 2 + _medial_extent_mm(shapes[1])
    return (
        Leg(Side.RIGHT, shapes[0], (right_x, offset[1]), fat[0]),
        Leg(Side.LEFT, shapes[1], (left_x, offset[1]), fat[1]),
    )


def _medial_extent_mm(shape: ThighShape) -> float:
    """About how far the leg reaches from its centre towards the other leg."""
    return 1.17 * shape.radius_mm * shape.aspect + shape.fat_mm[0] - shape.fat_mm[1]


def _fat_fraction_percent(body: Body) -> Float32:
    total = body.water + body.fat
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(total > 0.02, 100.0 * body.fat / total, np.nan).astype(np.float32)
