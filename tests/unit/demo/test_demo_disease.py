"""Fat by disease."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from myofed_demo.disease import ALL_MUSCLES, PROFILES, Disease, draw_fat_fractions


def means(disease: Disease) -> Mapping[str, float]:
    """Mean fat fraction of each muscle over 60 subjects."""
    rng = np.random.default_rng(0)
    drawn = [side for _ in range(60) for side in draw_fat_fractions(PROFILES[disease], rng)]
    return {name: float(np.mean([d[name] for d in drawn])) for name in ALL_MUSCLES}


def test_controls_have_little_fat() -> None:
    """Every muscle of a control is between 2 and 6 percent fat."""
    rng = np.random.default_rng(0)
    right, left = draw_fat_fractions(PROFILES["control"], rng)
    assert all(0.02 <= value <= 0.06 for value in (*right.values(), *left.values()))


@pytest.mark.parametrize("disease", ["BMD-like", "LGMDR1-like"])
def test_sartorius_and_gracilis_are_spared(disease: Disease) -> None:
    """They stay below a third of the hamstrings."""
    found = means(disease)
    assert max(found["SA"], found["GR"]) < found["BFL"] / 3


def test_fshd_like_is_one_sided() -> None:
    """Left and right differ more than in LGMDR1-like."""

    def asymmetry(disease: Disease) -> float:
        rng = np.random.default_rng(1)
        pairs = [draw_fat_fractions(PROFILES[disease], rng) for _ in range(40)]
        return float(np.mean([abs(right["SM"] - left["SM"]) for right, left in pairs]))

    assert asymmetry("FSHD-like") > 2 * asymmetry("LGMDR1-like")


def test_fractions_stay_between_zero_and_one() -> None:
    """No draw leaves 0.01..0.95."""
    rng = np.random.default_rng(2)
    for profile in PROFILES.values():
        for side in draw_fat_fractions(profile, rng):
            assert min(side.values()) >= 0.01
            assert max(side.values()) <= 0.95
