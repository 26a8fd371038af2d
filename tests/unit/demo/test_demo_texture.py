"""Smooth noise."""

from __future__ import annotations

import numpy as np

from myofed_demo.texture import smooth_noise, smooth_noise_3d


def test_smooth_noise_has_unit_spread_and_is_smooth() -> None:
    """Standard deviation about 1; neighbours differ much less than far points."""
    field = smooth_noise((200, 160), cell=(10.0, 10.0), rng=np.random.default_rng(0))
    assert field.shape == (200, 160)
    assert 0.7 < float(field.std()) < 1.3
    assert float(np.abs(np.diff(field, axis=0)).mean()) < 0.25 * float(field.std())


def test_slices_of_a_field_are_similar() -> None:
    """Neighbouring slices correlate."""
    field = smooth_noise_3d((60, 40, 5), cells=(3, 3), rng=np.random.default_rng(1))
    assert field.shape == (60, 40, 5)
    assert np.corrcoef(field[..., 0].ravel(), field[..., 1].ravel())[0, 1] > 0.8
