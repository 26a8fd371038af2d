"""What makes one person's thigh differ from the mean one: size, shape, position and a smooth elastic field."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from myofed_demo.anatomy_geometry import Float32

ELASTIC_MODES = 5
ELASTIC_WAVELENGTH_MM = (70.0, 180.0)


@dataclass(frozen=True)
class Positioning:
    """How a hospital's patients are built and lie in the scanner.

    Attributes:
        muscle_radius_mm: Range of R = sqrt(muscle area / pi) at mid-thigh; 35..68 mm in the 36 measured legs.
        fat_thickness_mm: Range of the subcutaneous layer; 6..18 mm.
        rotation_degrees: Mean and standard deviation of the external rotation of the leg.
        aspect: Range of width over height of the leg relative to the mean one (a knee support or strap changes it).
        elastic_mm: Standard deviation of the elastic displacement; three times this is about its largest value.
    """

    muscle_radius_mm: tuple[float, float] = (44.0, 56.0)
    fat_thickness_mm: tuple[float, float] = (6.0, 18.0)
    rotation_degrees: tuple[float, float] = (0.0, 6.0)
    aspect: tuple[float, float] = (0.95, 1.08)
    elastic_mm: float = 2.5


@dataclass(frozen=True, eq=False)
class ElasticField:
    """A smooth displacement as a sum of plane waves; exact at any resolution.

    Attributes:
        wave_per_mm: (mode, 3) wave vectors, radians per mm.
        amplitude_mm: (mode, 2) in the plane.
        phase: (mode,) radians.
    """

    wave_per_mm: Float32
    amplitude_mm: Float32
    phase: Float32

    def displacement_mm(self, x_mm: Float32, y_mm: Float32, z_mm: float) -> tuple[Float32, Float32]:
        """Displacement in x and y, (n,) mm each, at points (n,) of the plane z."""
        angle = np.outer(self.wave_per_mm[:, 0], x_mm) + np.outer(self.wave_per_mm[:, 1], y_mm)
        wave = np.sin(angle + (self.phase + self.wave_per_mm[:, 2] * np.float32(z_mm))[:, None])
        moved = self.amplitude_mm.T @ wave
        return moved[0], moved[1]


@dataclass(frozen=True, eq=False)
class ThighShape:
    """One thigh of one person.

    Attributes:
        radius_mm: R at mid-thigh.
        taper_per_percent: Relative growth of R for each percent towards proximal.
        aspect: Width over height, relative to the mean thigh.
        rotation_rad: External rotation.
        fat_mm: Subcutaneous thickness: mean, and cosine and sine of the angle (thicker medially and behind).
        reach_change: (structures,) units of R.
        elastic: Displacement field.
    """

    radius_mm: float
    taper_per_percent: float
    aspect: float
    rotation_rad: float
    fat_mm: tuple[float, float, float]
    reach_change: Float32
    elastic: ElasticField


def draw_elastic_field(elastic_mm: float, rng: np.random.Generator) -> ElasticField:
    """A field whose displacement has about this standard deviation in each direction."""
    angle = rng.uniform(0, 2 * np.pi, ELASTIC_MODES)
    wave = 2 * np.pi / rng.uniform(*ELASTIC_WAVELENGTH_MM, ELASTIC_MODES)
    along = rng.normal(0.0, 0.01, ELASTIC_MODES)
    return ElasticField(
        wave_per_mm=np.stack([wave * np.cos(angle), wave * np.sin(angle), along], axis=1).astype(np.float32),
        amplitude_mm=(rng.normal(0, elastic_mm * np.sqrt(2 / ELASTIC_MODES), (ELASTIC_MODES, 2))).astype(np.float32),
        phase=rng.uniform(0, 2 * np.pi, ELASTIC_MODES).astype(np.float32),
    )


def draw_thigh_shapes(
    positioning: Positioning, structures: int, rng: np.random.Generator
) -> tuple[ThighShape, ThighShape]:
    """Right and left thigh of one person: alike, and a little different."""
    radius = rng.uniform(*positioning.muscle_radius_mm)
    fat = rng.uniform(*positioning.fat_thickness_mm)
    aspect = rng.uniform(*positioning.aspect)
    reach = rng.normal(0.0, 0.02, structures)

    def one() -> ThighShape:
        return ThighShape(
            radius_mm=radius * rng.normal(1.0, 0.02),
            taper_per_percent=rng.uniform(0.003, 0.006),
            aspect=aspect * rng.normal(1.0, 0.01),
            rotation_rad=np.deg2rad(rng.normal(*positioning.rotation_degrees)),
            fat_mm=(fat, -0.25 * fat * rng.uniform(0.4, 1.4), -0.2 * fat * rng.uniform(0.2, 1.4)),
            reach_change=(reach + rng.normal(0.0, 0.01, structures)).astype(np.float32),
            elastic=draw_elastic_field(positioning.elastic_mm, rng),
        )

    return one(), one()
