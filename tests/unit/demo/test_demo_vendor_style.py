"""Stored integers and the values a right reader gets out of them."""

from __future__ import annotations

import numpy as np
import pytest

from myofed_demo.protocols import Kind, Volume
from myofed_demo.vendor_matrix import STYLES, Case, cases_of
from myofed_demo.vendor_series import stored_volumes
from myofed_demo.vendor_style import StoredVolume, store

CASES = [pytest.param(case, id=case.name) for style in STYLES for case in cases_of(style)]


@pytest.mark.parametrize("case", CASES)
def test_what_is_read_is_the_real_value_to_half_a_stored_step(case: Case) -> None:
    """Up to the factor of arbitrary units; pi itself is one step beyond 12 bits and loses that."""
    for stored in stored_volumes(case.style, case.volumes):
        step = abs(stored.encoding.backward[0])
        factor = factor_of(stored)
        limit = 1.01 if stored.volume.kind is Kind.PHASE else 0.51
        assert np.abs(stored.real - factor * stored.volume.values).max() <= limit * step


@pytest.mark.parametrize("case", CASES)
def test_all_volumes_of_a_kind_have_one_factor_and_quantities_none(case: Case) -> None:
    """The ratio of two echoes survives storage, whatever slope each has; radians, Hz and ms are what they say."""
    for kind in {v.kind for v in case.volumes}:
        factors = [factor_of(s) for s in stored_volumes(case.style, case.volumes) if s.volume.kind is kind]
        assert max(factors) / min(factors) == pytest.approx(1.0, rel=1e-6)
        if kind in {Kind.PHASE, Kind.OFF_RESONANCE, Kind.T2}:
            assert factors == pytest.approx([1.0] * len(factors), rel=1e-8)


def factor_of(stored: StoredVolume) -> float:
    """What a value is multiplied by on its way through the file."""
    return stored.encoding.forward[0] * stored.encoding.backward[0]


def test_phase_beyond_a_half_turn_is_cut() -> None:
    """Philips' -3142 milliradians are a little more than pi."""
    style = next(s for s in STYLES if s.vendor == "philips")
    volume = Volume(Kind.PHASE, 0, 1.0, np.full((1, 1, 1), -np.pi), np.eye(4))
    assert store(volume, style.encoding(volume, 1.0)).real.item() == -np.pi
