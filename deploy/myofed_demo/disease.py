"""Fat fraction of each muscle by disease: which muscles a disease replaces first, and how unequal left and right are.

Patterns follow what the literature on muscle MR agrees on in words (hamstrings and adductors early and sartorius and gracilis
late in dystrophinopathy and LGMDR1; patchy and one-sided in FSHD). The numbers are made up for the phantom and are no
statement about any patient group.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import numpy as np

from myofed_schemas.anatomy import THIGH_11

Disease = Literal["control", "BMD-like", "FSHD-like", "LGMDR1-like"]

CONTROL_FAT_FRACTION = (0.02, 0.06)
ALL_MUSCLES = (*THIGH_11, "AL")


@dataclass(frozen=True)
class DiseaseProfile:
    """How fat spreads over the thigh muscles.

    Attributes:
        name: For labels and reports.
        fat_fraction: Muscle id -> fat fraction at severity 1, 0..1; what is not named stays as in a control.
        severity: Range from which a subject's severity is drawn.
        spread: Standard deviation between muscles of one subject, as a share of the muscle's value.
        asymmetry: Standard deviation between left and right, same unit.
        patchy: Chance that a muscle is spared altogether on one side.
    """

    name: Disease
    fat_fraction: MappingProxyType[str, float]
    severity: tuple[float, float]
    spread: float
    asymmetry: float
    patchy: float


def _profile(
    name: Disease, *, severity: tuple[float, float], noise: tuple[float, float, float], **fat: float
) -> DiseaseProfile:
    return DiseaseProfile(name, MappingProxyType(fat), severity, *noise)


PROFILES: MappingProxyType[Disease, DiseaseProfile] = MappingProxyType(
    {
        "control": _profile("control", severity=(0.0, 0.0), noise=(0.0, 0.0, 0.0)),
        "BMD-like": _profile(
            "BMD-like", severity=(0.1, 1.0), noise=(0.2, 0.08, 0.0),
            AM=0.65, AL=0.5, BFL=0.7, SM=0.65, ST=0.5, BFS=0.4, VL=0.5, VI=0.45, VM=0.45, RF=0.35, SA=0.1, GR=0.1,
        ),
        "FSHD-like": _profile(
            "FSHD-like", severity=(0.3, 1.0), noise=(0.4, 0.35, 0.35),
            SM=0.7, BFL=0.6, ST=0.55, AM=0.5, AL=0.4, RF=0.45, VM=0.3, SA=0.3, GR=0.3, VL=0.2, VI=0.1, BFS=0.3,
        ),
        "LGMDR1-like": _profile(
            "LGMDR1-like", severity=(0.2, 1.0), noise=(0.15, 0.06, 0.0),
            AM=0.8, AL=0.75, SM=0.8, BFL=0.7, ST=0.7, BFS=0.25, VI=0.6, VM=0.4, VL=0.4, RF=0.3, SA=0.08, GR=0.12,
        ),
    }
)  # fmt: skip


def draw_fat_fractions(profile: DiseaseProfile, rng: np.random.Generator) -> tuple[dict[str, float], dict[str, float]]:
    """Fat fraction (0..0.95) of each muscle of one subject, right thigh and left thigh."""
    severity = rng.uniform(*profile.severity)
    right: dict[str, float] = {}
    left: dict[str, float] = {}
    for name in ALL_MUSCLES:
        healthy = rng.uniform(*CONTROL_FAT_FRACTION)
        common = severity * profile.fat_fraction.get(name, 0.0) * (1.0 + profile.spread * rng.standard_normal())
        for side in (right, left):
            spared = rng.uniform() < profile.patchy
            own = common * (1.0 + profile.asymmetry * rng.standard_normal()) * (not spared)
            side[name] = float(np.clip(healthy + max(own, 0.0), 0.01, 0.95))
    return right, left
